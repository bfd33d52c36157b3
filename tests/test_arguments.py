"""What torch's and Lightning's classes take has a rule each: the tables of the schema against the signatures."""

import inspect
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from src.config.schema import arguments, keys_of
from src.config.schema.arguments import CALLBACKS, OPTIMIZERS, SCHEDULERS, TRAINER_HAS
from src.config.schema.entries import holds, words, wrong

TABLES = [
    *((torch.optim, name, kinds, {"params"}) for name, kinds in OPTIMIZERS.items()),
    *((torch.optim.lr_scheduler, name, kinds, {"optimizer"}) for name, kinds in SCHEDULERS.items()),
    *((pl.callbacks, name, kinds, set()) for name, kinds in CALLBACKS.items()),
]
FREE = ("summarize_kwargs", "kwargs")  # handed on


@pytest.mark.parametrize(("home", "name", "kinds", "ours"), TABLES, ids=[name for _, name, _, _ in TABLES])
def test_every_argument_of_a_class_has_a_rule(home: Any, name: str, kinds: dict[str, Any], ours: set[str]) -> None:
    parameters = inspect.signature(getattr(home, name)).parameters
    assert set(parameters) - ours - {*FREE} == set(kinds) - {"window_size", "separator"}
    for argument, kind in kinds.items():
        default = parameters[argument].default if argument in parameters else None
        if type(default) in (int, float, bool, str, tuple):
            plain = list(default) if isinstance(default, tuple) else default
            assert holds(kind, plain), f"{argument}={default} is not {words(kind)}"


def test_every_argument_of_the_trainer_has_a_rule_or_is_refused() -> None:
    known = {key.removeprefix("trainer.") for key in keys_of() if key.startswith("trainer.")}
    parameters = inspect.signature(pl.Trainer).parameters
    assert set(parameters) == known | TRAINER_HAS.keys()
    assert not known & TRAINER_HAS.keys()


def test_every_rule_can_be_said_and_applied() -> None:
    for table in (OPTIMIZERS, SCHEDULERS, CALLBACKS):
        for kinds in table.values():
            for argument, kind in kinds.items():
                assert words(kind), argument
                assert not holds(kind, object()), argument
    assert holds(SCHEDULERS["CyclicLR"]["scale_fn"], None)
    assert wrong("scheduler.scale_fn", SCHEDULERS["CyclicLR"]["scale_fn"], "f") == (
        "scheduler.scale_fn must be null, got f."
    )
    assert arguments.__doc__
