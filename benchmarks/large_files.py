"""Time and memory for a large file before the first batch: ``python -m benchmarks.large_files 60``.

Synthetic files of about this many MB are read in separate processes, with one thread: seconds to the first batch, and
peak memory beyond that of the imports. Parquet needs pyarrow.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from src.files import csv_text


def csv(path: Path, size: int) -> None:
    """Write a time and three columns of numbers."""
    rows, rng = size * 25_000, np.random.default_rng(0)
    times = pd.date_range("2000-01-01", periods=rows, freq="min")
    columns = (rng.normal(size=rows).round(5), rng.normal(size=rows).round(5), rng.integers(0, 999, rows))
    path.write_text(csv_text(("time", *"abc"), zip(times.astype(str), *(c.tolist() for c in columns), strict=True)))


def parquet(path: Path, size: int) -> None:
    """Write the same with twice as many rows, because they take less space."""
    rows, rng = size * 35_000, np.random.default_rng(0)
    times = pd.date_range("2000-01-01", periods=rows, freq="min")
    columns = {name: rng.normal(size=rows) for name in "abc"}
    pd.DataFrame({"time": times, **columns}).to_parquet(path)


def npz(path: Path, size: int) -> None:
    """Sequences of 100 steps of ten features, in three classes."""
    n = size * 250
    np.savez(path, x=np.random.default_rng(0).normal(size=(n, 100, 10)).astype("f4"), y=np.arange(n) % 3)


def txt(path: Path, size: int) -> None:
    """Write characters with the frequencies of a text."""
    letters = np.frombuffer(b"etaoin shrdlu etaoin\n", dtype=np.uint8)
    path.write_bytes(np.random.default_rng(0).choice(letters, size * 1_000_000).tobytes())


FORMS: dict[str, Callable[[Path, int], None]] = {"csv": csv, "parquet": parquet, "npz": npz, "txt": txt}


def read(path: Path) -> None:
    """Print seconds to the first batch and MB of memory, of this process."""
    import torch

    from src.data.own.file import File
    from src.data.own.text import Text

    torch.set_num_threads(1)
    data = Text(path=str(path), chunk=100) if path.suffix == ".txt" else File(path=str(path))
    before, most, ended = _memory(), [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            most[0] = max(most[0], _memory())

    thread = threading.Thread(target=watch)
    thread.start()
    begin = time.perf_counter()
    next(iter(data.train_dataloader()))
    seconds = time.perf_counter() - begin
    ended.set()
    thread.join()
    print(seconds, most[0] - before)


def _memory() -> float:
    """Return the memory of this process in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def main() -> None:
    """Write the files, read each in a separate process, and print a table."""
    if sys.argv[1:2] == ["read"]:
        read(Path(sys.argv[2]))
        return
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print("| form | MB | seconds | MB a second | memory, times the file |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for form, make in FORMS.items():
            if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
                continue
            path = Path(folder) / f"large.{form}"
            make(path, size)
            mb = path.stat().st_size / 1e6
            command = [sys.executable, "-m", "benchmarks.large_files", "read", str(path)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            seconds, memory = map(float, said[-2:])
            print(f"| {form} | {mb:.0f} | {seconds:.1f} | {mb / seconds:.0f} | {memory / mb:.1f} |", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
