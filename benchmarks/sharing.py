"""Runs per hour when several share a GPU: ``python -m benchmarks.sharing FOLDER MUSIC.npz gpu 8 40``.

Each process trains a few runs one after the other, like a multirun. Runs are counted between the
end of the last process's first run and the end of the first process's last one, when all are busy and starting
Python and CUDA, which takes seconds once per process, is over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from src.runs.record import find_runs
from src.runs.result import RunResult

RUNS = 3  # of a process; the first is for warming up


def shared(folder: Path, music: Path, device: str, at_once: int, epochs: int) -> dict[str, Any]:
    """Train, and count.

    Args:
        folder: for the runs.
        music: of `benchmarks.made_up.piano_rolls`.
        device: ``gpu`` or ``cpu``.
        at_once: processes; 0: one for each core of the machine.
        epochs: of a run.

    Returns:
        ``runs_per_hour`` while all processes are at work, ``steps_per_second`` (of one run, the mean), ``seconds`` of a
        run, ``wall_seconds`` of everything, ``mps`` (whether its daemon was there).

    Raises:
        RuntimeError: a process failed.
    """
    at_once = at_once or os.cpu_count() or 1
    command = [
        sys.executable, "-m", "src.train", "-m", "model=gru", "model.hidden_size=46", f"trainer={device}",
        f"trainer.max_epochs={epochs}", "callbacks=no_early_stopping", "data=npz", f"data.path={music}",
        "data.task=music", "data.batch_size=8", "optimizer.lr=0.001", "logger=csv",
        "trainer.enable_progress_bar=false", "test=false",
    ]  # fmt: skip
    began, processes, folders = time.perf_counter(), [], [folder / str(n) for n in range(at_once)]
    for n, runs in enumerate(folders):
        runs.mkdir(parents=True)
        seeds = ",".join(str(RUNS * n + k) for k in range(RUNS))
        with open(runs / "log", "wb") as log:
            processes.append(
                subprocess.Popen(
                    [*command, f"seed={seeds}", f"paths.runs_dir={runs}"],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            )
    codes = [process.wait() for process in processes]
    wall = time.perf_counter() - began
    if any(codes):
        raise RuntimeError((folders[codes.index(max(codes))] / "log").read_text()[-1000:])
    records = [sorted((r for _, r in find_runs(runs)), key=lambda r: r.ended or 0.0) for runs in folders]
    return {
        "device": device,
        "at_once": at_once,
        "runs_per_hour": 3600 * runs_per_second(records),
        "steps_per_second": mean(r.timing.steps_per_second or 0.0 for own in records for r in own[1:]),
        "seconds": mean(later - earlier for own in records for earlier, later in pairwise(ends(own))),
        "epochs": epochs,
        "wall_seconds": wall,
        "peak_gpu_mb": max((r.memory.peak_gpu_mb or 0.0 for own in records for r in own), default=0.0),
        "mps": Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"), "control").exists(),
    }


def runs_per_second(records: list[list[RunResult]]) -> float:
    """Runs, and parts of runs, that ended in a second while all processes were past their first."""
    begin, end = max(ends(own)[0] for own in records), min(ends(own)[-1] for own in records)
    if end <= begin:  # one process was through before another had warmed up: from a run's length, then
        return sum((len(own) - 1) / (ends(own)[-1] - ends(own)[0]) for own in records)
    done = 0.0
    for own in records:
        for earlier, later in pairwise(ends(own)):
            done += max(0.0, min(later, end) - max(earlier, begin)) / (later - earlier)
    return done / (end - begin)


def ends(records: list[RunResult]) -> list[float]:
    """Return when the runs of a process ended, which is when the next ones began."""
    return [record.ended or 0.0 for record in records]


def mean(values: Any) -> float:
    """Return the arithmetic mean."""
    numbers = list(values)
    return sum(numbers) / max(len(numbers), 1)


def main() -> None:
    """The command line: a folder, data, a device, how many at a time, how many epochs."""
    folder, music, device, at_once, epochs = sys.argv[1:]
    result = shared(Path(folder) / "runs", Path(music), device, int(at_once), int(epochs))
    (Path(folder) / "sharing.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
