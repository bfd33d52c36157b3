"""Where configs, runs and studies lie."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError, nearest

PACKAGE = Path(__file__).resolve().parents[1]
# conf/ and experiments/ lie beside the package in a checkout, and inside it where a wheel has been installed.
SHIPPED = PACKAGE if (PACKAGE / "conf").is_dir() else PACKAGE.parent
CONF = SHIPPED / "conf"

SHELL = frozenset({".lock", "config.yaml", ".hydra", "train.log"})  # in the folder of a run that has not begun
REFUSED = frozenset({"result.json", "traceback.txt"})  # and beside them in that of one that was refused


def further_folders() -> list[Path]:
    """Where configs are looked for behind ours, in this order; a file of the same name in ``CONF`` wins over these.

    They are ``conf/`` of the working folder, and the folders that hold ``experiments/``: the working folder and ours.
    """
    here = Path.cwd()
    plans = [folder for folder in dict.fromkeys((here, SHIPPED)) if (folder / "experiments").is_dir()]
    theirs = here / "conf"
    return [theirs, *plans] if theirs.is_dir() and not theirs.samefile(CONF) else plans


def stamp() -> str:
    """A directory name that no other start gets, in the same second either; no ``=`` or ``,`` (Hydra's grammar)."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(3)}"


def run_directory(cfg: DictConfig) -> Path:
    """The directory of a run: ``paths.run_dir``, else Hydra's for this job, or a new one under ``paths.runs_dir``."""
    return Path(cfg.paths.run_dir) if cfg.paths.run_dir else output_directory() or Path(cfg.paths.runs_dir) / stamp()


def is_name(text: str) -> bool:
    """Whether a text can name a folder inside another one: letters, digits and any of _ . + - after the first.

    >>> is_name("chung2014_music"), is_name("../../evil"), is_name(".."), is_name("a b")
    (True, False, False, False)
    """
    return re.fullmatch(r"\w[\w.+-]{0,199}", text) is not None


def study_folder(cfg: DictConfig) -> Path:
    """What ``study`` names: a folder under ``paths.runs_dir``, or one anywhere.

    Raises:
        UserError: there is no such folder.
    """
    runs, given = Path(cfg.paths.runs_dir), str(cfg.study)
    for place in (runs / given, Path(given)):
        if place.is_dir():
            return place
    there = sorted(path.parent.name for path in runs.glob("*/study.json"))
    listed = f"the studies there are {', '.join(there)}" if there else "no study lies there"
    raise UserError(f"There is no study {runs / given}{nearest(given, there)}; {listed}.")


def output_directory() -> Path | None:
    """The directory that Hydra has made for this job; None outside a Hydra job."""
    from hydra.core.hydra_config import HydraConfig

    return Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else None


def register_resolvers() -> None:
    """Make ``${stamp:}`` (one for each composed config), ``${jobs_at_once:THREADS,MOST}`` and ``${conf:}`` known."""
    OmegaConf.register_new_resolver("conf", lambda: str(CONF), replace=True)
    OmegaConf.register_new_resolver("stamp", stamp, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("jobs_at_once", _jobs_at_once, replace=True)


def _jobs_at_once(threads: int, most: int | None = None) -> int:
    """How many jobs of so many threads the cores that this process may use have room for; ``most`` at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    room = max(1, cores // max(1, threads))
    return room if most is None else min(room, most)
