"""The width of a network from what it may cost: ``model.budget`` parameters, state or work per step.

A budget of time is measured, by :mod:`src.tasks.calibrate`, before this is asked: here its width stands in the config.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.instantiate import find_class
from src.data.describe import Description
from src.recurrent import (
    GRU,
    LSTM,
    StackedRNN,
    count_multiply_adds,
    count_parameters,
    count_state,
    nearest_width,
)
from src.tasks.base import Encoder, Task

KEYS = ("budget", "budget_of", "budget_tolerance")


@dataclass(frozen=True)
class Budget:
    """A budget that was asked for and what it came to.

    >>> Budget(of="recurrent", wanted=18800, actual=18630, error=-0.009, hidden_size=46).hidden_size
    46
    """

    of: str  # what is counted; see `size_of`; or ``seconds``
    wanted: int  # of ``seconds`` this and the next are microseconds for a training step
    actual: int
    error: float  # actual / wanted - 1
    hidden_size: int  # the width
    measured: dict[str, float] = field(default_factory=dict)  # of ``seconds``: microseconds by width


def without_budget(model: DictConfig, **changed: Any) -> DictConfig:
    """A copy of a model's config as its class takes it, some keys changed."""
    plain: Any = OmegaConf.to_container(model, resolve=True)
    return OmegaConf.create({key: value for key, value in {**plain, **changed}.items() if key not in KEYS})


def solve(model: DictConfig, build: Callable[[DictConfig], Task]) -> tuple[DictConfig, Budget | None]:
    """The config as the network's class takes it, with the width that meets its budget, and the budget, if any.

    Args:
        model: with ``budget`` and, beside it, ``budget_of``, ``budget_tolerance`` and ``hidden_size``.
        build: from a model's config without the budget's keys to the task around it.

    A budget of ``seconds`` is None here, and the width that of the config. Any other is met within half the tolerance,
    so that any two networks of the same budget differ by no more than the whole of it.

    Raises:
        UserError: there is no single width to solve, the size cannot be counted, or no width comes near enough.
    """
    import torch

    wanted = model.get("budget")
    if wanted is None or model.get("budget_of") == "seconds":
        return without_budget(model), None
    of, tolerance = str(model.get("budget_of", "recurrent")), float(model.get("budget_tolerance", 0.02)) / 2
    asked = refuse_without_width(model)
    # Counting needs shapes alone; "auto" and "fused" would look for their kernels on the device meta.
    cheap = {"backend": "reference"} if "backend" in model and _is_ours(model._target_) else {}

    @cache
    def size(width: int) -> int:
        with torch.device("meta"):
            task = build(without_budget(model, hidden_size=width, **cheap))
        return size_of(task, of)

    try:
        width, other = nearest_width(size, wanted)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{asked} is out of reach of {model._target_}: {error}.") from error
    error_of = size(width) / wanted - 1
    if abs(error_of) > tolerance:
        near = " and ".join(f"hidden_size={w} has {size(w)}" for w in sorted({width, other}))
        raise UserError(
            f"No width meets {asked} ({of}) within {100 * tolerance:g} %, half of model.budget_tolerance: {near}; ask "
            "for one of these, or for a larger model.budget_tolerance."
        )
    return without_budget(model, hidden_size=width), Budget(of, wanted, size(width), error_of, width)


def common_budget(description: Description, about: int = 20_000) -> int:
    """Recurrent parameters, ``about`` so many, that a GRU and an LSTM which read such data both have at some width."""
    inputs = Encoder(description, embedding_size=64).output_size
    sizes = [
        [count_parameters(kind(inputs, width, device="meta"))["effective"] for width in range(1, 160)]
        for kind in (GRU, LSTM)
    ]

    def off(budget: int) -> float:
        return max(min(abs(size / budget - 1) for size in some) for some in sizes)

    near = sorted(range(about * 3 // 4, about * 5 // 4, 100), key=lambda budget: abs(budget - about))
    return next((budget for budget in near if off(budget) < 0.009), min(near, key=off))


def refuse_without_width(model: DictConfig) -> str:
    """The budget in words, of a model that has one width which it can decide.

    Raises:
        UserError: it has none, or a list.
    """
    asked = f"model.budget={model.budget}"
    if "hidden_size" not in model:
        raise UserError(
            f"{asked} solves hidden_size, which {model._target_} does not have in this config: take another model, or "
            "model.budget=null."
        )
    if OmegaConf.is_list(model.hidden_size):
        raise UserError(
            f"{asked} solves one hidden_size for all layers, but model.hidden_size={list(model.hidden_size)} is a "
            "list: give one of the two."
        )
    return asked


def _is_ours(target: str) -> bool:
    try:
        return issubclass(find_class(target), StackedRNN)
    except (ImportError, ValueError, TypeError):  # building it says what is wrong
        return False


def size_of(task: Task, of: str) -> int:
    """How large a task's network is.

    Args:
        of: ``recurrent`` (parameters of the recurrent network), ``total`` (with encoder and head), both with two bias
            vectors that only add up counted once; ``state`` (numbers carried per step) or ``flops`` (multiply-adds per
            step of the recurrent layers). A network that is not built from our layers may declare ``recurrent``,
            ``state`` and ``flops`` by a method ``budget_counts()``.

    Raises:
        UserError: for state or flops of a network that neither is built from our layers nor declares them, or for a
            declared count that is no whole number from 1 up.
    """
    counts, network = task.count_parameters(), task.network
    if isinstance(network, StackedRNN):
        if of in ("state", "flops"):
            return count_state(network) if of == "state" else count_multiply_adds(network)
        declared = {}
    else:
        declared = _declared(network)
    recurrent = declared.get("recurrent", counts["effective"])
    if of == "recurrent":
        return recurrent
    if of == "total":
        return counts["total"] - counts["recurrent"] + recurrent
    if of not in declared:
        raise UserError(
            f"model.budget_of={of} cannot be counted for {type(network).__name__}, a network of your own: it must be "
            f"recurrent or total, or its method budget_counts() must say {of}."
        )
    return declared[of]


def _declared(network: Any) -> dict[str, int]:
    """What a network of the user's own says that it has."""
    declared = network.budget_counts() if hasattr(network, "budget_counts") else {}
    for name, count in declared.items():
        if name not in ("recurrent", "state", "flops") or type(count) is not int or count < 1:
            raise UserError(
                f"budget_counts() of {type(network).__name__} gives {name}: {count!r}; it must give whole numbers from "
                "1 up for some of recurrent, state and flops."
            )
    return dict(declared)
