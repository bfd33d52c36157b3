"""What Hydra must find under this name: where studies lie, and a sweeper that hands over to ``src/studies``.

Hydra imports this file at every start, so nothing heavy is imported here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parent.parent


class ExperimentsSearchPath(SearchPathPlugin):
    """Lets ``experiments=NAME`` find ``experiments/NAME.yaml`` at the root, and in the folder one works in."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders that hold an ``experiments`` folder."""
        for folder in dict.fromkeys((ROOT, Path.cwd())):
            if (folder / "experiments").is_dir():
                search_path.append("gatebench", f"file://{folder}")


class StudySweeper(Sweeper):
    """Runs the study in the config's ``study`` node through whatever launcher Hydra was given."""

    # Hydra calls setup before sweep, so what its base class declares as optional is there.
    hydra_context: HydraContext
    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over (called by Hydra)."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the study (called by Hydra)."""
        from src.studies.sweep import sweep

        return sweep(self.hydra_context, self.task_function, self.config, arguments)
