"""Solve a network's width from a cost limit: ``model.budget`` parameters, state or work per step.

A time budget is measured beforehand by :mod:`src.tasks.calibrate`; here its width is already in the config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
ENOUGH = 0.009  # relative error of a common budget: half of model.budget_tolerance, less rounding
# Options that GRU and LSTM share and that determine their sizes.
ALIKE = (
    *("batch_first", "num_layers", "bias", "layer_norm", "bidirectional", "residual", "learn_initial_state"),
    "backend",
)


@dataclass(frozen=True)
class Budget:
    """A requested budget and the cost achieved.

    >>> Budget(of="recurrent", wanted=18800, actual=18630, error=-0.009, hidden_size=46).hidden_size
    46
    """

    of: str  # what the budget limits; see `size_of`; or ``seconds``
    wanted: int  # for ``seconds``, this and the next are microseconds per training step
    actual: int
    error: float  # actual / wanted - 1
    hidden_size: int  # the width
    measured: dict[str, float] = field(default_factory=dict)  # for ``seconds``: microseconds by width


def without_budget(model: DictConfig, **changed: Any) -> DictConfig:
    """Copy a model's config in the form its class takes, with some keys changed."""
    plain: Any = OmegaConf.to_container(model, resolve=True)
    return OmegaConf.create({key: value for key, value in {**plain, **changed}.items() if key not in KEYS})


def solve(model: DictConfig, build: Callable[[DictConfig], Task]) -> tuple[DictConfig, Budget | None]:
    """Return the config in the form the network's class takes, with the width that meets the budget, and the budget.

    Args:
        model: with ``budget``, ``budget_of``, ``budget_tolerance`` and ``hidden_size``.
        build: builds the task from a model's config without the budget's keys.

    A budget of ``seconds`` is None here, and the width is that of the config. Any other budget is met within half the
    tolerance, so that two networks with the same budget differ by at most the whole tolerance.

    Raises:
        UserError: there is no single width to solve, the size cannot be counted, or no width is close enough.
    """
    import torch

    wanted = model.get("budget")
    if wanted is None or model.get("budget_of") == "seconds":
        return without_budget(model), None
    of, tolerance = str(model.get("budget_of", "recurrent")), float(model.get("budget_tolerance", 0.02)) / 2
    asked = refuse_without_width(model)
    # Counting needs only shapes; "auto" and "fused" would look for their kernels on the meta device.
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
        raise UserError(f"{asked} cannot be reached with {model._target_}: {error}.") from error
    error_of = size(width) / wanted - 1
    if abs(error_of) > tolerance:
        near = " and ".join(f"hidden_size={w} has {size(w)}" for w in sorted({width, other}))
        # A wide network fails only a minute tolerance, which others then fail too.
        known = cheap and width <= 100
        advice = _budget_of_both(without_budget(model, **cheap), build, of, wanted, tolerance) if known else None
        raise UserError(
            f"No width meets {asked} ({of}) within {100 * tolerance:g} %, half of model.budget_tolerance: {near}; use "
            f"{advice or 'one of these as the budget'}, or a larger model.budget_tolerance."
        )
    return without_budget(model, hidden_size=width), Budget(of, wanted, size(width), error_of, width)


def _budget_of_both(
    model: DictConfig, build: Callable[[DictConfig], Task], of: str, wanted: int, tolerance: float
) -> str | None:
    """Advise a budget near ``wanted`` that ``model``, a GRU and an LSTM all meet; None if there is none.

    The sizes next to ``wanted`` suit this model alone, and the other one would be refused at them.
    """
    import torch

    alike = {key: model[key] for key in ALIKE if key in model}
    compared = {kind: OmegaConf.create({**alike, "_target_": f"src.recurrent.{kind.__name__}"}) for kind in (GRU, LSTM)}
    own = find_class(model._target_)
    which = "GRU and LSTM both meet" if own in compared else "this model, GRU and LSTM all meet"
    sizes = []
    for each in {**compared, own: model}.values():

        def size(width: int, each: DictConfig = each) -> int:
            with torch.device("meta"):
                return size_of(build(without_budget(each, hidden_size=width)), of)

        try:
            sizes.append(sizes_near(size, wanted, 0.4))
        except ValueError:  # one of the others cannot be built like this model
            return None
    budget, off = middle_budget(sizes, wanted, (0.5, 2), tolerance)
    return f"model.budget={budget}, which {which} on these data" if off <= tolerance else None


