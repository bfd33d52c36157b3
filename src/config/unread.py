"""Values that nothing reads in the combination that they stand in, e.g. ``model.chrono_steps`` without chrono.

Given on a command line such a value is a mistake, and refused. Where it comes from a file, or from a sweep that crosses
groups of which some read it, it is said; and a run's identity has the default in its place, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from src.config.errors import UserError
from src.config.instantiate import select
from src.config.schema.entries import shown

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What is known of the data once they are read; None before that."""

    tokens: bool | None = None
    forecasts: bool | None = None


@dataclass(frozen=True)
class Unread:
    """A key whose value nothing reads, the value that would say nothing, and what would read it."""

    key: str
    default: Any
    needs: str
    value: Any = None

    @property
    def sentence(self) -> str:
        """What is wrong, and what would be right."""
        return (
            f"{self.key}={shown(self.value)} is not read here: it is for {self.needs}, otherwise it must be "
            f"{shown(self.default)}."
        )


@dataclass(frozen=True)
class Rule:
    """A key, the value that says nothing (as files have it), when it is read (None: not yet known), and so in words."""

    key: str
    default: Any
    read: Callable[[Config, Facts], bool | None]
    needs: str


def _layers(config: Config, _: Facts) -> bool:
    widths = select(config, "model.hidden_size")
    several = len(widths) if isinstance(widths, list) else 1
    return max(select(config, "model.num_layers", 1), len(select(config, "model.layers") or ()), several) > 1


def _chrono(config: Config, facts: Facts) -> bool:
    return select(config, "model.initialisation") == "chrono" and _has_keep_gate(config, facts)


def _has_keep_gate(config: Config, _: Facts) -> bool:
    return select(config, "model._target_") != "src.recurrent.RNN"


def _can_start_so(config: Config, facts: Facts) -> bool:
    return select(config, "model.initialisation") != "chrono" or _has_keep_gate(config, facts)


def _forecasts(config: Config, facts: Facts) -> bool | None:
    task, form = select(config, "data.task"), select(config, "data._target_")
    if form not in ("src.data.CSV", "src.data.NPZ", "src.data.File"):
        return True
    return task == "forecasting" if task is not None else facts.forecasts


def _is_waveform(config: Config, _: Facts) -> bool:
    return (
        select(config, "data._target_") != "src.data.WavFolder" or select(config, "data.task", "waveform") == "waveform"
    )


def _scales(config: Config, facts: Facts) -> bool | None:
    if select(config, "data._target_") != "src.data.NPZ":
        return True
    if facts.tokens or _forecasts(config, facts) or select(config, "data.task") == "language_model":
        return False
    return None if facts.tokens is None else True


