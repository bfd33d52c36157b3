"""When a run has diverged: values left the float range, or its loss is far worse than that of a trivial predictor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from src.config.errors import UserError
from src.runs.metrics_file import Row
from src.runs.result import Divergence

TIMES = 10.0  # largest ratio of a run's best validation loss to the trivial baseline's
NO_BETTER = 1.1  # largest ratio to the loss before training, with some room for chance
ADVICE = "a smaller optimizer.lr may help."
# Before the first update, no learning rate has had an effect.
BEFORE_UPDATES = "no update has been made yet, so the cause is the network or the data, not optimizer.lr."


class Diverged(UserError):
    """A training run that diverged: a result in its own right, not a program error.

    Attributes:
        found: where the divergence was detected.
    """

    def __init__(self, sentence: str, step: int, tensor: str, value: float) -> None:
        super().__init__(sentence)
        self.found = Divergence(step, tensor, value)


def check_loss(loss: float, module: nn.Module, step: int) -> None:
    """Refuse to continue training from a loss that is not finite.

    Args:
        loss: of the batch, before its update.
        module: the weights that produced it, which are the cause if they are not finite themselves.
        step: updates so far.

    Raises:
        Diverged: names the tensor that left the float range first.
    """
    if math.isfinite(loss):
        return
    check_weights(module, step)
    raise Diverged(
        f"The training loss (train/loss) is {loss} at step {step}, while all weights are still finite: {_advice(step)}",
        step,
        "train/loss",
        loss,
    )


def check_weights(module: nn.Module, step: int) -> None:
    """Refuse weights that are not finite.

    Raises:
        Diverged: names the first tensor that left the float range.
    """
    weights = list(module.named_parameters())
    # One check for all of them, so that a GPU synchronises only once.
    if not weights or bool(torch.stack([w.detach().isfinite().all() for _, w in weights]).all()):
        return
    name, weight = next((name, w.detach()) for name, w in weights if not bool(w.detach().isfinite().all()))
    value = float(weight[~weight.isfinite()][0])
    sentence = f"The weights {name} left the float range by step {step} ({value}): {_advice(step)}"
    raise Diverged(sentence, step, name, value)


def _advice(step: int) -> str:
    return ADVICE if step else BEFORE_UPDATES


def check_validation(
    rows: Iterable[Row], baselines: Mapping[str, float], loss_name: str, untrained: Callable[[], float]
) -> Diverged | None:
    """Return a divergence if the best validation loss indicates one, else None.

    A run has diverged if that loss exceeds 10 times the loss of the trivial baseline (the largest, if there are
    several) on the same data, and exceeds that of the network before training by more than a tenth. A run that starts
    far above a baseline and improves has not diverged, whatever the ratio (a baseline may be near 0 if hardly anything
    happens). If no baseline is above 0, as may be with a density, the limit is 10 times the loss before training; if
    that is not above 0 either, only a loss that is not finite counts.

    Args:
        rows: rows of metrics.csv.
        baselines: on validation, e.g. ``majority/nll``.
        loss_name: the task's own name for its loss.
        untrained: returns the validation loss of the network before training; called only if it decides.
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
