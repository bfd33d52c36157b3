"""Run commands under Hydra: a composed config goes in, and any error comes out as one sentence."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.env_file import take_env_file
from src.config.errors import UserError, close_to, counted
from src.config.flags import MULTIRUN, takes_a_word, wrong_flag
from src.config.in_words import in_words
from src.config.instantiate import plain
from src.config.overrides import in_quotes
from src.config.places import CONF, REFUSED, SHELL, further_folders, output_directory, register_resolvers, run_directory
from src.config.rules import check
from src.config.schema import keys_of
from src.config.schema.commands import COMMANDS, POSITIONAL
from src.config.schema.entries import Key, holds
from src.config.screen import printable
from src.config.signals import ended_by_signals, stopping
from src.config.takes import OURS
from src.config.unread import refuse_unread, unread

log = logging.getLogger(__name__)


CHOICE = re.compile(r"[\w/.-]+(,[\w/.-]+)*|(glob|choice)\(.*\)")  # or several in a sweep
SEVERAL = re.compile(r"\[\w+(,\w+)*\]")  # loggers beside each other
TAKEN_AWAY = "~{key} removes a key that every run needs: give it a value instead, {key}=VALUE."
EXAMPLE = {"run": "runs/latest", "study": "smoke"}
THAT_FILE = "data=file data.path={file}"
PATHS = (  # keys whose values are paths, in command-line form
    *("data.path", "data.splits", "paths.data_dir", "paths.cache_dir", "paths.runs_dir", "paths.run_dir"),
    *("run", "output", "ckpt", "directory"),
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def choices() -> dict[str, str]:
    """Return the names in ``conf/`` of this job's model and data; empty outside Hydra."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return {}
    chosen = HydraConfig.get().runtime.choices
    return {group: str(chosen[group]) for group in ("model", "data") if group in chosen}


def job_command() -> list[str]:
    """Return the command line that starts this job alone: in a multirun with the job's overrides, else as typed."""
    if not in_multirun():
        return sys.argv
    from hydra.core.hydra_config import HydraConfig

    own = [str(o) for o in HydraConfig.get().overrides.task]
    return [sys.argv[0], *(o for o in own if o.partition("=")[0] not in ("study_job", "ckpt"))]


def command_line() -> str:
    """Return the command line that started this process, quoted for a shell."""
    return shlex.join(["python", "-m", f"src.{Path(sys.argv[0]).stem}", *sys.argv[1:]])


