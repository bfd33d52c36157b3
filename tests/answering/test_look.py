"""Defaults that fit the data, and rates at which networks learn."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.answering.look import Seen, look
from src.answering.rates import Short, range_of, try_rates
from src.config.errors import UserError
from src.config.instantiate import instantiate
from src.tasks.build import build_task
from tests.answering.conftest import gestures, months

MODELS = ["gru", "lstm"]


@pytest.fixture
def seen(compose: Callable[..., DictConfig]) -> Callable[..., Seen]:
    return lambda given, choice="csv", models=MODELS: look(lambda line: compose(*line), choice, models, given)


def test_a_series_of_144_months_has_room_where_the_defaults_are_refused(
    seen: Callable[..., Seen], compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    given = {"data.path": str(months(tmp_path / "air.csv"))}
    with pytest.raises(UserError, match="too few for one forecast"):
        _ = instantiate(compose("data=csv", f"data.path={given['data.path']}").data).description
    made = seen(given)
    assert {key: made.settings[key] for key in ("data.lookback", "data.horizon")} == {
        "data.lookback": 24,
        "data.horizon": 7,
    }
    table = {what: (value, key) for what, value, key in made.rows}
    assert table["season"] == ("12 rows", "data.season")
    assert table["each forecast"] == ("reads 24 rows, predicts 7", "data.lookback, data.horizon")
    assert made.metric == "test/mse"
    assert set(made.baselines) == {"naive", "seasonal_naive"}


def test_what_was_given_stays(seen: Callable[..., Seen], tmp_path: Path) -> None:
    path = str(months(tmp_path / "air.csv", 600))
    given = {"data.path": path, "data.horizon": 3, "data.batch_size": 17}
    given |= {"model.budget": 64, "model.budget_of": "state"}
    made = seen(given)
    assert made.settings == {}
    assert ("network size", "about 64 numbers in the state", "model.budget") in made.rows
    assert not {"data.lookback", "data.horizon"} & seen({"data.path": path}).settings.keys()  # there is room


def test_sequences(seen: Callable[..., Seen], tmp_path: Path, compose: Callable[..., DictConfig]) -> None:
    path = str(gestures(tmp_path / "gestures.csv"))
    given = {"data.path": path, "data.group_column": "take", "data.target": "gesture"}
    made = seen(given)
    assert made.metric == "test/acc"
    assert made.settings["data.batch_size"] == 4  # 42 sequences make ten updates of an epoch
    assert len(made.data.train_dataloader()) == 11
    assert any("The test set has" in sentence for sentence in made.odd)
    # Both networks have widths that meet the budget to the tolerance that goes with it.
    settings = [f"{key}={value}" for key, value in made.settings.items()]
    line = [*settings, "data=csv", *(f"{key}={value}" for key, value in given.items())]
    sizes = []
    for model in MODELS:
        task = build_task(compose(*line, f"model={model}"), made.description)
        sizes.append(task.count_parameters()["effective"])
    tolerance = made.settings.get("model.budget_tolerance", 0.02)
    assert max(sizes) - min(sizes) <= tolerance * max(sizes)


def test_rates_that_learn_are_told_from_those_that_do_not(
    seen: Callable[..., Seen], tmp_path: Path, compose: Callable[..., DictConfig]
) -> None:
    given = {
        "data.path": str(gestures(tmp_path / "gestures.csv")),
        "data.group_column": "take",
        "data.target": "gesture",
    }
    made = seen(given)
    line = ["data=csv", *(f"{key}={value}" for key, value in given.items()), "data.batch_size=4", "model.hidden_size=8"]
    short = try_rates(compose(*line), made.data, seconds=600.0)  # the most updates, however slow the machine
    falls = {float(rate): fall for rate, fall in short.falls.items()}
    assert falls[1e-2] > 3 * abs(falls[1e-4])  # type: ignore[operator, arg-type]
    assert short.update_seconds > 0
    low, high, rate = range_of([short])
    assert 1e-4 < low < rate < high


def test_a_rate_at_which_one_model_diverges_is_tried_with_none() -> None:
    gru = Short({"0.001": 0.1, "0.01": 0.5, "0.1": 0.6})
    lstm = Short({"0.001": 0.1, "0.01": 0.5, "0.1": None})
    assert range_of([gru])[1] == 0.1
    assert range_of([gru, lstm])[:2] == (0.001, 0.01)


def test_losses_that_differ_from_batch_to_batch_are_not_taken_for_divergence(
    seen: Callable[..., Seen], tmp_path: Path, compose: Callable[..., DictConfig]
) -> None:
    """Series of very different size in one scale: what a batch costs says which series it is of."""
    rng = random.Random(2)
    rows = [f"{s},{day},{rng.gauss(0, 30 if s == 5 else 1):.3f}" for s in range(12) for day in range(40)]
    path = tmp_path / "panel.csv"
    path.write_text("\n".join(["id,day,value", *rows]) + "\n")
    given = {"data.path": str(path), "data.scale": "file", "data.lookback": 4, "data.horizon": 1, "data.batch_size": 2}
    line = ["data=csv", *(f"{key}={value}" for key, value in given.items()), "model.hidden_size=4"]
    short = try_rates(compose(*line), seen(given).data, seconds=600.0)
    assert all(short.falls[rate] is not None for rate in ("0.0001", "0.0004", "0.002", "0.01"))


def test_data_on_which_a_trivial_predictor_makes_no_error_are_refused(
    seen: Callable[..., Seen], tmp_path: Path
) -> None:
    path = tmp_path / "constant.csv"
    path.write_text("\n".join(["day,value", *(f"{day},5.0" for day in range(200))]) + "\n")
    with pytest.raises(UserError, match="than the trivial predictor naive, which makes no error on validation"):
        seen({"data.path": str(path)})
