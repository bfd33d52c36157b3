"""GRU or LSTM for your sequences, within a time budget: ``python -m src.answer data.path=FILE minutes=60``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from src.config.shell import command

if TYPE_CHECKING:
    from src.answering.result import Answer
    from src.answering.shown import Terminal

BEGAN = time.monotonic()  # the minutes include the imports


def answer(cfg: DictConfig, began: float = BEGAN, watch: Terminal | None = None) -> Answer:
    """Inspect the data, plan, run and report; an earlier start of the same question is continued.

    Args:
        cfg: a config composed from ``conf/answer.yaml``, registered with Hydra as the current job's.
        began: start of the time budget by ``time.monotonic()``.
        watch: receives progress; None: the terminal.

    Raises:
        UserError: there is nothing to compare, or a margin is set too late.
    """
    import torch
    from hydra.core.hydra_config import HydraConfig

    from src.answering.answer import answer as answered
    from src.answering.answer import question

    said = HydraConfig.get().overrides
    line = [*said.task, *(each for each in said.hydra if not each.startswith("hydra.mode="))]
    asked = question(line, cfg.minutes, list(cfg.models), cfg.margin)
    torch.set_num_threads(cfg.threads)  # as in the runs, whose updates are timed here
    return answered(asked, Path(cfg.paths.runs_dir), began, watch)


def main() -> None:
    """Run the command line."""
    from src.data.own.forms import with_reader

    sys.argv[1:] = with_reader(sys.argv[1:])
    command("answer", answer)


if __name__ == "__main__":
    main()
