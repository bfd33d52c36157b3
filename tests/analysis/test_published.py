"""Published figures belong to data sets and metrics that exist here, and say whether they are confirmed."""

import pytest

from src.analysis.metrics import base
from src.analysis.published import _all, references
from src.config.places import CONF
from src.tasks.metrics import declared_by_shipped_tasks


def test_every_figure_can_stand_beside_one_of_ours() -> None:
    declared = declared_by_shipped_tasks()
    assert len(_all()) > 30
    for reference in _all():
        assert (CONF / "data" / f"{reference.data}.yaml").exists(), reference
        assert base(reference.metric) in declared
        assert reference.metric.startswith("test/")
        assert reference.state in ("confirmed", "unconfirmed")
        assert declared[base(reference.metric)].direction == "min" or 0 < reference.value < 1


@pytest.mark.parametrize(
    ("data", "metric", "model", "value", "state"),
    [
        ("jsb_chorales", "test/nll", "gru", 8.54, "unconfirmed"),
        ("jsb_chorales", "test/nll", "tcn", 8.10, "confirmed"),
        ("nottingham", "test/nll", "lstm", 3.29, "confirmed"),
        ("adding", "test/mse", "gru", 5.3e-5, "confirmed"),
        ("seq_mnist", "test/acc", "lstm", 0.872, "confirmed"),
    ],
)
def test_figures(data: str, metric: str, model: str, value: float, state: str) -> None:
    assert (value, state) in {(r.value, r.state) for r in references(data, metric) if r.model == model}


def test_nothing_stands_beside_another_metric() -> None:
    assert references("jsb_chorales", "test/frame_acc") == []