@ended_by_signals()
def command(
    config_name: str,
    task: Callable[[DictConfig], Any],
    folder: Path = CONF,
    keys: Mapping[str, Key] | None = None,
) -> None:
    """Run ``task`` under Hydra with the config ``<folder>/<config_name>.yaml`` and this process's command line.

    The config is checked against ``keys``, or by default against the schema of the command.

    ``--help`` prints the keys of the command and exits. An exception ends the process with exit code 1 and one sentence
    on standard error; HYDRA_FULL_ERROR=1 in the environment adds the stack trace. In a multirun each failed job prints
    its own sentence when it fails. SIGTERM ends the process with exit code 143, Ctrl-C with 130.
    """
    import hydra

    # conf/hydra/launcher/ray.yaml deliberately replaces the plugin's choice of the same name.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/ray' is validated against ConfigStore schema")
    full = os.environ.get("HYDRA_FULL_ERROR") == "1"
    register_resolvers()
    see_working_folder()
    sys.argv[1:] = [quoted(argument) for argument in as_overrides(sys.argv[1:], config_name)]
    if wrong := wrong_line(sys.argv[1:], config_name):
        print(printable(wrong), file=sys.stderr)
        sys.exit(1)

    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import get_original_cwd

    failed: list[Exception] = []
    said: set[str] = set()

    def job(cfg: DictConfig) -> Any:
        try:
            if HydraConfig.get().job.chdir:  # paths are relative to the folder where the command was typed
                os.chdir(get_original_cwd())
            make_ready(cfg, config_name, keys)
            return task(cfg)
        except Exception as error:
            if stopping():  # something may have turned the signal into an error of its own: start no further job
                raise SystemExit(1) from error
            if isinstance(error, UserError) and not cfg.get("study_job"):  # a study reads its jobs' outcomes
                remove_refused(cfg)
            if in_multirun():
                sentence = f"This job failed: {printable(in_words(error, config_name, keys or ()))}"
                again = "This job failed with the same error as an earlier one."
                print(again if sentence in said else sentence, file=sys.stderr)
                said.add(sentence)
                error.__dict__["said"] = True  # so that it survives the return from a worker process
                if full or cfg.get("study_job") or not plainly_swept():
                    raise
            failed.append(error)  # not raised, because Hydra would print a line of its own first
            return None

    # Hydra prints its own traces unless told to let exceptions through; here they become one sentence.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        take_env_file(Path.cwd())
        if {"--help", "-h"} & set(sys.argv[1:]):
            from src.config.help import first_job, help_text

            title = str(sys.modules[task.__module__].__doc__).splitlines()[0].replace("``", "")
            words = pairwise(["", *sys.argv[1:]])
            overrides = [a for before, a in words if not a.startswith("-") and not takes_a_word(before)]
            if {*MULTIRUN} & set(sys.argv[1:]):
                overrides = first_job(overrides)
            print(help_text(config_name, title, overrides, folder, keys))
            sys.stdout.flush()
            return
        hydra.main(config_path=str(folder), config_name=config_name, version_base="1.3")(job)()
        if failed:
            raise failed[0]
    except BrokenPipeError:  # the reader of the output, such as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if full:
            raise
        if getattr(error, "said", False):
            sys.exit(1)
        print(sentence := printable(in_words(error, config_name, keys or ())), file=sys.stderr)
        if sentence.startswith(f"{type(error).__name__}:"):  # not translated
            print("Set HYDRA_FULL_ERROR=1 to see the stack trace.", file=sys.stderr)
        sys.exit(1)
    finally:
        if not full:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def make_ready(cfg: DictConfig, config_name: str = "train", keys: Mapping[str, Key] | None = None) -> None:
    """Prepare a job, in whichever process a launcher runs it.

    Raises:
        UserError: the config is refused by :func:`check_job`.
    """
    from hydra.core.hydra_config import HydraConfig

    see_working_folder()
    check_job(cfg, HydraConfig.get().overrides.task, config_name, keys)
    if "threads" in cfg:  # before torch is imported: otherwise each job would use all cores and they would compete
        os.environ |= dict.fromkeys(THREADS, str(cfg.threads))


def check_job(
    cfg: DictConfig, overrides: Sequence[str], config_name: str = "train", keys: Mapping[str, Key] | None = None
) -> None:
    """Check a composed config, and the overrides that led to it, before any data are read.

    Raises:
        UserError: a key is missing, removed, out of range, or given although nothing reads it.
    """
    given = given_keys(overrides)
    refuse_missing(cfg, config_name, keys)
    refuse_taken_away(cfg, overrides, keys or keys_of(config_name))
    check(cfg, config_name, keys)
    refuse_width_beside_budget(cfg, given)
    found = unread(plain(cfg), command=config_name if config_name in COMMANDS or keys else "train")
    for sentence in refuse_unread(found, () if in_multirun() else given, config_name):
        log.info(sentence)
    refuse_more_than_machine(cfg)


def remove_refused(cfg: DictConfig) -> None:
    """Remove the folders of a job that was refused before training started, since it is not a run."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import get_original_cwd

    if os.environ.get("LOCAL_RANK", os.environ.get("SLURM_PROCID", "0")) != "0" or "paths" not in cfg:
        return  # only the first process of a distributed run removes it
    here = Path(get_original_cwd()) if HydraConfig.initialized() else Path.cwd()
    for folder in {output_directory() or run_directory(cfg), run_directory(cfg)}:
        if here.resolve().is_relative_to(folder.resolve()):
            continue  # of a command that writes into the working folder, which must stay
        if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= {*SHELL, *REFUSED}:
            continue
        remove_with_log(folder)
        if in_multirun() and {path.name for path in folder.parent.glob("*")} <= {"multirun.yaml"}:
            shutil.rmtree(folder.parent, ignore_errors=True)  # the next job creates it again


def remove_with_log(folder: Path) -> None:
    """Remove a job's folder, after closing its log."""
    for handler in list(logging.root.handlers):
        if isinstance(handler, logging.FileHandler) and Path(handler.baseFilename).parent == folder.resolve():
            handler.close()
            logging.root.removeHandler(handler)
    shutil.rmtree(folder, ignore_errors=True)


