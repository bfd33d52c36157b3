"""Forecasting: metrics and forecasts against plain loops over torch's own GRU in float64."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Classes, Description, Features, Horizon
from src.data.series import SeriesData
from src.data.windows import Series
from src.recurrent import GRU, LSTM
from src.tasks.forecasting import Forecasting
from tests.tasks.tiny import measure, task

LOOKBACK, HORIZON = 6, 3


class Walk(SeriesData):
    """A random walk of three columns."""

    def __init__(self, targets: str = "abc", **keywords: int) -> None:
        super().__init__(lookback=LOOKBACK, horizon=HORIZON, **keywords)
        self.targets = targets

    def read(self) -> Description:
        values = np.random.default_rng(0).normal(size=(60, 3)).cumsum(0) * [1, 10, 0.1]
        parts = np.repeat([0, 1, 2], [30, 15, 15])
        series = Series(values, np.array([60]), parts, list("abc"), list(self.targets))
        return self.forecasting(series, None)


def reference(module: Forecasting, x: torch.Tensor) -> tuple[nn.GRU, torch.Tensor, torch.Tensor]:
    """torch's own GRU with the network's weights, the head's weight and bias; all float64."""
    layer = nn.GRU(x.shape[-1], module.network.hidden_size, batch_first=True).double()
    layer.load_state_dict(module.network.state_dict())
    return layer, module.head.weight.double(), module.head.bias.double()


def direct(module: Forecasting, x: torch.Tensor, steps: int) -> torch.Tensor:
    layer, weight, bias = reference(module, x)
    x = x.double()
    level = x[-1] if module.relative else torch.zeros_like(x[-1])
    hidden = torch.zeros(1, 1, module.network.hidden_size, dtype=torch.float64)
    read, rows = x - level, []
    while len(rows) < steps:
        for step in read:
            _, hidden = layer(step[None, None], hidden)
        block = (weight @ hidden[0, 0] + bias).view(HORIZON, -1) + level
        rows += list(block)
        read = block - level
    return torch.stack(rows[:steps])


def recursive(module: Forecasting, x: torch.Tensor, steps: int) -> torch.Tensor:
    layer, weight, bias = reference(module, x)
    hidden = torch.zeros(1, 1, module.network.hidden_size, dtype=torch.float64)
    for step in x.double():
        _, hidden = layer(step[None, None], hidden)
    rows, last = [], x[-1].double()
    for k in range(steps):
        if k:
            _, hidden = layer(last[None, None], hidden)
        last = weight @ hidden[0, 0] + bias + (last if module.relative else 0)
        rows.append(last)
    return torch.stack(rows)


LOOPS = {"direct": direct, "recursive": recursive}


