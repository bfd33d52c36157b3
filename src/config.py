"""Composed configs: checked in words before anything heavy is imported, instantiated in one place.

Every ``_target_`` of the project goes through :func:`instantiate`, every command through :func:`command`. Nothing
here imports torch, so that a mistake in a config is answered in a second.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

CONF = Path(__file__).resolve().parent.parent / "conf"
log = logging.getLogger(__name__)


class Mistake(ValueError):
    """A mistake of the person at the keyboard, said in one sentence: what is wrong and what would be right."""


# ---------------------------------------------------------------------------------------------------- instantiation


def instantiate(node: Any, *positional: Any, **keywords: Any) -> Any:
    """Build the object that a node's ``_target_`` names, with the node's other keys as arguments.

    Args:
        node: a config node with ``_target_`` (a dotted path, e.g. ``their.module.Class``).
        positional: arguments that come first.
        keywords: further arguments, passed as they are; they win over the node's keys.

    Raises:
        Mistake: when the target cannot be imported, does not take the keys it is given, or refuses a value.
    """
    import hydra.utils
    from hydra.errors import InstantiationException

    target = node["_target_"]
    try:
        # Only the node goes through Hydra: it would turn dataclasses among the arguments into configs.
        build = hydra.utils.instantiate(node, _convert_="all", _partial_=True)
        return build(*positional, **keywords)
    except Mistake:
        raise
    except InstantiationException as error:
        raise Mistake(f"{target} could not be built: {_one_line(str(error.__cause__ or error))}") from error
    except (ValueError, TypeError) as error:
        raise Mistake(f"{target}: {_one_line(str(error))}") from error


def find_class(dotted: str) -> Any:
    """The class behind a dotted path, e.g. ``src.data.ucr.UCR``."""
    import hydra.utils

    return hydra.utils.get_class(dotted)


# ------------------------------------------------------------------------------------------------------------ checks

_Rule = tuple[Callable[[Any], bool], str]


def _whole(least: int) -> _Rule:
    return (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least,
        f"a whole number of at least {least}",
    )


def _number(low: float, high: float = float("inf"), *, open_low: bool = False, open_high: bool = False) -> _Rule:
    def holds(v: Any) -> bool:
        if isinstance(v, bool) or not isinstance(v, int | float):
            return False
        return (v > low if open_low else v >= low) and (v < high if open_high else v <= high)

    start = "above" if open_low else "at least"
    end = "" if high == float("inf") else f" and {'below' if open_high else 'at most'} {high:g}"
    return holds, f"a number {start} {low:g}{end}"


def _one_of(*choices: Any) -> _Rule:
    return lambda v: v in choices, "one of " + ", ".join(str(c) for c in choices)


def _each(rule: _Rule) -> _Rule:
    holds, words = rule
    return (
        lambda v: all(holds(x) for x in v) and len(v) > 0 if isinstance(v, list) else holds(v),
        f"{words} (or a list of such, one for each layer)",
    )


def _or_none(rule: _Rule) -> _Rule:
    holds, words = rule
    return lambda v: v is None or holds(v), f"{words}, or null"


_PROBABILITY = _number(0, 1, open_high=True)

# What a value must be, by its key in the composed config. A key that a config does not have is not checked, so that a
# model, task or data set of the user's own brings whatever keys it likes.
RULES: dict[str, _Rule] = {
    "seed": _whole(0),
    "threads": _whole(1),
    "test": _one_of(True, False),
    "compile": _one_of(None, True),  # null and not false, so that runs keep the identity that they had before
    "sequence": _whole(0),
    "sequences": _whole(1),
    "shown": _or_none(_whole(1)),
    "jacobians": _or_none(_whole(0)),
    "solved_below": _number(0, 1, open_low=True),
    "prime": _whole(1),
    "steps": _whole(1),
    "temperature": _number(0, open_low=True),
    "top_p": _number(0, 1, open_low=True),
    "frames_per_second": _number(0, open_low=True),
    "model.hidden_size": _each(_whole(1)),
    "model.num_layers": _whole(1),
    "model.dropout": _PROBABILITY,
    "model.recurrent_dropout": _PROBABILITY,
    "model.zoneout": _number(0, 1),
    "model.weight_noise": _number(0),
    "model.backend": _one_of("auto", "fused", "torch", "reference"),
    "model.budget": _or_none(_whole(1)),
    "model.budget_of": _one_of("recurrent", "total", "state", "flops"),
    "model.budget_tolerance": _number(0),
    "model.initialisation": _one_of("pytorch", "xavier", "chung", "chrono"),
    "task.dropout": _PROBABILITY,
    "task.embedding_size": _whole(1),
    "data.batch_size": _whole(1),
    "data.val_fraction": _number(0, 1, open_low=True, open_high=True),
    "data.num_workers": _whole(0),
    "data.train_sequences": _or_none(_whole(1)),
    "data.train_steps": _or_none(_whole(1)),
    "data.chunk": _or_none(_whole(1)),
    "data.lookback": _whole(1),
    "data.horizon": _whole(1),
    "optimizer.lr": _number(0, open_low=True),
    "optimizer.weight_decay": _number(0),
    "trainer.max_epochs": _or_none(_whole(1)),
    "trainer.max_steps": _whole(-1),
    "trainer.gradient_clip_val": _or_none(_number(0)),
}


def check(cfg: DictConfig) -> None:
    """Hold a composed config against :data:`RULES`.

    Raises:
        Mistake: names the key, the value that came and what was expected; also for a value that is missing.
    """
    if isinstance(study := cfg.get("study"), DictConfig):  # jobs of a study are composed without it
        name = study.get("name")
        raise Mistake(
            f"experiments={name} is a whole study, and this command would train one default: start it by "
            f"`python -m src.train -m experiments={name}`, one study at a time."
        )
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise Mistake(f"{missing[0]} must be given, e.g. {missing[0]}=VALUE on the command line.")
    for key in RULES:
        value = OmegaConf.select(cfg, key, default=_ABSENT)
        if value is not _ABSENT:
            check_value(key, OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)
    ckpt = cfg.get("ckpt")
    if ckpt not in (None, "auto", "best", "last") and not Path(str(ckpt)).is_file():
        raise Mistake(f"The checkpoint {ckpt} does not exist: ckpt must be auto or the path of a run's .ckpt file.")


def check_value(key: str, value: Any) -> None:
    """Hold the plain value of one key against its rule, where it has one.

    Raises:
        Mistake: names the key, the value that came and what was expected.
    """
    if key in RULES and not RULES[key][0](value):
        raise Mistake(f"{key}={value} is impossible: it must be {RULES[key][1]}.")


_ABSENT = object()
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain dicts and lists, every interpolation resolved (what checkpoints and wandb may hold)."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


# ---------------------------------------------------------------------------------------------------------- commands


def _stamp() -> str:
    """A directory name that no other start gets, in the same second either; no ``=`` or ``,`` (Hydra's grammar)."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(3)}"


def new_run_directory(cfg: DictConfig) -> Path:
    """The directory of a run: Hydra's for this job, or a new one under ``paths.runs_dir`` outside a job."""
    return output_directory() or Path(cfg.paths.runs_dir) / _stamp()


def study_folder(cfg: DictConfig) -> Path:
    """What ``study`` names: a folder under ``paths.runs_dir``, or one anywhere.

    Raises:
        Mistake: there is no such folder.
    """
    runs, given = Path(cfg.paths.runs_dir), str(cfg.study)
    for place in (runs / given, Path(given)):
        if place.is_dir():
            return place
    there = sorted(path.parent.name for path in runs.glob("*/study.json"))
    listed = f"the studies there are {', '.join(there)}" if there else "no study lies there"
    raise Mistake(f"There is no study {runs / given}{nearest(given, there)}; {listed}.")


def output_directory() -> Path | None:
    """The directory that Hydra has made for this job; None outside a Hydra job."""
    from hydra.core.hydra_config import HydraConfig

    return Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else None


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
    return [sys.argv[0], *(o for o in own if o.partition("=")[0] not in ("part", "ckpt"))]


def register_resolvers() -> None:
    """Make ``${stamp:}`` (one value for each composed config) and ``${jobs_at_once:THREADS}`` known to OmegaConf."""
    OmegaConf.register_new_resolver("stamp", _stamp, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("jobs_at_once", _jobs_at_once, replace=True)


def _jobs_at_once(threads: int) -> int:
    """How many jobs of so many threads the cores that this process may use have room for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // max(1, threads))


def command(config_name: str, task: Callable[[DictConfig], Any]) -> None:
    """Run ``task`` under Hydra with the config ``conf/<config_name>.yaml`` and this process's command line.

    An exception ends the process with exit code 1 and one sentence on standard error; the stack trace comes with
    HYDRA_FULL_ERROR=1 in the environment. In a multirun each failed job says its own sentence when it fails.
    """
    import hydra

    # conf/hydra/launcher/ray.yaml has the name of the plugin's own choice, and means to.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/ray' is validated against ConfigStore schema")
    full = os.environ.get("HYDRA_FULL_ERROR") == "1"
    register_resolvers()
    if twice := given_twice(sys.argv[1:]):
        print(f"{twice} is given twice on the command line, and only one of the two would count.", file=sys.stderr)
        sys.exit(1)

    from hydra.core.hydra_config import HydraConfig

    failed: list[Exception] = []

    def job(cfg: DictConfig) -> Any:
        try:
            check(cfg)
            refuse_width_beside_budget(cfg, HydraConfig.get().overrides.task)
            if "threads" in cfg:  # before torch is imported: jobs that take all cores each would fight over them
                os.environ |= dict.fromkeys(THREADS, str(cfg.threads))
            return task(cfg)
        except Exception as error:
            if _in_multirun():
                print(f"This job failed: {in_words(error)}", file=sys.stderr)
                raise
            failed.append(error)  # and not raised: Hydra would put a line of its own before the sentence

    # Hydra prints traces of its own unless it is told to let exceptions through; they are put into words here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")(job)()
        if failed:
            raise failed[0]
    except Exception as error:
        if full:
            raise
        print(in_words(error), file=sys.stderr)
        if not isinstance(error, Mistake | OmegaConfBaseException) and not _is_hydra(error):
            print("HYDRA_FULL_ERROR=1 in the environment shows the stack trace.", file=sys.stderr)
        sys.exit(1)
    finally:
        if not full:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def refuse_width_beside_budget(cfg: DictConfig, overrides: Iterable[str]) -> None:
    """Refuse a width that is asked for beside a budget, which would decide it without a word.

    Raises:
        Mistake: both are given.
    """
    given = {str(override).lstrip("+").partition("=")[0] for override in overrides}
    if "model.hidden_size" in given and OmegaConf.select(cfg, "model.budget") is not None:
        raise Mistake(
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


def _is_hydra(error: BaseException) -> bool:
    from hydra.errors import HydraException

    return isinstance(error, HydraException)


def in_words(error: BaseException) -> str:
    """One sentence for an error: ours as they are, Hydra's and OmegaConf's translated, others by type and message."""
    if isinstance(error, Mistake):
        return str(error)
    text = str(error)
    if found := re.search(
        r"Could not find '([^']*)/([^'/]+)'\s*\n\s*\nAvailable options in '[^']+':\n((?:\t.*\n?)+)", text
    ):
        group, name, rest = found.groups()
        # base*.yaml are what the others differ from, not choices.
        options = [o for line in rest.splitlines() if (o := line.strip()) and not o.startswith("base")]
        return f"There is no {group}={name}{nearest(name, options)}; the choices are {', '.join(options)}."
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found.group(1)
        words = f"There is no key {key}"
        available = {name: files for name, files in _keys_beside(key).items() if name != key}
        group, _, leaf = key.rpartition(".")
        if choices := available.get(leaf):
            return f"{words} in this config: it belongs to {' or '.join(f'{group}={name}' for name in choices)}."
        near = nearest(leaf, list(available))
        return f"{words}{near}; a key of your own is added with a plus sign, as in +{key}=VALUE."
    if "OverrideParseException" in type(error).__name__:
        return (
            f"{_one_line(str(error)).partition(' See http')[0]}: an override is KEY=VALUE, and a value with brackets, "
            "commas, spaces or = in it stands in quotes, as in 'tags=[\"a\"]'."
        )
    if _is_hydra(error) or isinstance(error, OmegaConfBaseException):
        return _one_line(text)
    return f"{type(error).__name__}: {_one_line(text)}"


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def nearest(word: str, options: list[str]) -> str:
    """`` (did you mean OPTION?)`` where one is close to the word, else nothing."""
    near = difflib.get_close_matches(word, options, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _keys_beside(key: str) -> dict[str, list[str]]:
    """The keys that the shipped configs have in the same node as ``key``, with the choices that have each."""
    parent = key.rpartition(".")[0]
    if not parent:
        found: dict[str, list[str]] = {p.name: [] for p in CONF.iterdir() if p.is_dir()}
        files = [CONF / "train.yaml"]
    else:
        found = {}
        files = sorted((CONF / parent).glob("*.yaml"))
    for file in files:
        if file.exists():
            node = OmegaConf.load(file)
            inner = node.get(parent) if parent and isinstance(node, DictConfig) and parent in node else node
            if isinstance(inner, DictConfig):
                for name in inner:
                    found.setdefault(str(name), []).extend([file.stem] if parent and file.stem != "base" else [])
    found.pop("defaults", None)
    return found
