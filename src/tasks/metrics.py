"""Metrics: name, better direction, unit, and the per-sequence sums of which each is the ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from src.config.errors import UserError

Direction = Literal["min", "max"]


@dataclass(frozen=True)
class Metric:
    """A metric, declared once by its task and included in the record of every run.

    >>> Metric("bpc", "min", "bits per character", "loss", "count", 1 / 0.6931).direction
    'min'
    """

    name: str  # without the split, e.g. nll
    direction: Direction  # min if lower is better
    unit: str = ""  # empty if it has none, or if it depends on the data
    # Columns of sequences/<split>.npz whose sums form the ratio; None if it is not a ratio (perplexity).
    numerator: str | None = None
    denominator: str | None = None
    factor: float = 1.0  # factor of the ratio

    def __post_init__(self) -> None:
        if self.direction not in ("min", "max"):
            raise UserError(f"The direction of the metric {self.name} must be min or max, got {self.direction}.")


LOSS = Metric("loss", "min", numerator="loss", denominator="count")  # of every task, beside its own name for it
NLL = Metric("nll", "min", "nats per step", "loss", "count")
NLL_PER_SEQUENCE = replace(NLL, unit="nats per sequence")
NLL_PER_TOKEN = replace(NLL, unit="nats per token")
NLL_PER_VALUE = replace(NLL, unit="nats per value")
ACC = Metric("acc", "max", numerator="right", denominator="count")
ERRORS = (  # for real values; the last two in the unit of the data if that differs
    Metric("mse", "min", numerator="loss", denominator="count"),
    Metric("mae", "min", numerator="absolute", denominator="count"),
    Metric("mse_unit", "min", numerator="squared_unit", denominator="count"),
    Metric("mae_unit", "min", numerator="absolute_unit", denominator="count"),
)
F1 = Metric("f1", "max")
PERPLEXITY = Metric("perplexity", "min")
BPC = Metric("bpc", "min", "bits per character", "loss", "count", 1 / math.log(2))
NLL_PER_SAMPLE = Metric("nll_per_sample", "min", "nats per sample")
FRAME_ACC = Metric("frame_acc", "max", numerator="hits", denominator="sounding")
PINBALL = Metric("pinball", "min", numerator="pinball", denominator="count")  # for standardised values
MASE = Metric("mase", "min", numerator="scaled", denominator="count")
# Mean over series of each one's mean, so that long series count no more than short ones.
OVER_SERIES = (
    Metric("mse_series", "min", numerator="loss_series", denominator="count_series"),
    Metric("mae_series", "min", numerator="absolute_series", denominator="count_series"),
    Metric("mase_series", "min", numerator="scaled_series", denominator="scaled_count_series"),
)
_SHIPPED = (LOSS, NLL, ACC, F1, PERPLEXITY, BPC, NLL_PER_SAMPLE, FRAME_ACC, *ERRORS, PINBALL, MASE, *OVER_SERIES)


def on_validation(metric: str) -> str:
    """Return the same metric on validation, for choices.

    >>> on_validation("test/acc")
    'val/acc'
    """
    return f"val/{metric.rpartition('/')[2]}"


def optimum(name: str) -> float | None:
    """Return the best possible value of a metric; None if it depends on the data (a likelihood).

    >>> optimum("acc"), optimum("mse"), optimum("nll")
    (1.0, 0.0, None)
    """
    if name in (ACC.name, F1.name):
        return 1.0
    least0 = {metric.name for metric in (*ERRORS, PINBALL, MASE, *OVER_SERIES)}
    return 0.0 if name in least0 or name.startswith("msis_") else None


def possible(name: str) -> tuple[float, float]:
    """Return the smallest and largest possible value of a metric, infinite without a known bound.

    >>> possible("acc"), possible("mse"), possible("nll")
    ((0.0, 1.0), (0.0, inf), (-inf, inf))
    """
    if name in (ACC.name, F1.name, FRAME_ACC.name, "accuracy"):  # the last one is in tables of other tools
        return 0.0, 1.0
    if name == PERPLEXITY.name:
        return 1.0, math.inf
    return (0.0 if optimum(name) == 0 else -math.inf), math.inf


def declared_by_shipped_tasks() -> dict[str, Metric]:
    """Return the metrics declared by the shipped tasks by name, for records without declarations.

    If metrics or factors depend on the data, this is the general case.
    """
    return {metric.name: metric for metric in _SHIPPED}
