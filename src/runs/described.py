"""Read what the directory of a run says about it: its config and its record.

Nothing here imports PyTorch, so that a command can refuse a wrong directory at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.names import public_names
from src.config.places import CONF, register_resolvers
from src.config.trust import check_received
from src.runs.config_file import checked, read_resolved
from src.runs.record import check_digests, read_record
from src.runs.result import RunResult


def read_run(directory: str | Path, trust: str | Sequence[str] | None = None) -> tuple[DictConfig, RunResult]:
    """Return the config and the record of a run of which something will be built.

    Raises:
        UserError: the directory is not a run's; its config or record is damaged, or the config was changed since the
            run ended; or the config names a class that is neither GateBench's nor trusted.
    """
    directory = Path(directory)
    config, record = read_config(directory, trust or ()), read_record(directory)
    if record is None:
        raise UserError(f"{directory} has no result.json: it must be the directory of a run.")
    check_digests(directory, record, "config.yaml")
    return config, record


def read_config(directory: Path, trust: str | Sequence[str] | None = None) -> DictConfig:
    """Return a run's resolved config, with this machine's data paths where the run's own do not exist here.

    ``trust`` names modules of the user's own (:mod:`src.config.trust`); None if nothing will be built from the config.

    Raises:
        UserError: there is no ``config.yaml``, or it names a class that is neither GateBench's nor trusted.
    """
    path = directory / "config.yaml"
    if not path.exists() and not path.is_symlink():
        raise UserError(f"{directory} has no config.yaml: it must be the directory of a run, e.g. run=runs/2026-...")
    content = read_resolved(path)
    if trust is not None:  # before anything in it is used
        check_received(content, str(path), trust)
    config = OmegaConf.create(public_names(checked(content, path)))
    assert isinstance(config, DictConfig)
    if "seed" in (data := config.get("data", {})) and "split_seed" not in data:
        data.split_seed = data.seed  # as in older runs
    register_resolvers()
    here = OmegaConf.load(CONF / "paths" / "default.yaml")
    for key in ("data_dir", "cache_dir"):
        if key in data and not Path(str(data[key])).exists():
            data[key] = OmegaConf.select(here, key)
    if isinstance(workers := data.get("num_workers"), int):  # from another machine; does not affect results
        data.num_workers = min(workers, os.cpu_count() or 1)
    return config
