"""Published figures that stand beside ours, from ``published.yaml``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

from src.analysis.summary import Reference

FILE = Path(__file__).with_name("published.yaml")


def references(data: str, metric: str) -> list[Reference]:
    """What others reported on a data set and a metric.

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
