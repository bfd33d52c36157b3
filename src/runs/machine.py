"""Facts about code and machine for the record: versions, commit, memory, and load by other processes."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from src.runs.result import Memory

PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "omegaconf", "wandb", "numpy", "gatebench")


def versions() -> dict[str, str]:
    """Return the versions of Python and of packages that affect results."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def git() -> dict[str, Any]:
    """Return the commit of the code and whether the working tree was clean; empty outside a git checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # an installed package may be inside another project's checkout
        return {}

    def ask(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=10).stdout

    try:
        return {"commit": ask("rev-parse", "HEAD").strip(), "clean": not ask("status", "--porcelain").strip()}
    except (OSError, subprocess.SubprocessError):
        return {}


def hardware() -> dict[str, Any]:
    """Return processor, cores and GPU, if any; also the visible GPUs if they are restricted."""
    import torch

    facts: dict[str, Any] = {"cpu": _cpu_name(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        facts["visible_gpus"] = visible  # the GPUs that a launcher assigned to this run
    return facts


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"^model name.*?:(.*)$", cpuinfo.read_text() if cpuinfo.is_file() else "", re.MULTILINE)
    return named.group(1).strip() if named else platform.processor() or platform.machine()


def peak_memory() -> Memory:
    """Return the peak memory of this process and its GPU so far."""
    import torch

    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB, macOS in bytes
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return Memory(resident, torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else None)


class MachineLoad:
    """Measures how many cores other processes kept busy on average since its creation (Linux; None elsewhere).

    >>> others = MachineLoad(); isinstance(others.busy_cores(), float | None)
    True
    """

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        try:
            fields = [int(f) for f in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        except (OSError, ValueError):
            return None
        busy = sum(fields[:8]) - fields[3] - fields[4]  # all but idle and I/O wait
        own = sum(os.times()[:4])
        return time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), own

    def busy_cores(self) -> float | None:
        """Return the number of cores kept busy by others; None if unknown."""
        then, now = self._start, self._now()
        if then is None or now is None or now[0] - then[0] <= 0:
            return None
        return max(0.0, ((now[1] - then[1]) - (now[2] - then[2])) / (now[0] - then[0]))