def plainly_swept() -> bool:
    """Return whether the jobs of a multirun run in this process and no sweeper uses their return values."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    return all(
        str(node._target_).endswith((".BasicLauncher", ".BasicSweeper")) for node in (hydra.launcher, hydra.sweeper)
    )


def as_overrides(arguments: Sequence[str], config_name: str) -> list[str]:
    """Return arguments as Hydra overrides: positional arguments as their keys, ``--cfg`` without ``-m``.

    >>> as_overrides(["runs/it's", "split=val"], "evaluate")
    ["run='runs/it\\\\'s'", 'split=val']
    """
    names, out, after = iter(POSITIONAL.get(config_name, ())), list[str](), ""
    for argument in arguments:
        key = next(names, None) if is_bare(argument, after) or _is_file(argument, config_name) else None
        out.append(f"{key}={in_quotes(argument)}" if key is not None else argument)
        after = argument
    # Hydra prints no config for a sweep; the config of its first job differs only in the swept keys.
    return [a for a in out if a not in MULTIRUN] if {"--cfg", "-c"} & {*out} else out


def see_working_folder() -> None:
    """Let a config name classes in the working folder, which comes last because it may contain its own ``src``."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)


def given_keys(overrides: Iterable[str]) -> set[str]:
    """Return the keys that overrides set, add or remove."""
    return {str(override).lstrip("+~").partition("=")[0] for override in overrides}


def typed_keys() -> set[str]:
    """Return the keys given for this job alone; none in a sweep, which may combine values that do not go together."""
    from hydra.core.hydra_config import HydraConfig

    return given_keys(HydraConfig.get().overrides.task) if HydraConfig.initialized() and not in_multirun() else set()


def refuse_missing(cfg: DictConfig, config_name: str, keys: Mapping[str, Key] | None = None) -> None:
    """Refuse a config without a key that its command reads, as after ``model=null``.

    Raises:
        UserError: a key is missing; the message names the first one.
    """
    optional = {"hydra", "tuned", *(("data",) if config_name in ("prepare", "new") else ())}
    for name in keys or keys_of(config_name):
        if "." not in name and name not in optional and name not in cfg:
            override = f"+{name}" if name == "task" else name  # normally chosen by the data set
            value = (
                f"{override}=NAME, one of {files_in(name)}"
                if (CONF / name).is_dir()
                else f"e.g. {override}={EXAMPLE.get(name, 'VALUE')}"
            )
            raise UserError(f"{name} must be given on the command line, {value}.")


def files_in(group: str) -> str:
    """List the choices of a group, without the base files that others extend."""
    return ", ".join(sorted({file.stem for file in choice_files(group)}))


def choice_files(group: str = "*") -> list[Path]:
    """Return the files that a config group may name, ours before those of the working folder."""
    theirs, plans = [folder for folder in further_folders() if folder == Path.cwd() / "conf"], further_folders()
    found = [file for folder in (CONF, *theirs) for file in sorted(folder.glob(f"{group}/*.yaml"))]
    if group in ("*", "experiments"):
        found += [file for folder in plans for file in sorted(folder.glob("experiments/*.yaml"))]
    return [file for file in found if not file.stem.startswith("base")]


def meant_by(word: str) -> str:
    """Guess what a word without ``=`` was meant to be, as the end of the message that refuses it."""
    groups = {file.stem: file.parent.name for file in reversed(choice_files())}
    near = None if (CONF / word).is_dir() else close_to(word, [*groups])  # the word is the group itself: model gru
    if near is None:
        return ", without spaces, as in model=gru"
    multirun = "-m " if groups[near] == "experiments" else ""
    return f" (did you mean {multirun}{groups[near]}={near}?)"


def refuse_more_than_machine(cfg: DictConfig) -> None:
    """Refuse more threads or processes than the system may be able to start; a few more than there are cores is fine.

    Raises:
        UserError: a key exceeds the maximum, which the message gives.
    """
    cores = os.cpu_count() or 1
    most = {"threads": max(64, 4 * cores), "data.num_workers": max(64, 4 * cores), "trainer.devices": max(8, cores)}
    for key, number in most.items():
        if isinstance(given := OmegaConf.select(cfg, key), int) and given > number:
            said = f"on this machine, which has {counted(cores, 'core')}"
            raise UserError(f"{key} must be at most {number} {said}, got {given}.")


def refuse_width_beside_budget(cfg: DictConfig, given: set[str]) -> None:
    """Refuse a width given together with a budget, which would silently override it."""
    if "model.hidden_size" in given and OmegaConf.select(cfg, "model.budget") is not None:
        raise UserError("model.budget sets the width, so model.hidden_size cannot be set as well: drop one of them.")


