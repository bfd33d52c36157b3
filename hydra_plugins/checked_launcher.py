"""What Hydra must find under this name: a launcher that asks first whether its engine can do what it is asked for.

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
    """Hands over to another plugin's launcher, the engine, once `refuse_what_cannot_be_met` is content with it.

    >>> Local(n_jobs=2).settings
    {'n_jobs': 2}

    Args:
        settings: the engine's arguments.
    """

    engine: str

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check, then make the engine (called by Hydra)."""
        from src.config.instantiate import find_class
        from src.studies.resources import refuse_what_cannot_be_met

        refuse_what_cannot_be_met(OmegaConf.create({"_target_": self.engine, **self.settings}))
        self.launcher: Launcher = find_class(self.engine)(**self.settings)
        self.launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs (called by Hydra's sweeper)."""
        return self.launcher.launch(job_overrides, initial_job_idx)


class Local(CheckedLauncher):
    """Processes of this machine, by joblib."""

    engine = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


class Slurm(CheckedLauncher):
    """Jobs of a Slurm cluster, by submitit."""

    engine = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"


class Ray(CheckedLauncher):
    """Tasks of Ray, on this machine or a cluster."""

    engine = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"
