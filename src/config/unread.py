"""Values that have no effect in combination with the others, e.g. ``model.chrono_steps`` without chrono.

On a command line such a value is a mistake and is refused. If it comes from a file, or from a sweep over groups of
which only some read it, it causes a warning. In a run's identity the default replaces it.
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
    """What is known of the data after reading them; None before that."""

    tokens: bool | None = None
    forecasts: bool | None = None


@dataclass(frozen=True)
class Unread:
    """A key whose value has no effect, its neutral value, and what would read it."""

    key: str
    default: Any
    needs: str
    value: Any = None

    @property
    def sentence(self) -> str:
        """Return the message: what is wrong, and what would be right."""
        return (
            f"{self.key}={shown(self.value)} has no effect here: it applies to {self.needs}; drop it or set it to "
            f"{shown(self.default)}."
        )


@dataclass(frozen=True)
class Rule:
    """A key, its neutral value (as in files), when it is read (None: not yet known), and a description of that."""

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
    Rule("model.dropout", 0.0, _layers, "networks with several layers"),
    Rule("model.residual", False, _layers, "networks with several layers"),
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
    Rule("data.standardise", True, _scales, "real-valued data outside forecasting (which always standardises)"),
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
# Paths in the config of a command, shared with others, that it does not use.
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
        *(
            Rule(key, default, lambda c, _: select(c, "study") is None, "explain without study=NAME")
            for key, default in _OF_RUNS.items()
        ),
    ),
}


def unread(config: Config, facts: Facts | None = None, command: str = "train") -> list[Unread]:
    """Return every value that has no effect and is not the neutral one.

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
    """Return whether a key is outside every node of a user's own class, which may read any key."""
    target = select(config, f"{key.partition('.')[0]}._target_") if "." in key else None
    return target is None or str(target).startswith(("src.", "torch.", "pytorch_lightning."))


def as_read(config: Config, facts: Facts | None = None) -> dict[str, Any]:
    """Return a copy of a run's config in which values without effect are replaced by their defaults."""
    out = dict(config)
    for found in unread(config, facts):
        group, dot, name = found.key.partition(".")
        out[group] = {**out[group], name: found.default} if dot else found.default
    return out


def refuse_unread(found: Iterable[Unread], given: Iterable[str], command: str = "train") -> list[str]:
    """Refuse values given on a command line that have no effect; return the messages about all others.

    Raises:
        UserError: a key in ``given`` has no effect; the message is about the first one.
    """
    typed, sentences = set(given), []
    if idle := typed & set(NOT_READ.get(command, ())):
        raise UserError(f"{idle.pop()} has no effect on {command}: drop it.")
    for each in found:
        if each.key in typed:
            raise UserError(each.sentence)
        sentences.append(each.sentence)
    return sentences
