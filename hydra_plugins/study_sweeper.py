"""Search paths for the user's configs and studies, and a sweeper for studies; Hydra finds plugins in this package.

Hydra imports this file at every start, so nothing heavy is imported here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

GROUP = "experiments"


class ExperimentsSearchPath(SearchPathPlugin):
    """Makes ``model=NAME`` and ``experiments=NAME`` find files in the working folder."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders of the user's configs and studies, but not in another project's program."""
        # Hydra calls every installed plugin in every program: act only if our own src has been imported.
        if "--hydra-help" in sys.argv:  # which would list every folder below
            return
        places = sys.modules.get("src.config.places")
        for folder in getattr(places, "further_folders", list)():
            scheme = "file" if folder == Path.cwd() / "conf" else StudiesSource.scheme()
            search_path.append("gatebench", f"{scheme}://{folder}")


class StudiesSource(FileConfigSource):
    """Only the ``experiments/`` of a folder, so that another folder such as ``run`` is not a config group."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme that precedes the folder on the search path."""
        return "studies"

    def is_group(self, config_path: str) -> bool:
        """Return whether there is such a folder of configs (called by Hydra)."""
        return config_path.strip("/") in ("", GROUP) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Return whether there is such a config (called by Hydra)."""
        return config_path.strip("/").startswith(f"{GROUP}/") and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names in a folder of configs (called by Hydra)."""
        if config_path.strip("/") == GROUP:
            return super().list(config_path, results_filter)
        return [] if results_filter is ObjectType.CONFIG else [GROUP]


class StudySweeper(Sweeper):
    """Runs the study in the config's ``study`` node with the launcher chosen in Hydra."""

    # Hydra calls setup before sweep, so the attributes that its base class declares optional are set.
    hydra_context: HydraContext
    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store Hydra's arguments (called by Hydra)."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the study (called by Hydra)."""
        from src.studies.sweep import sweep

        return sweep(self.hydra_context, self.task_function, self.config, arguments)
