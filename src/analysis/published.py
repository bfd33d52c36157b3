"""Published results shown beside ours, from ``published.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml

FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Reference:
    """A published result to draw beside ours."""

    data: str  # name in ``conf/data``
    metric: str  # e.g. ``test/nll``
    model: str  # as its authors call it, in lower case: ``gru``, ``lstm``, ``tanh``, ``tcn``
    value: float  # in the unit of the metric here
    source: str  # authors and year
    state: Literal["confirmed", "unconfirmed"]  # whether it was checked against the source
    note: str | None = None  # what differs from the runs here


def published_name(model: str) -> str:
    """Return the name that published tables use for the cell of one of our models.

    >>> published_name("lstm_chung"), published_name("rnn")
    ('lstm', 'tanh')
    """
    return model.split("_")[0].replace("rnn", "tanh")


def references(data: str, metric: str) -> list[Reference]:
    """Return published results on a data set and a metric.

    >>> references("seq_mnist", "test/acc")[0].value
    0.872
    """
    return [reference for reference in _all() if (reference.data, reference.metric) == (data, metric)]


@lru_cache(maxsize=1)
def _all() -> tuple[Reference, ...]:
    return tuple(
        Reference(data, group["metric"], model, float(value), group["source"], group["state"], group.get("note"))
        for group in yaml.safe_load(FILE.read_text())
        for data, values in group["data"].items()
        for model, value in values.items()
    )
