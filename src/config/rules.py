"""What a value in a composed config may be, checked before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.names import public_key, public_names

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
        UserError: names the key, the value that came and what was expected; also for a value that is missing.
    """
    if isinstance(study := cfg.get("study"), DictConfig):  # jobs of a study are composed without it
        name = study.get("name")
        raise UserError(
            f"experiments={name} is a whole study, and this command would train one default: start it by "
            f"`gatebench train -m experiments={name}`, one study at a time."
        )
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(f"{missing[0]} must be given, e.g. {missing[0]}=VALUE on the command line.")
    for key in RULES:
        value = OmegaConf.select(cfg, key, default=_ABSENT)
        if value is not _ABSENT:
            check_value(key, OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)
    if isinstance(model := cfg.get("model"), DictConfig):
        plain = OmegaConf.to_container(model)
        assert isinstance(plain, dict)
        if renamed := set(plain) - set(public_names(plain)):
            old = f"model.{renamed.pop()}"
            raise UserError(f"{old} is called {public_key(old)} today.")
    ckpt = cfg.get("ckpt")
    if ckpt not in (None, "auto", "best", "last") and not Path(str(ckpt)).is_file():
        raise UserError(f"The checkpoint {ckpt} does not exist: ckpt must be auto or the path of a run's .ckpt file.")


def check_value(key: str, value: Any) -> None:
    """Hold the plain value of one key against its rule, where it has one.

    Raises:
        UserError: names the key, the value that came and what was expected.
    """
    if key in RULES and not RULES[key][0](value):
        raise UserError(f"{key}={value} is impossible: it must be {RULES[key][1]}.")


_ABSENT = object()
