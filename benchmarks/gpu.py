"""Run all GPU measurements at once: ``python -m benchmarks.gpu out=DIR``.

Each part is a process with its own time limit, whose result is written at once: a crash or a hang costs that part
alone. This process itself never touches the GPU.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from benchmarks import CONF, results
from benchmarks.gpu_parts import STEPS, Part, facts, parts_of
from benchmarks.gpu_table import MARKS, markdown
from benchmarks.settings import GPU, names
from benchmarks.tables import put_into, read_page
from src.config.instantiate import plain
from src.config.rules import check_values
from src.config.shell import command
from src.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
KILLED = 124  # what a part that ran into its limit is said to have returned, as timeout(1) has it


def gpu(cfg: DictConfig) -> dict[str, Any]:
    """Measure, or reuse an earlier result; write JSON, Markdown and the log of all parts.

    Args:
        cfg: a config composed from ``benchmarks/conf/gpu.yaml``.

    Returns:
        ``parts``, by name: ``rc``, ``seconds``, ``command`` and either ``result`` or ``reason``; beside them versions,
        hardware and commit.

    Raises:
        UserError: in one sentence, when a setting is impossible.
    """
    check_values(plain(cfg), keys=GPU)
    if cfg.table is not None:
        read_page(Path(cfg.table), MARKS)
    if cfg.results is not None:
        found = [results.read(Path(path)) for path in cfg.results]
    else:
        found = [measured(cfg, names("steps", list(cfg.steps), list(STEPS)))]
    text = markdown(*found)
    print(text)
    if cfg.table is not None:
        put_into(Path(cfg.table), MARKS, text)
    return found[-1]


def measured(cfg: DictConfig, steps: list[str]) -> dict[str, Any]:
    """Run all parts of some steps, one after the other."""
    out, began, started = Path(cfg.out).resolve(), time.monotonic(), time.time()
    result: dict[str, Any] = {
        "schema": results.SCHEMA,
        "command": shlex.join(["python", "-m", "benchmarks.gpu", *sys.argv[1:]]),
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(started)),
        "device": cfg.device,
        **facts(cfg.commit),
        "parts": {},
    }
    with tempfile.TemporaryDirectory(prefix="gatebench-gpu-") as folder:
        parts = parts_of(steps, Path(folder), cfg.device)
        if cfg.parts is not None:
            wanted = names("parts", list(cfg.parts), [part.name for part in parts])
            parts = [part for part in parts if part.name in wanted]
        background = [(part, start(part, Path(folder))) for part in parts if part.background]
        try:
            for group in groups(part for part in parts if not part.background):
                if group[0].timed:
                    for other, process in background:
                        result["parts"][other.name] = finish(other, process, Path(folder), began)
                    background = []
                now = time.monotonic()
                left = 60 * cfg.minutes - (now - began)
                running = [(part, start(part, Path(folder))) for part in group if left > 5]
                for part in group[len(running) :]:
                    result["parts"][part.name] = {"reason": f"no time was left of the {cfg.minutes:g} minutes"}
                for part, process in running:
                    result["parts"][part.name] = finish(part, process, Path(folder), now, left)
                    result["minutes"] = (time.monotonic() - began) / 60
                    write(result, out, Path(folder))
        finally:
            for _, process in background:
                kill(process)
    return result


def groups(parts: Iterable[Part]) -> list[list[Part]]:
    """Return groups of parts that run at the same time."""
    found: list[list[Part]] = []
    for part in parts:
        if part.beside and found:
            found[-1].append(part)
        else:
            found.append([part])
    return found


def start(part: Part, folder: Path) -> subprocess.Popen[bytes]:
    """Start a part in its own session, so that all its processes can be stopped together."""
    (folder / part.name).mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with open(folder / f"{part.name}.log", "wb") as log:
        return subprocess.Popen(
            part.command,
            cwd=ROOT,
            env=environment | part.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(
    part: Part, process: subprocess.Popen[bytes], folder: Path, began: float, left: float | None = None
) -> dict[str, Any]:
    """Wait for a part until its time limit, and read its result."""
    limit = part.limit if left is None else min(part.limit, left)
    try:
        rc = process.wait(max(0.0, limit - (time.monotonic() - began)))
    except subprocess.TimeoutExpired:
        rc = KILLED
    kill(process)
    seconds = time.monotonic() - began
    done: dict[str, Any] = {"command": shlex.join(part.command), "rc": rc, "seconds": seconds, "limit": limit}
    try:
        done["result"] = part.read(folder / part.name)
    except Exception as error:  # whatever a part left behind, the others are measured
        done["unread"] = f"{type(error).__name__}: {error}"
    if rc:
        log = (folder / f"{part.name}.log").read_text(errors="replace").strip()
        done["reason"] = f"stopped after {limit:.0f} seconds" if rc == KILLED else log.rpartition("\n")[2][:300]
        done["log"] = log[-4000:]
    print(f"{part.name}: rc {rc}, {seconds:.1f} s {done.get('reason', '')}", flush=True)
    return done


def kill(process: subprocess.Popen[bytes]) -> None:
    """Stop a part and all processes that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write(result: dict[str, Any], out: Path, folder: Path) -> None:
    """Write the three files of a result, as far as it is complete."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "gpu.json", lambda file: file.write(json.dumps(result, indent=1).encode()))
    (out / "gpu.md").write_text(markdown(result))
    logs = (f"===== {log.stem}\n{log.read_text(errors='replace')[-200_000:]}" for log in sorted(folder.glob("*.log")))
    (out / "gpu.log").write_text("\n".join(logs))


def main() -> None:
    """Run the command line."""
    command("gpu", gpu, CONF, GPU)


if __name__ == "__main__":
    main()
