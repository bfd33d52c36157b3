"""Peak memory of a callable, in a process of its own.

In a process that has computed before, what an earlier callable left to the allocator would serve the next one, and the
peak of all would be counted for each. Python's fork server imports what is needed once, computes nothing, and forks a
fresh process for each question.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import ModuleType
from typing import Any

STATUS = Path("/proc/self/status")
CALLS = 2  # a training step's second call has gradients and optimizer state as well


def peak_mb(
    prepare: Callable[..., Callable[[], Any]], *arguments: Any, preload: Sequence[str] = ("torch",)
) -> float | None:
    """Resident memory at its highest while a callable runs twice, above what stood before, in MB (10^6 bytes).

    Args:
        prepare: makes the callable, in the process that is measured; what it needs beforehand (weights, input, the
            pages of libraries that come in with a first call) is not counted. A function of a module, by its name.
        arguments: of ``prepare``; they are pickled.
        preload: modules that the fork server imports; only what the first question of this process asks for counts.

    Returns:
        None where it cannot be told: on other systems than Linux, and where the process was killed.

    Raises:
        Exception: whatever ``prepare`` or the callable raises.
    """
    if sys.platform != "linux":
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            with _no_main():
                asked = pool.submit(_peak_here, prepare, arguments)
            return asked.result()
        except BrokenProcessPool:
            return None


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Let a process that is started here not run the program of this one, which may be a script without a guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _peak_here(prepare: Callable[..., Callable[[], Any]], arguments: Sequence[Any]) -> float | None:
    work = prepare(*arguments)
    gc.collect()
    # Sets the peak to what is resident now; where that is refused it is the size at the fork, which is smaller.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    for _ in range(CALLS):
        work()
    after = resident("VmHWM")
    return None if before is None or after is None else max(0.0, (after - before) / 1e6)


def resident(field: str) -> int | None:
    """``VmRSS`` (resident now) or ``VmHWM`` (at its highest) of this process, in bytes; None where it is unknown.

    >>> resident("VmNothing") is None
    True
    """
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)
