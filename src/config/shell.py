"""Commands under Hydra: a composed config in, one sentence out where something is wrong."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.errors import UserError
from src.config.in_words import in_words, is_hydra
from src.config.places import CONF, register_resolvers
from src.config.rules import check
from src.config.schema.commands import COMMANDS
from src.config.signals import ended_by_signals, stopping

log = logging.getLogger(__name__)


THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def choices() -> dict[str, str]:
    """Which model and data this job's config was composed from, by their names in ``conf/``; empty outside Hydra."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return {}
    chosen = HydraConfig.get().runtime.choices
    return {group: str(chosen[group]) for group in ("model", "data") if group in chosen}


def job_command() -> list[str]:
    """The command line that starts this job alone: in a multirun the job's own overrides, otherwise what was typed."""
    if not _in_multirun():
        return sys.argv
    from hydra.core.hydra_config import HydraConfig

    own = [str(o) for o in HydraConfig.get().overrides.task]
    return [sys.argv[0], *(o for o in own if o.partition("=")[0] not in ("study_job", "ckpt"))]


def command_line() -> str:
    """What was typed to start this process, to be typed again."""
    return shlex.join(["python", "-m", f"src.{Path(sys.argv[0]).stem}", *sys.argv[1:]])


@ended_by_signals()
def command(config_name: str, task: Callable[[DictConfig], Any], folder: Path = CONF) -> None:
    """Run ``task`` under Hydra with the config ``<folder>/<config_name>.yaml`` and this process's command line.

    ``--help`` prints the keys of the command, and that is all. An exception ends the process with exit code 1 and one
    sentence on standard error; the stack trace comes with HYDRA_FULL_ERROR=1 in the environment. In a multirun each
    failed job says its own sentence when it fails. SIGTERM ends it with 143, Ctrl-C with 130.
    """
    import hydra

    # conf/hydra/launcher/ray.yaml has the name of the plugin's own choice, and means to.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/ray' is validated against ConfigStore schema")
    full = os.environ.get("HYDRA_FULL_ERROR") == "1"
    register_resolvers()
    see_working_folder()
    if twice := given_twice(sys.argv[1:]):
        print(f"{twice} is given twice on the command line, and only one of the two would count.", file=sys.stderr)
        sys.exit(1)

    from hydra.core.hydra_config import HydraConfig

    failed: list[Exception] = []

    def job(cfg: DictConfig) -> Any:
        try:
            see_working_folder()  # here as well: a launcher runs this function alone, in another process
            check(cfg, config_name)
            refuse_width_beside_budget(cfg, HydraConfig.get().overrides.task)
            if "threads" in cfg:  # before torch is imported: jobs that take all cores each would fight over them
                os.environ |= dict.fromkeys(THREADS, str(cfg.threads))
            return task(cfg)
        except Exception as error:
            if stopping():  # and something on the way took the signal for a fault of its own: no next job
                raise SystemExit(1) from error
            if _in_multirun():
                print(f"This job failed: {in_words(error)}", file=sys.stderr)
                raise
            failed.append(error)  # and not raised: Hydra would put a line of its own before the sentence

    # Hydra prints traces of its own unless it is told to let exceptions through; they are put into words here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        if config_name in COMMANDS and {"--help", "-h"} & set(sys.argv[1:]):
            from src.config.help import help_text

            title = str(sys.modules[task.__module__].__doc__).splitlines()[0].replace("``", "")
            print(help_text(config_name, title, [a for a in sys.argv[1:] if not a.startswith("-")]))
            return
        hydra.main(config_path=str(folder), config_name=config_name, version_base="1.3")(job)()
        if failed:
            raise failed[0]
    except Exception as error:
        if full:
            raise
        print(in_words(error), file=sys.stderr)
        if not isinstance(error, UserError | OmegaConfBaseException) and not is_hydra(error):
            print("HYDRA_FULL_ERROR=1 in the environment shows the stack trace.", file=sys.stderr)
        sys.exit(1)
    finally:
        if not full:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def see_working_folder() -> None:
    """Let a config name classes of the working folder, which comes last since it may hold a ``src`` of its own."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)


def refuse_width_beside_budget(cfg: DictConfig, overrides: Iterable[str]) -> None:
    """Refuse a width that is asked for beside a budget, which would decide it without a word."""
    given = {str(override).lstrip("+").partition("=")[0] for override in overrides}
    if "model.hidden_size" in given and OmegaConf.select(cfg, "model.budget") is not None:
        raise UserError(
            "model.budget decides the width, so model.hidden_size cannot be given beside it: drop one of them."
        )


def given_twice(arguments: list[str]) -> str | None:
    """The first key that two overrides of a command line set (Hydra would keep the last without a word)."""
    keys = [a.partition("=")[0] for a in arguments if "=" in a and not a.startswith("-")]
    return next((key for key in keys if keys.count(key) > 1), None)


def _in_multirun() -> bool:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
