"""The connection between Hydra and studies: the plan from a config, jobs through Hydra's launcher, the final table."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from src.config.errors import UserError
from src.config.in_words import in_words
from src.config.rules import referred_to
from src.config.schema import effect_of
from src.files import refuse_link, refuse_links
from src.runs.study_record import Settings
from src.studies.disk import check_disk
from src.studies.jobs import Jobs
from src.studies.plan import OF_A_JOB, read_plan
from src.studies.progress import showing
from src.studies.run import Launch, Study, run_study
from src.studies.state import StudyState

log = logging.getLogger(__name__)

QUIET = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "src.config.screen.Sentences"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {"hydra": {"level": "WARNING"}, "hydra_plugins": {"level": "WARNING"}},
}


def sweep(context: HydraContext, task_function: TaskFunction, config: DictConfig, arguments: Sequence[str]) -> Any:
    """Run the study in a master config's ``study`` node, each job with ``task_function`` (called by the sweeper).

    Raises:
        UserError: the plan is invalid, the launcher cannot satisfy the request, or runs failed.
    """
    determining, further = split_overrides(arguments, context)
    plan = read_plan(config.study, determining)
    refuse_beside_study(config, context, arguments)
    directory = (Path(str(config.paths.runs_dir)) / plan.name).resolve()
    with open_dict(config):
        # Jobs report through their records; Hydra's line for each would break up the table.
        config.hydra.hydra_logging = QUIET
        config.hydra.sweep.dir = str(directory)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=task_function, config=config
    )

    def compose(overrides: list[str]) -> DictConfig:
        return context.config_loader.load_sweep_config(config, overrides)

    for place in directory.glob("*"):
        if not re.fullmatch("[0-9a-f]{16}", place.name):  # a link in a run's folder is that run's failure alone
            refuse_link(place)
            refuse_links(place)
    try:
        jobs = Jobs(plan, compose, directory, further)
        jobs.check()
        state = StudyState(directory, plan, config_file(plan.name, context))
        if need := check_disk(plan, jobs):
            print(need, flush=True)
        with showing(directory):
            return run_study(Study(plan, jobs, state, launching(launcher)))
    except (KeyboardInterrupt, SystemExit):
        print("Interrupted: run the same command to continue.", file=sys.stderr)
        raise


def launching(launcher: Launcher) -> Launch:
    """Return a function that runs jobs with one of Hydra's launchers, numbers them, and reports how each failed."""
    launched = 0

    def launch(batch: Sequence[Sequence[str]]) -> list[str | None]:
        nonlocal launched
        first, launched = launched, launched + len(batch)
        try:
            returned = launcher.launch(batch, initial_job_idx=first)
        except Exception as error:  # raised by the launcher: a killed worker, a rejected submission
            log.warning("The launcher stopped: %s", in_words(error))
            return [None] * len(batch)
        # The public return_value of a failed job prints a line before raising its error.
        return [in_words(job._return_value) if job.status == JobStatus.FAILED else None for job in returned]

    return launch


def refuse_beside_study(config: DictConfig, context: HydraContext, arguments: Sequence[str]) -> None:
    """Refuse a plan's file with settings outside its ``study`` node, which none of its runs would read.

    Args:
        config: the master config, from the file and ``arguments``.
        context: Hydra's context.
        arguments: the command line's overrides, checked by :func:`split_overrides`.

    Raises:
        UserError: the file has such a setting.
    """
    said = [argument for argument in arguments if not re.match(r"[+~]*(experiments=|study\b)", argument)]
    whole: Any = OmegaConf.to_container(config)
    alone: Any = OmegaConf.to_container(context.config_loader.load_sweep_config(config, said))
    referred = referred_to(config)
    for key in (*alone, *(key for key in whole if key not in alone)):
        same = whole.get(key) == alone[key] if key in alone else key in referred
        if not same and key not in ("study", "hydra"):
            name = OmegaConf.select(config, "study.name")
            raise UserError(
                f"The file of study.name={name} sets {key} outside its study node, where no run reads it: move "
                "settings of all runs to study.settings or to the command line."
            )


def split_overrides(arguments: Sequence[str], context: HydraContext) -> tuple[Settings, Settings]:
    """Split the command line's overrides for all jobs into those that affect results and those that do not.

    Raises:
        UserError: an override is a list of values, or something that the study sets itself.
    """
    determining: Settings = {}
    further: Settings = {}
    for given in OverridesParser.create(config_loader=context.config_loader).parse_overrides(list(arguments)):
        key = given.get_key_element()  # with its plus signs
        bare = key.lstrip("+~")
        if bare == "experiments" or bare.split(".")[0] == "study":
            continue  # already in the study node
        if given.is_sweep_override() or given.is_delete():
            raise UserError(f"{given.input_line} cannot be given to a study: its file defines what varies.")
        if bare in ("model", "data", "overwrite", *OF_A_JOB):
            raise UserError(f"{given.input_line} cannot be given to a study: its file lists them.")
        (determining if effect_of(bare).counts else further)[key] = given.value()
    return determining, further


def config_file(name: str, context: HydraContext) -> Path | None:
    """Return the file of a study where Hydra finds it; None if it has another name."""
    folders = (str(place.path) for place in context.config_loader.get_search_path().get_path())
    files = (Path(re.sub("^[a-z]+://", "", folder), "experiments", f"{name}.yaml") for folder in folders)
    return next((file for file in files if file.is_file()), None)
