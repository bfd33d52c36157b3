"""How often a training step waits for the GPU: ``python -m benchmarks.synchronisations FOLDER MUSIC LABELLED gpu``."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

FIRST, STEPS = 10, 30  # the first step that counts, and how many: within an epoch
ROOT = Path(__file__).resolve().parents[1]


class CountSynchronisations(pl.Callback):
    """Counts what torch says makes the CPU wait for the GPU, in whole training steps, loading and all callbacks too.

    Args:
        path: where the counts go, as JSON: ``steps``, and by the place in the code how often it waited.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._caught: Any = None
        self._warnings: list[warnings.WarningMessage] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start or stop counting at the same point of a step."""
        if trainer.current_epoch or not torch.cuda.is_available():
            return
        if batch_idx == FIRST:
            torch.cuda.synchronize()
            self._caught = warnings.catch_warnings(record=True)
            self._warnings = self._caught.__enter__()
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
        elif batch_idx == FIRST + STEPS:
            torch.cuda.set_sync_debug_mode("default")
            self._caught.__exit__(None, None, None)
            self.path.write_text(json.dumps({"steps": STEPS, "places": places(self._warnings)}))


def places(caught: list[warnings.WarningMessage]) -> dict[str, int]:
    """Count the warnings by place in the code."""
    counts: Counter[str] = Counter()
    for warning in caught:
        if "synchronizing CUDA operation" in str(warning.message):
            file = Path(warning.filename)
            name = str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else "/".join(file.parts[-3:])
            counts[f"{name}:{warning.lineno}"] += 1
    return dict(counts)


def main() -> None:
    """The command line: a folder, the data of two tasks, and a trainer."""
    folder, music, labelled, trainer = sys.argv[1:]
    kinds = {
        "music, gru": ("model=gru", f"data.path={music}", "data.task=music", "optimizer.lr=0.001"),
        "music, gru_cho": ("model=gru_cho", f"data.path={music}", "data.task=music", "optimizer.lr=0.001"),
        "classification, gru_bi": ("model=gru_bi", f"data.path={labelled}"),
        "classification, lstm_stacked": ("model=lstm_stacked", f"data.path={labelled}"),
    }
    found: dict[str, Any] = {}
    running = {}
    for number, (name, options) in enumerate(list(kinds.items())[: 1 if trainer == "cpu" else None]):
        path = Path(folder) / f"counted-{number}.json"
        command = [
            sys.executable, "-m", "src.train", *options, "data=npz", "data.batch_size=4", f"trainer={trainer}",
            "trainer.max_epochs=1", "logger=csv", "test=false", f"paths.runs_dir={folder}/runs",
            f"+callbacks.count={{_target_:benchmarks.synchronisations.CountSynchronisations,path:'{path}'}}",
        ]  # fmt: skip
        running[name] = path, subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for name, (path, process) in running.items():
        last = (process.communicate()[1].strip().splitlines() or [""])[-1]
        found[name] = json.loads(path.read_text()) if path.is_file() else {"reason": last or "nothing was counted"}
        (Path(folder) / "synchronisations.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
