"""Run the jobs of an answer with Hydra's launcher, a few at a time, and none that would not finish in time."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from src.answering.clock import Clock
from src.config.shell import make_ready
from src.config.signals import stopping
from src.studies.run import Launch
from src.studies.sweep import launching

SEVERAL = 16  # jobs of a cluster at a time, if the launcher does not state a number
ROUNDS = 4  # largest number launched together, so that progress is visible
OVER = 0.05  # share of the minutes by which the last runs before a look may end too late


LOCAL = "hydra_plugins.checked_launcher.Local"  # processes of joblib, which stay from one launch to the next


class OutOfTime(Exception):
    """The next run would not finish within the time budget."""


def train_one(cfg: DictConfig) -> Any:
    """Train one run like ``gatebench train`` (called by Hydra's launcher, possibly in another process)."""
    make_ready(cfg)
    from src.train import train

    try:
        with silent(), silent("src.training.by_series", logging.WARNING):  # each run's own, in its series.csv
            return train(cfg)
    except Exception as error:
        if stopping():  # something may have turned the signal into an error of its own: start no further run
            raise SystemExit(1) from error
        raise


def imported() -> None:
    """Import the modules of a run."""
    importlib.import_module("src.train")
    importlib.import_module("src.training.trainer")


@contextmanager
def silent(name: str = "src.data", level: int = logging.ERROR) -> Iterator[None]:
    """Suppress what a module logs below a level; by default readers' notes on the data, which are in the table."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(level)
    try:
        yield
    finally:
        log.setLevel(before)


def hydra_context() -> HydraContext:
    """Return the Hydra context for a launcher; Hydra must be initialised with its config folder."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra

    return HydraContext(GlobalHydra.instance().config_loader(), Callbacks())


class Workplace:
    """Composes configs of runs, and launches runs.

    Attributes:
        slots: number of runs at a time.
        context: the Hydra context.

    Args:
        line: overrides of Hydra itself, e.g. ``hydra/launcher=gpu``; without a launcher, all cores are used.
        directory: folder of the answer.
    """

    def __init__(self, line: Sequence[str], directory: Path) -> None:
        self.context = hydra_context()
        chosen = any(each.startswith("hydra/launcher=") for each in line)
        local = not chosen and importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is not None
        self._master = self._composed([*line, "hydra/launcher=local"] if local else line)
        launcher = self._master.hydra.launcher
        alone = 1 if str(launcher._target_).endswith("BasicLauncher") else SEVERAL
        self.slots = max(1, int(OmegaConf.select(launcher, "n_jobs", default=alone)))
        if self.slots == 1 and (not chosen or alone == 1):  # in this process, whose logging stays as it is
            self._master = self._composed([*line, "hydra.job_logging.root=null"])
        with open_dict(self._master):
            self._master.hydra.hydra_logging = {"root": None}
            self._master.hydra.sweep.dir = str(directory)
        self._launch: Launch | None = None

    def _composed(self, line: Sequence[str]) -> DictConfig:
        from hydra.types import RunMode

        return self.context.config_loader.load_configuration("train", [*line], RunMode.MULTIRUN)

    def compose(self, overrides: list[str]) -> DictConfig:
        """Compose the config of a run."""
        return self.context.config_loader.load_sweep_config(self._master, overrides)

    def start(self) -> None:
        """Start the processes in which runs are made, and import there what takes long, so that no run waits for it."""
        launcher = self._master.hydra.launcher
        if self.slots > 1 and str(launcher._target_) == LOCAL:
            from joblib import Parallel, delayed

            Parallel(n_jobs=self.slots, backend="loky")(delayed(imported)() for _ in range(self.slots))

    def launch(self, batch: Sequence[Sequence[str]]) -> Sequence[str | None]:
        """Run jobs from their overrides; return a message for each that failed."""
        from hydra.core.plugins import Plugins

        if self._launch is None:
            for name in ("hydra", "hydra_plugins"):  # their line for each run says nothing that a record does not
                logging.getLogger(name).setLevel(logging.WARNING)
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=self.context, task_function=train_one, config=self._master
            )
            self._launch = launching(launcher)
        return self._launch(batch)


class Paced:
    """A launcher that starts no run that would not finish in time, judging by the median of earlier ones.

    Args:
        workplace: launches the runs.
        clock: knows the remaining time.
        usual: expected seconds of a run.

    Attributes:
        tell: called after every few runs.
    """

    def __init__(self, workplace: Workplace, clock: Clock, usual: float) -> None:
        self.workplace, self.clock = workplace, clock
        self.tell: Callable[[], None] = lambda: None
        self._usual, self._seconds = usual, list[float]()

    @property
    def usual(self) -> float:
        """Expected seconds of runs in parallel."""
        return median(self._seconds) if self._seconds else self._usual

    @property
    def last(self) -> float | None:
        """Seconds of the last runs; None before the first."""
        return self._seconds[-1] if self._seconds else None

    def __call__(self, batch: Sequence[Sequence[str]]) -> Sequence[str | None]:
        """Run jobs from their overrides; return a message for each that failed.

        Raises:
            OutOfTime: some runs are left, and the next one would not finish in time; earlier ones are done. All of
                them may end too late by the share :data:`OVER` of the minutes, if none is then left.
        """
        errors: list[str | None] = []
        while left := batch[len(errors) :]:
            fitting, needed = int(self.clock.left // self.usual), ceil(len(left) / self.workplace.slots)
            if needed * self.usual <= self.clock.left + OVER * self.clock.seconds:
                fitting = max(fitting, needed)
            if fitting < 1:
                raise OutOfTime
            some = left[: self.workplace.slots * max(1, min(fitting // 2, ROUNDS))]
            began = time.monotonic()
            errors += self.workplace.launch(some)
            self.clock.write()
            self.tell()
            rounds = ceil(len(some) / self.workplace.slots)
            self._seconds += [(time.monotonic() - began) / rounds] * rounds  # with the work around the runs
        return errors
