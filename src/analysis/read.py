"""The record of one run, read into a :class:`~src.analysis.summary.Run`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from src.analysis.summary import Run
from src.config.errors import UserError
from src.config.schema import effect_of
from src.config.schema.entries import FILE, PLACE

# OmegaConf reads a config thirty times slower, and a run's config holds nothing to interpolate.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_run(record: Mapping[str, Any], directory: Path, place: str, keys: Sequence[str]) -> Run:
    """What an analysis needs of a run.

    Args:
        record: the content of its ``result.json``.
        directory: where ``config.yaml`` lies beside it.
        place: the directory in words.
        keys: dotted keys of the settings that were tuned.

    Raises:
        UserError: when the record does not say which model, data and seed it is.
        KeyError, TypeError, ValueError, AttributeError: when its parts are not what they should be.
    """
    config = read_config(directory)
    part = record.get("study_job") or {}
    model, data = part.get("model"), part.get("data")
    if not part:
        chosen = record.get("choices") or {}
        model, data = chosen.get("model"), chosen.get("data")
        inner = select(config, "data.name")
        if data and inner and inner != data:
            data = f"{data}:{inner}"
    if not model or not data or not isinstance(record.get("seed"), int) or isinstance(record["seed"], bool):
        raise UserError(f"The run in {place} does not say which model, data and seed it is.")
    values = {key: value for key in keys if (value := select(config, key)) is not None}
    wandb = record.get("wandb") or {}
    return Run(
        id=str(record.get("id") or directory.name),
        model=str(model),
        data=str(data),
        seed=record["seed"],
        arm=str(part.get("arm", "main")),
        phase=part.get("phase"),
        status=_status(record["status"]),
        error=record.get("error"),
        directory=place,
        study=part.get("study"),
        name=record.get("name"),
        url=wandb.get("url"),
        identity=record.get("identity"),
        metrics=numbers(record.get("metrics")),
        baselines=numbers(record.get("baselines")),
        values=values,
        mode=select(config, "task.mode"),
        best=_best(record.get("best")),
        parameters=_amounts(record.get("parameters")),
        hidden_size=select(config, "model.hidden_size"),
        budget=_amounts(record.get("budget"), words=("of",)),
        timing=_amounts(record.get("timing")),
        memory=numbers(record.get("memory")),
        backend=_with_words(record.get("backend"), "name", "precision"),
        facts=_with_words(record.get("data"), "checksum"),
        hardware=dict(record.get("hardware") or {}),
        git=_with_words(record.get("git"), "commit"),
        versions=dict(record.get("versions") or {}),
        results_version=record.get("results_version"),
        command=command_line(record.get("command")),
        started=record.get("started"),
        ended=record.get("ended"),
    )


def read_config(directory: Path) -> dict[str, Any]:
    """A run's ``config.yaml`` as plain dicts; empty where it is missing or damaged."""
    try:
        found = yaml.load((directory / "config.yaml").read_text(), Loader=LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def select(config: Mapping[str, Any], key: str) -> Any:
    """The value under a dotted key; None where there is none.

    >>> select({"optimizer": {"lr": 0.1}}, "optimizer.lr")
    0.1
    """
    node: Any = config
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


def numbers(found: Mapping[str, Any] | None) -> dict[str, float]:
    """The numbers of a dict; JSON has ``inf`` and ``nan`` as words.

    >>> numbers({"a": 1, "b": "inf", "c": None})
    {'a': 1.0, 'b': inf}
    """
    return {str(name): float(value) for name, value in (found or {}).items() if value is not None}


def command_line(words: Sequence[str] | None) -> str | None:
    """The command that made a run, without what names places of one machine.

    >>> command_line(["/home/me/src/train.py", "model=gru", "paths.runs_dir=/big"])
    'python -m src.train model=gru'
    """
    if not words:
        return None
    module = f"src.{Path(words[0]).stem}" if words[0].endswith(".py") else "src.train"
    kept = [word for word in words[1:] if effect_of(word.lstrip("+~").partition("=")[0]) not in (PLACE, FILE)]
    return " ".join(["python -m", module, *(f"'{w}'" if set(w) & set(" ,[]{}") else w for w in kept)])


STATUSES = ("finished", "diverged", "failed", "interrupted", "running")


def _status(status: str) -> str:
    if status not in STATUSES:
        raise ValueError(f"status {status!r}")
    return status


def _amounts(found: Mapping[str, Any] | None, words: Sequence[str] = ()) -> dict[str, Any]:
    """A dict whose values are numbers, flags or None, but for the keys in ``words``."""
    return {
        str(key): value if key in words or value is None or isinstance(value, bool | int | float) else float(value)
        for key, value in (found or {}).items()
    }


def _with_words(found: Mapping[str, Any] | None, *keys: str) -> dict[str, Any]:
    """A dict that has words, or nothing, under some keys."""
    made = dict(found or {})
    for key in keys:
        if not isinstance(made.get(key), str | None):
            raise TypeError(f"{key} is {made[key]!r}")
    return made


def _best(best: Mapping[str, Any] | None) -> dict[str, Any]:
    found = dict(best or {})
    if "value" in found:
        found["value"] = float(found["value"])
        if not math.isfinite(found["value"]):
            del found["value"]
    return found
