"""When a run has diverged: numbers left float range, or it ended far worse than what knows nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from src.config.errors import UserError
from src.runs.metrics_file import Row
from src.runs.result import Divergence

TIMES = 10.0  # the loss of the trivial baseline that a run's best validation loss may be
NO_BETTER = 1.1  # the loss of the network before training, and some more for chance
ADVICE = "a smaller optimizer.lr may help."


class Diverged(UserError):
    """A training that came to nothing; a result of its own kind, not a fault of the program.

    Attributes:
        found: where that was seen.
    """

    def __init__(self, sentence: str, step: int, tensor: str, value: float) -> None:
        super().__init__(sentence)
        self.found = Divergence(step, tensor, value)


def check_loss(loss: float, module: nn.Module, step: int) -> None:
    """Refuse to train on from a loss that is no number.

    Args:
        loss: of the batch, before the update that it gives.
        module: with the weights that it was computed with, which are the cause where they are no numbers themselves.
        step: updates so far.

    Raises:
        Diverged: names the tensor that left float range first.
    """
    if math.isfinite(loss):
        return
    check_weights(module, step)
    raise Diverged(
        f"The training loss (train/loss) is {loss} at step {step}, and the weights are numbers still: {ADVICE}",
        step,
        "train/loss",
        loss,
    )


def check_weights(module: nn.Module, step: int) -> None:
    """Refuse weights that are no numbers.

    Raises:
        Diverged: names the first tensor that has left float range.
    """
    weights = list(module.named_parameters())
    # One answer for all of them, so that a GPU is waited for once.
    if not weights or bool(torch.stack([w.detach().isfinite().all() for _, w in weights]).all()):
        return
    name, weight = next((name, w.detach()) for name, w in weights if not bool(w.detach().isfinite().all()))
    value = float(weight[~weight.isfinite()][0])
    raise Diverged(f"The weights {name} left float range by step {step} ({value}): {ADVICE}", step, name, value)


def check_validation(
    rows: Iterable[Row], baselines: Mapping[str, float], loss_name: str, untrained: Callable[[], float]
) -> Diverged | None:
    """Whether the best validation loss says that a run came to nothing; None where it does not.

    That is one of more than 10 times the loss of the trivial baseline (the largest, where there are several) on the
    same data, and by more than a tenth above that of the network before training: one that starts far above a baseline
    and comes down has not diverged, whatever the ratio (where hardly anything happens a baseline is near 0). Where no
    baseline is above 0, as may be with a density, it is one of more than 10 times that of the network before training;
    where that is not above 0 either, there is no such ratio, and only a loss that is no number counts.

    Args:
        rows: of metrics.csv.
        baselines: on validation, e.g. ``majority/nll``.
        loss_name: the task's own name for its loss.
        untrained: gives the validation loss of the network before training; asked only where it decides.
    """
    losses = [(float(row["val/loss"]), int(row["step"])) for row in rows if "val/loss" in row]
    if not losses:
        return None
    best, step = min(losses, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    if not math.isfinite(best):
        return Diverged(
            f"val/loss is {best} in every epoch, the first at step {step}: {ADVICE}", step, "val/loss", best
        )
    reached = {key: value for key, value in baselines.items() if key.rpartition("/")[2] == loss_name and value > 0}
    name = max(reached, key=lambda key: reached[key], default=None)
    if best <= TIMES * (reached[name] if name else 0.0):
        return None
    start = untrained()
    if (start > 0 and best <= (NO_BETTER if name else TIMES) * start) or (start <= 0 and not name):
        return None
    what = f"{name} there, {reached[name]:.6g}" if name else f"that of the network before training, {start:.6g}"
    return Diverged(
        f"The best val/loss, {best:.6g} at step {step}, is more than {TIMES:g} times {what}: {ADVICE}",
        step,
        "val/loss",
        best,
    )