def build(strategy: str, relative: bool = True, targets: str = "abc", **keywords: object) -> tuple[Walk, Forecasting]:
    data = Walk(targets, eval_batch_size=4)
    module = task(Forecasting, data.description, strategy=strategy, relative=relative, **keywords)
    torch.manual_seed(1)
    nn.init.normal_(module.head.weight, std=0.3)
    nn.init.normal_(module.head.bias, std=0.3)
    return data, module.eval()


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize("steps", [1, 3, 8])
def test_predict_future_is_a_plain_loop_with_the_carried_state(strategy, relative, steps):
    data, module = build(strategy, relative)
    x = data.splits["test"][torch.tensor([0, 5])].x
    with torch.no_grad():
        found = module.predict_future(x, steps)
        for k in range(2):
            torch.testing.assert_close(found[k].double(), LOOPS[strategy](module, x[k], steps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_predict_future_reads_nothing_twice(strategy):
    data, module = build(strategy)
    seen = []
    module.network.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    module.predict_future(data.splits["test"][torch.tensor([0])].x, 9)
    assert seen == ([LOOKBACK, 3, 3] if strategy == "direct" else [LOOKBACK] + [1] * 8)


@pytest.mark.parametrize("targets", ["abc", "ca"])
def test_metrics_are_means_over_windows_rows_and_targets(targets):
    data, module = build("direct", targets=targets)
    found = measure(module, data)
    output, split = data.description.output, data.splits["test"]
    off = []
    with torch.no_grad():
        for row in range(len(split)):
            batch = split[torch.tensor([row])]
            off.append(module(batch)[0].double() - batch.y[0].double())
    off = torch.stack(off)
    unit = off * torch.tensor(output.scale, dtype=torch.float64)
    expected = {
        "mse": off.square().mean(),
        "loss": off.square().mean(),
        "mae": off.abs().mean(),
        "mse_unit": unit.square().mean(),
        "mae_unit": unit.abs().mean(),
        "mase": (off.abs() / torch.tensor(output.naive_error, dtype=torch.float64)).mean(),
    }
    for name, value in expected.items():
        assert found[f"test/{name}"] == pytest.approx(float(value), rel=1e-5), name
    columns = module.tables["test"].columns()
    np.testing.assert_allclose(columns["loss"] / columns["count"], off.square().mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("scale", ["series", "file"])
def test_metrics_of_several_series_are_means_over_windows_and_over_series(scale):
    values = np.random.default_rng(1).normal(size=(100, 2)).cumsum(0)
    values[60:] *= 1000
    values[60:, 1] = 7  # never changes: it has no scaled error
    parts = np.concatenate([np.repeat([0, 1, 2], [30, 15, 15]), np.repeat([0, 1, 2], [20, 10, 10])])

    class Two(SeriesData):
        def read(self) -> Description:
            return self.forecasting(Series(values, np.array([60, 40]), parts, ["u", "v"], ["v", "u"], ["a", "b"]), None)

    data = Two(lookback=LOOKBACK, horizon=HORIZON, eval_batch_size=4, scale=scale)
    module = task(Forecasting, data.description)
    nn.init.normal_(module.head.weight, std=0.3)
    found = measure(module.eval(), data)
    rows = []
    for row in range(len(split := data.splits["test"])):
        batch, series = split[torch.tensor([row])], int(data.origins("test")["series"][row])
        begin, end = ((0, 60), (60, 100))[series]
        train = values[begin:end][parts[begin:end] == 0]
        naive = np.abs(np.diff(train, axis=0)).mean(0)[[1, 0]]
        deviation = data.scaling.of(series).scale[[1, 0]]
        with torch.no_grad():
            off = (module(batch)[0].double() - batch.y[0].double()).abs().numpy()
        unit = off * deviation
        scaled = (unit / np.where(naive > 0, naive, np.inf)).mean() * (2 if series == 1 else 1)
        figures = {"mse": (off**2).mean(), "mae": off.mean(), "mase": scaled}
        rows.append(figures | {"mse_unit": (unit**2).mean(), "mae_unit": unit.mean(), "series": series})
    table = pd.DataFrame(rows)
    expected = table.drop(columns="series").mean().to_dict()
    expected |= {f"{name}_series": table.groupby("series")[name].mean().mean() for name in ("mse", "mae", "mase")}
    assert found == pytest.approx(
        {f"test/{k}": v for k, v in expected.items()} | {"test/loss": expected["mse"]}, rel=1e-4
    )


def test_a_head_of_zeros_makes_the_naive_forecast():
    data = Walk()
    for strategy in ("direct", "recursive"):
        module = task(Forecasting, data.description, strategy=strategy)
        found = measure(module, data)
        for name in ("mse", "mae", "mse_unit", "mae_unit", "mase"):
            assert found[f"test/{name}"] == pytest.approx(data.baselines[f"naive/{name}"], rel=1e-5)


def test_recursive_training_is_the_next_row_of_every_step():
    data, module = build("recursive")
    batch = data.splits["train"][torch.tensor([2, 7])]
    with torch.no_grad():
        losses = module.train().losses(batch)
    for k in range(2):
        rows, total = torch.cat([batch.x[k], batch.y[k]]).double(), 0.0
        for known in range(1, LOOKBACK + HORIZON):
            with torch.no_grad():
                total += float((recursive(module, rows[:known], 1)[0] - rows[known]).square().sum())
        assert float(losses.loss[k]) == pytest.approx(total, rel=1e-4)
        assert float(losses.count[k]) == (LOOKBACK + HORIZON - 1) * 3
    with torch.no_grad():
        assert float(module.eval().losses(batch).count[0]) == HORIZON * 3


def test_direct_reads_targets_relative_to_the_last_row_and_other_columns_as_they_are():
    data, module = build("direct", targets="ca")
    x = data.splits["test"][torch.tensor([0])].x
    seen = []
    module.network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    module.predict_future(x, 2)
    torch.testing.assert_close(seen[0][0, :, 0], x[0, :, 0] - x[0, -1, 0])
    torch.testing.assert_close(seen[0][0, :, 1], x[0, :, 1])


def test_a_level_that_is_shifted_shifts_the_forecast_alone():
    data, module = build("direct")
    x = data.splits["test"][torch.tensor([0])].x
    with torch.no_grad():
        torch.testing.assert_close(
            module.predict_future(x + 5, 3), module.predict_future(x, 3) + 5, rtol=1e-4, atol=1e-5
        )


def test_a_bidirectional_network_reads_windows_but_is_refused_where_it_would_read_the_answer():
    data = Walk()

    def network(input_size: int) -> GRU:
        return GRU(input_size, 5, batch_first=True, bidirectional=True)

    keywords = {"description": data.description, "network": network, "optimizer": None, "monitor": "val/loss"}
    with pytest.raises(UserError, match="bidirectional"):
        Forecasting(strategy="recursive", **keywords)
    module = Forecasting(strategy="direct", **keywords)
    assert not module.description.causal
    nn.init.normal_(module.head.weight)
    x = data.splits["test"][torch.tensor([0])].x
    assert module.predict_future(x, HORIZON).shape == (1, HORIZON, 3)
    with pytest.raises(UserError, match="no state to carry over"):
        module.predict_future(x, HORIZON + 1)


def test_the_state_of_an_lstm_is_carried_too():
    data = Walk()
    torch.manual_seed(0)
    module = Forecasting(
        description=data.description,
        network=lambda input_size: LSTM(input_size, [5, 4], num_layers=2, batch_first=True),
        optimizer=None,
        monitor="val/loss",
        strategy="recursive",
    ).eval()
    nn.init.normal_(module.head.weight)
    x = data.splits["test"][torch.tensor([0, 1])].x
    with torch.no_grad():
        found, rows = module.predict_future(x, 5), x
        for _ in range(5):  # by reading everything anew for every row
            output, _ = module.network(rows)
            rows = torch.cat([rows, rows[:, -1:] + module.head(output[:, -1:])], 1)
    torch.testing.assert_close(found, rows[:, LOOKBACK:], rtol=1e-4, atol=1e-4)


def test_what_makes_no_sense_is_refused():
    part = Walk("ab").description
    with pytest.raises(UserError, match="feeds forecasts back"):
        task(Forecasting, part, strategy="recursive")
    with pytest.raises(UserError, match="different columns"):
        task(Forecasting, part).predict_future(torch.zeros(1, LOOKBACK, 3), HORIZON + 1)
    with pytest.raises(UserError, match=r"steps_ahead must be .*, got 0"):
        task(Forecasting, part).predict_future(torch.zeros(1, LOOKBACK, 3), 0)
    with pytest.raises(UserError, match="task=forecasting needs"):
        task(Forecasting, Description(Features(3), Classes(("a", "b")), False, False, causal=False))


def test_a_target_that_never_changes_is_left_out_of_mase():
    output = Horizon(2, ("a", "b"), (0.0, 0.0), (1.0, 1.0), HORIZON, (0, 1), (0.0, 0.5))
    module = task(Forecasting, Description(Features(2), output, False, False, causal=False))
    batch = Batch(torch.zeros(1, LOOKBACK, 2), torch.ones(1, HORIZON, 2), torch.tensor([LOOKBACK]), torch.tensor([0]))
    with torch.no_grad():
        losses = module.losses(batch)
    assert float(losses.sums["scaled"] / losses.count) == pytest.approx(2.0)
