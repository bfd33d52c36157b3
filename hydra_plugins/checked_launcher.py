"""A launcher that first checks whether its engine can satisfy the request; Hydra finds plugins in this package.

Hydra imports this file at every start, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class CheckedLauncher(Launcher):
    """Delegates to another plugin's launcher, the engine, after `refuse_what_cannot_be_met` has accepted the request.

    >>> Local(n_jobs=2).settings
    {'n_jobs': 2}

    Args:
        settings: the engine's arguments.
    """

    engine: str

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check, then create the engine (called by Hydra)."""
        from src.config.instantiate import find_class
        from src.studies.resources import refuse_what_cannot_be_met

        refuse_what_cannot_be_met(OmegaConf.create({"_target_": self.engine, **self.settings}))
        self.launcher: Launcher = find_class(self.engine)(**self.settings)
        self.launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs (called by Hydra's sweeper)."""
        return self.launcher.launch(job_overrides, initial_job_idx)


class Local(CheckedLauncher):
    """Processes on this machine, through joblib."""

    engine = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


class Slurm(CheckedLauncher):
    """Jobs on a Slurm cluster, through submitit."""

    engine = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"


class Ray(CheckedLauncher):
    """Ray tasks, on this machine or a cluster."""

    engine = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"
