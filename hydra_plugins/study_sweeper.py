"""What Hydra must find under this name: where configs and studies of the user lie, and a sweeper for studies.

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
    """Lets ``model=NAME`` and ``experiments=NAME`` find the files of that name in the working folder."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders of the user's configs and of studies; nothing in another project's program."""
        # Hydra asks every plugin that is installed, in every program: src is ours only if it has been imported as ours.
        if "--hydra-help" in sys.argv:  # which would list every folder below
            return
        places = sys.modules.get("src.config.places")
        for folder in getattr(places, "further_folders", list)():
            scheme = "file" if folder == Path.cwd() / "conf" else StudiesSource.scheme()
            search_path.append("gatebench", f"{scheme}://{folder}")


class StudiesSource(FileConfigSource):
    """The ``experiments/`` of a folder and nothing else in it: a folder called ``run`` there is no group of configs."""

    @staticmethod
    def scheme() -> str:
        """What stands before the folder on the search path."""
        return "studies"

    def is_group(self, config_path: str) -> bool:
        """Whether there is such a folder of configs (called by Hydra)."""
        return config_path.strip("/") in ("", GROUP) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Whether there is such a config (called by Hydra)."""
        return config_path.strip("/").startswith(f"{GROUP}/") and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The names in a folder of configs (called by Hydra)."""
        if config_path.strip("/") == GROUP:
            return super().list(config_path, results_filter)
        return [] if results_filter is ObjectType.CONFIG else [GROUP]


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
