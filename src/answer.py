"""GRU or LSTM for your sequences, within minutes: ``python -m src.answer data.path=FILE minutes=60``."""

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

BEGAN = time.monotonic()  # the minutes include what is imported


def answer(cfg: DictConfig, began: float = BEGAN, watch: Terminal | None = None) -> Answer:
    """Look at the data, plan, run, and say what came out; an earlier start of the same question is gone on with.

    Args:
        cfg: a config composed from ``conf/answer.yaml``, that of Hydra's job at hand.
        began: by ``time.monotonic()``, when the minutes begin.
        watch: whoever watches; None: the terminal.

    Raises:
        UserError: in one sentence, when there is nothing to compare, or a margin comes too late.
    """
    import torch
    from hydra.core.hydra_config import HydraConfig

    from src.answering.answer import answer as answered
    from src.answering.answer import question

    said = HydraConfig.get().overrides
    line = [*said.task, *(each for each in said.hydra if not each.startswith("hydra.mode="))]
    asked = question(line, cfg.minutes, list(cfg.models), cfg.margin)
    torch.set_num_threads(cfg.threads)  # as in the runs, which are timed here
    return answered(asked, Path(cfg.paths.runs_dir), began, watch)


def main() -> None:
    """The command line."""
    from src.data.own.forms import with_reader

    sys.argv[1:] = with_reader(sys.argv[1:])
    command("answer", answer)


if __name__ == "__main__":
    main()