def quoted(argument: str) -> str:
    """Quote an override of a path, or of a cell separator, if it contains characters that Hydra would interpret.

    A comma between paths means a sweep, unless a file of that name exists.

    >>> quoted("data.path=my data~2024=new.csv"), quoted("data.path=mine.csv")
    ("data.path='my data~2024=new.csv'", 'data.path=mine.csv')
    >>> quoted("data.separator=;")
    'data.separator=";"'
    """
    key, equals, value = argument.partition("=")
    several = "," in value and not Path(value).expanduser().exists()
    asks = value[:1] in tuple("'\"[{$") or "${" in value or re.match(r"(glob|choice)\(", value)
    if key in ("data.separator", "data.decimal") and len(value) == 1 and not value.isalnum():
        return f'{key}="{value}"'
    if not equals or key.lstrip("+") not in PATHS or several or asks or re.fullmatch(r"[\w/.:+-]*", value, re.ASCII):
        return argument
    return f"{key}={in_quotes(value)}"


def is_bare(argument: str, before: str) -> bool:
    """Return whether an argument is a positional one: no override, no option and not the value of an option."""
    return "=" not in argument and not argument.startswith(("-", "~")) and not takes_a_word(before)


def _is_file(argument: str, config_name: str) -> bool:
    """Return whether an argument that contains ``=`` is the name of a file rather than an override."""
    key, equals, _ = argument.lstrip("+~").partition("=")
    ours = any(key in (name, name.partition(".")[0]) for name in keys_of(config_name))
    return bool(equals) and not ours and Path(argument).exists()


def wrong_line(arguments: list[str], config_name: str = "train") -> str | None:
    """Return what is wrong with a command line before composing: a key given twice or removed, and the like.

    >>> wrong_line(["seed=1", "++seed=2"])
    'seed is given twice on the command line: drop one of the two.'
    """
    if twice := given_twice(arguments):
        return f"{twice} is given twice on the command line: drop one of the two."
    if (wrong := wrong_flag(arguments, config_name)) is not None:
        return wrong
    known = keys_of(config_name)
    for before, argument in pairwise(["", *arguments]):
        if is_bare(argument, before):
            theirs = config_name == "train" and Path(argument).exists()
            meant = f" (did you mean {THAT_FILE.format(file=argument)}?)" if theirs else meant_by(argument)
            return f"{argument} does not have the form KEY=VALUE{meant}."
        choice, _, value = argument.lstrip("+").partition("=")
        if argument.startswith("hydra="):
            return f"Hydra's own keys must be given one by one, as in hydra.run.dir=DIR, got {argument}."
        if "=" not in argument or not choice.isidentifier() or not (CONF / choice).is_dir():
            continue
        if choice == "logger" and SEVERAL.fullmatch(value) and not argument.startswith("++"):
            continue
        if choice == "data" and Path(value).is_file() and value not in files_in(choice).split(", "):
            return f"{argument} must name a data set, but {value} is a file: use {THAT_FILE.format(file=value)}."
        if argument.startswith("++") or value == "null" or not CHOICE.fullmatch(value):
            return (
                f"{choice} must name a file in conf/{choice}, as in {choice}=NAME, got {argument}; there are "
                f"{files_in(choice)}."
            )
    gone = (argument[1:].partition("=")[0] for argument in arguments if argument.startswith("~"))
    return next((TAKEN_AWAY.format(key=name) for name in gone if name in known and "." not in name), None)


def refuse_taken_away(cfg: DictConfig, overrides: Iterable[str], keys: Mapping[str, Key]) -> None:
    """Refuse an override with ``~`` that removes a key of a built-in class, which would silently get another value.

    User-supplied classes may lack the argument, and keys that accept null may be removed.

    Raises:
        UserError: such a key was removed.
    """
    for name in (override[1:].partition("=")[0] for override in overrides if override.startswith("~")):
        key, node = keys.get(name), OmegaConf.select(cfg, name.rpartition(".")[0])
        ours = isinstance(node, DictConfig) and str(node.get("_target_") or OURS[0]).startswith(OURS)
        if key is not None and ours and not key.added and not holds(key.kind, None):
            raise UserError(TAKEN_AWAY.format(key=name))


def given_twice(arguments: list[str]) -> str | None:
    """Return the first key that two overrides set, of which Hydra would silently use the last."""
    given = [a for a in arguments if a.startswith("~") or ("=" in a and not a.startswith("-"))]
    keys = [a.lstrip("+~").partition("=")[0] for a in given]
    return next((key for key in keys if keys.count(key) > 1), None)


def in_multirun() -> bool:
    """Return whether this is one of several jobs started with ``-m``."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
