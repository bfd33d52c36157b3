"""Peak memory of a step, each contender in a process of its own: ``python -m benchmarks.peak_memory`` serves them.

In the process that takes times, what one contender left to the allocator would serve the next one, and the peak of
all would be counted for each. The server imports torch once and forks a fresh process for each question (Linux; on
other systems there is no answer). A question is a line of JSON, and so is its answer.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

STATUS = Path("/proc/self/status")


class MemoryServer:
    """Answers how much memory a step takes.

    >>> # with MemoryServer() as server: server.peak_mb("gru", "fused", [8, 160, 88, 46], "training", 1)
    """

    def __enter__(self) -> MemoryServer:
        self._process: subprocess.Popen[str] | None = None
        if sys.platform == "linux":
            one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # threads do not survive a fork
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "benchmarks.peak_memory"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **one_thread},
                cwd=Path(__file__).resolve().parents[1],
            )
        return self

    def peak_mb(self, cell: str, backend: str, shape: list[int], mode: str, threads: int) -> float | None:
        """Resident memory at its highest during two steps, above what stood before the first, in MB (10^6 bytes).

        Before the first step there are torch, network and input; so a training step's figure counts gradients,
        Adam's state, activations and workspaces. None where it cannot be told.

        Args:
            cell: a key of ``CELLS``.
            backend: one of ``BACKENDS``, or ``twin``.
            shape: batch, time, input_size, hidden_size.
            mode: ``training`` or ``inference``.
            threads: of torch.
        """
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            return None
        asked = {"cell": cell, "backend": backend, "shape": shape, "mode": mode, "threads": threads}
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            return None
        return json.loads(answer) if answer else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()


def serve() -> None:
    """Answer lines on standard input until it closes."""
    from benchmarks import contenders

    _import_what_a_first_step_imports()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                print(json.dumps(_measure(contenders, **json.loads(line))), flush=True)
                os._exit(0)
            os._exit(1)
        if os.waitpid(child, 0)[1] != 0:
            print("null", flush=True)


def _measure(contenders: Any, cell: str, backend: str, shape: list[int], mode: str, threads: int) -> float | None:
    import torch

    torch.set_num_threads(threads)

    def build(*sizes: int) -> Any:
        case, device = contenders.Case(contenders.Shape(*sizes), mode, threads), torch.device("cpu")
        if backend == "twin":
            return contenders.twins([cell], case, device)[0].work
        return contenders.contender(cell, backend, case, device, check=False).work

    build(1, 2, 1, 1)()  # libraries' pages that come in with the first step are not the step's memory
    work = build(*shape)
    gc.collect()
    # Sets the peak to what is resident now; where that is refused it is the size at the fork, which is smaller.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    work()
    work()
    after = resident("VmHWM")
    return None if before is None or after is None else max(0.0, (after - before) / 1e6)


def resident(field: str) -> int | None:
    """``VmRSS`` (resident now) or ``VmHWM`` (at its highest) of this process, in bytes; None where it is unknown."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def _import_what_a_first_step_imports() -> None:
    # Optimizers import a hundred megabytes when first used, which would be counted for each contender.
    import torch

    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2)
    torch.optim.Adam([weight]).step()


if __name__ == "__main__":
    serve()