KEEPS = "cells with a gate that keeps the old state"
RUN = (
    Rule("model.chrono_steps", None, _chrono, "model.initialisation=chrono"),
    Rule("model.initialisation", "pytorch", _can_start_so, KEEPS),
    Rule("model.budget_of", "recurrent", lambda c, _: select(c, "model.budget") is not None, "a model.budget"),
    Rule("model.budget_tolerance", 0.02, lambda c, _: select(c, "model.budget") is not None, "a model.budget"),
    Rule("model.dropout", 0.0, _layers, "networks of several layers, between which it acts"),
    Rule("model.residual", False, _layers, "networks of several layers"),
    Rule("model.keep_gate_bias", 0.0, _has_keep_gate, KEEPS),
    Rule("data.train_steps", None, lambda c, _: select(c, "data.chunk") is not None,
         "data read in chunks (data.chunk)"),
    Rule("data.permutation_seed", 0, lambda c, _: bool(select(c, "data.permute", True)), "data.permute=true"),
    Rule("data.lookback", 48, _forecasts, "data.task=forecasting"),
    Rule("data.horizon", 24, _forecasts, "data.task=forecasting"),
    Rule("data.season", None, _forecasts, "data.task=forecasting"),
    Rule("data.scale", None, _forecasts, "data.task=forecasting"),
    Rule("data.resample", None, _forecasts, "data.task=forecasting"),
    Rule("data.known", None, _forecasts, "data.task=forecasting"),
    Rule("data.static", None, _forecasts, "data.task=forecasting"),
    Rule("task.coverage", None, lambda c, _: select(c, "task.intervals") is not None, "a task.intervals"),
    Rule("data.resample_by", None, lambda c, _: select(c, "data.resample") is not None, "a data.resample"),
    Rule("data.window", 20, _is_waveform, "data.task=waveform"),
    Rule("data.hop", 10, _is_waveform, "data.task=waveform"),
    Rule("data.chunk", 500, _is_waveform, "data.task=waveform"),
    Rule("data.standardise", True, _scales, "real values that are not forecast (forecasts always standardise)"),
    Rule("task.embedding_size", 64, lambda _, facts: facts.tokens, "data of tokens"),
    Rule("trainer.gradient_clip_algorithm", None, lambda c, _: bool(select(c, "trainer.gradient_clip_val")),
         "a trainer.gradient_clip_val"),
    Rule("trainer.limit_test_batches", None, lambda c, _: bool(select(c, "test", True)), "test=true"),
    Rule("tags", [], lambda c, _: bool(select(c, "logger._target_")) or select(c, "study_job") is not None,
         "logger=wandb"),
)  # fmt: skip
_OF_RUNS = {
    "run": None,
    "trust": None,
    "split": "test",
    "sequence": 0,
    "shown": None,
    "sequences": 32,
    "steps": 100,
    "jacobians": None,
    "ckpt": "best",
}
# Places that a command has, since it shares them, and does not look at.
NOT_READ = {
    "prepare": ("paths.runs_dir", "paths.run_dir"),
    "verify": ("paths.run_dir",),
    **dict.fromkeys(
        ("compare", "explain", "status", "dashboard"), ("paths.data_dir", "paths.cache_dir", "paths.run_dir")
    ),
}
RULES: dict[str, tuple[Rule, ...]] = {
    "train": RUN,
    "prepare": tuple(rule for rule in RUN if rule.key.startswith("data.") and rule.key != "data.train_steps"),
    "explain": (
        Rule("solved_below", 0.1, lambda c, _: select(c, "study") is not None, "study=NAME"),
        *(Rule(key, default, lambda c, _: select(c, "study") is None, "run=DIR") for key, default in _OF_RUNS.items()),
    ),
}


def unread(config: Config, facts: Facts | None = None, command: str = "train") -> list[Unread]:
    """Every value that nothing reads, and that is not the one that says nothing.

    >>> [found.key for found in unread({"model": {"chrono_steps": 50, "initialisation": "pytorch"}})]
    ['model.chrono_steps']
    """
    found, missing = [], object()
    for rule in RULES.get(command, ()):
        value = select(config, rule.key, missing)
        if value is missing or value is None or value == rule.default or not _is_ours(config, rule.key):
            continue
        if rule.read(config, facts or Facts()) is False:
            found.append(Unread(rule.key, rule.default, rule.needs, value))
    return found


def _is_ours(config: Config, key: str) -> bool:
    """Whether a key stands in no node of a user's own class, which may read what it likes."""
    target = select(config, f"{key.partition('.')[0]}._target_") if "." in key else None
    return target is None or str(target).startswith(("src.", "torch.", "pytorch_lightning."))


def as_read(config: Config, facts: Facts | None = None) -> dict[str, Any]:
    """A copy of a run's config in which what nothing reads is at its default."""
    out = dict(config)
    for found in unread(config, facts):
        group, dot, name = found.key.partition(".")
        out[group] = {**out[group], name: found.default} if dot else found.default
    return out


def refuse_unread(found: Iterable[Unread], given: Iterable[str], command: str = "train") -> list[str]:
    """Refuse what a command line gives and nothing reads; the sentences about all else.

    Raises:
        UserError: for the first such key among ``given``.
    """
    typed, sentences = set(given), []
    if idle := typed & set(NOT_READ.get(command, ())):
        raise UserError(f"{idle.pop()} is not read by {command}: it must be left out.")
    for each in found:
        if each.key in typed:
            raise UserError(each.sentence)
        sentences.append(each.sentence)
    return sentences