def common_budget(description: Description, about: int = 20_000) -> int:
    """Return a parameter count near ``about`` that both a GRU and an LSTM on such data have at some width."""
    inputs = Encoder(description, embedding_size=64).output_size
    sizes = [
        [count_parameters(kind(inputs, width, device="meta"))["effective"] for width in range(1, 160)]
        for kind in (GRU, LSTM)
    ]
    return nearest_budget(sizes, range(about * 3 // 4, about * 5 // 4, 100), about)[0]


def sizes_near(size: Callable[[int], int], about: int, reach: float) -> list[int]:
    """Return the sizes at the widths within a relative ``reach`` of the one whose size is nearest ``about``.

    Raises:
        ValueError: no width is large enough.
    """
    width = nearest_width(size, about)[0]
    return [size(w) for w in range(max(1, int((1 - reach) * width)), int((1 + reach) * width) + 2)]


def middle_budget(
    sizes: Sequence[Sequence[int]], about: int, within: tuple[float, float], enough: float = ENOUGH
) -> tuple[int, float]:
    """Return `nearest_budget` of those midway between two networks' sizes, ``within`` two multiples of ``about``.

    >>> middle_budget([[90, 112, 132], [85, 104, 132]], 100, (0.5, 2))
    (132, 0.0)
    """
    candidates = {(low + high) // 2 for some in sizes for low in some for high in sizes[0]}
    return nearest_budget(sizes, (b for b in candidates if within[0] * about < b < within[1] * about), about, enough)


def nearest_budget(
    sizes: Sequence[Sequence[int]], candidates: Iterable[int], about: int, enough: float = ENOUGH
) -> tuple[int, float]:
    """Return the candidate nearest ``about`` that each network meets at one of its ``sizes``, and the largest error.

    If there is none with an error of at most ``enough``, it is the candidate with the smallest error.
    """

    def off(budget: int) -> float:
        return max(min(abs(size / budget - 1) for size in some) for some in sizes)

    near = sorted(candidates, key=lambda budget: abs(budget - about))
    budget = next((budget for budget in near if off(budget) <= enough), min(near, key=off, default=about))
    return budget, off(budget)


def refuse_without_width(model: DictConfig) -> str:
    """Describe the budget of a model, which must have a single width to solve.

    Raises:
        UserError: the model has no width, or a list.
    """
    asked = f"model.budget={model.budget}"
    if "hidden_size" not in model:
        raise UserError(
            f"{asked} solves hidden_size, which {model._target_} does not have in this config: use another model, or "
            "model.budget=null."
        )
    if OmegaConf.is_list(model.hidden_size):
        raise UserError(
            f"{asked} solves one hidden_size for all layers, but model.hidden_size={list(model.hidden_size)} is a "
            "list: drop one of the two."
        )
    return asked


def _is_ours(target: str) -> bool:
    try:
        return issubclass(find_class(target), StackedRNN)
    except (ImportError, ValueError, TypeError):  # building it reports the problem
        return False


def size_of(task: Task, of: str) -> int:
    """Return the size of a task's network.

    Args:
        of: ``recurrent`` (parameters of the recurrent network), ``total`` (with encoder and head), both counting two
            bias vectors that are only added once; ``state`` (numbers carried per step) or ``flops`` (multiply-adds per
            step of the recurrent layers). A network not built from our layers may declare ``recurrent``, ``state`` and
            ``flops`` in a method ``budget_counts()``.

    Raises:
        UserError: state or flops are required of a network that neither uses our layers nor declares them, or a
            declared count is not a positive whole number.
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
            f"model.budget_of={of} cannot be counted for {type(network).__name__}, your own network: use recurrent "
            f"or total, or return {of} from its method budget_counts()."
        )
    return declared[of]


def _declared(network: Any) -> dict[str, int]:
    """Return the counts that a network of the user's own declares."""
    declared = network.budget_counts() if hasattr(network, "budget_counts") else {}
    for name, count in declared.items():
        if name not in ("recurrent", "state", "flops") or type(count) is not int or count < 1:
            raise UserError(
                f"budget_counts() of {type(network).__name__} must return positive whole numbers for recurrent, "
                f"state or flops, got {name}: {count!r}."
            )
    return dict(declared)
