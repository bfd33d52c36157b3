"""Locations of configs, runs and studies."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError, nearest

PACKAGE = Path(__file__).resolve().parents[1]
# conf/ and experiments/ are beside the package in a checkout, and inside it in an installed wheel.
SHIPPED = PACKAGE if (PACKAGE / "conf").is_dir() else PACKAGE.parent
CONF = SHIPPED / "conf"

SHELL = frozenset({".lock", "config.yaml", ".hydra", "train.log"})  # in the folder of a run that has not started
REFUSED = frozenset({"result.json", "traceback.txt"})  # additionally in the folder of a refused run


def further_folders() -> list[Path]:
    """Return the folders searched for configs after ``CONF``, in order; earlier folders win for files of the same name.

    They are ``conf/`` of the working folder, and the folders with ``experiments/``: the working folder and ours.
    """
    here = Path.cwd()
    plans = [folder for folder in dict.fromkeys((here, SHIPPED)) if (folder / "experiments").is_dir()]
    theirs = here / "conf"
    return [theirs, *plans] if theirs.is_dir() and not theirs.samefile(CONF) else plans


def stamp() -> str:
    """Return a directory name that is unique even within one second, without ``=`` or ``,`` (Hydra's grammar)."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(3)}"


def run_directory(cfg: DictConfig) -> Path:
    """Return a run's directory: ``paths.run_dir``, else Hydra's for this job, else a new one in ``paths.runs_dir``."""
    return Path(cfg.paths.run_dir) if cfg.paths.run_dir else output_directory() or Path(cfg.paths.runs_dir) / stamp()


def is_name(text: str) -> bool:
    """Return whether a text is a safe folder name: letters, digits and, after the first, any of _ . + -.

    >>> is_name("chung2014_music"), is_name("../../evil"), is_name(".."), is_name("a b")
    (True, False, False, False)
    """
    return re.fullmatch(r"\w[\w.+-]{0,199}", text) is not None


def study_folder(cfg: DictConfig) -> Path:
    """Return the folder that ``study`` names: one under ``paths.runs_dir``, or a path.

    Raises:
        UserError: the folder does not exist.
    """
    runs, given = Path(cfg.paths.runs_dir), str(cfg.study)
    for place in (runs / given, Path(given)):
        if place.is_dir():
            return place
    there = sorted(path.parent.name for path in runs.glob("*/study.json"))
    listed = f"available studies: {', '.join(there)}" if there else "that folder has no studies"
    raise UserError(f"There is no study {runs / given}{nearest(given, there)}; {listed}.")


def output_directory() -> Path | None:
    """Return the directory that Hydra made for this job, or None outside a Hydra job."""
    from hydra.core.hydra_config import HydraConfig

    return Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else None


def register_resolvers() -> None:
    """Register ``${stamp:}`` (one per composed config), ``${jobs_at_once:THREADS,MOST}`` and ``${conf:}``."""
    OmegaConf.register_new_resolver("conf", lambda: str(CONF), replace=True)
    OmegaConf.register_new_resolver("stamp", stamp, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("jobs_at_once", _jobs_at_once, replace=True)


def _jobs_at_once(threads: int, most: int | None = None) -> int:
    """Return how many jobs with this many threads fit on the available cores, at most ``most``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    room = max(1, cores // max(1, threads))
    return room if most is None else min(room, most)
