"""What Hydra must find under this name: where studies lie, and a sweeper that hands over to ``src/studies``.

Hydra imports this file at every start, so nothing heavy is imported here.
"""

from __future__ import annotations

import sys
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class ExperimentsSearchPath(SearchPathPlugin):
    """Lets ``experiments=NAME`` find ``experiments/NAME.yaml`` in the working folder, and among our own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders that hold an ``experiments`` folder; nothing in another project's program."""
        # Hydra asks every plugin that is installed, in every program: src is ours only if it has been imported as ours.
        if "--hydra-help" in sys.argv:  # which would list every folder below
            return
        places = sys.modules.get("src.config.places")
        for folder in getattr(places, "experiment_folders", list)():
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
