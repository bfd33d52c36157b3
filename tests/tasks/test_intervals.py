"""Prediction intervals: scores against formulas written out, coverage against simulations with a known answer."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Description
from src.data.series import SeriesData
from src.data.windows import Series
from src.tasks.conformal import bands, calibrate
from src.tasks.forecasting import Forecasting
from src.tasks.intervals import (
    Gaussian,
    Point,
    Quantiles,
    interval_score,
    percent,
    pinball,
    quantile_levels,
)
from src.training.interval_files import interval_table
from tests.tasks.test_forecasting import HORIZON, Walk
from tests.tasks.tiny import measure, task

COVERAGE = (0.5, 0.9)
PHI, SIGMA = 0.8, 2.0


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_pinball_loss_is_that_of_scikit_learn():
    said, true, levels = drawn(0, 50, 5).sort(-1).values, drawn(1, 50), [0.05, 0.25, 0.5, 0.75, 0.95]
    of_levels = [mean_pinball_loss(true, said[:, k], alpha=level) for k, level in enumerate(levels)]
    assert float(pinball(said, true, torch.tensor(levels)).mean()) == pytest.approx(np.mean(of_levels), rel=1e-6)


def test_the_interval_score_is_that_of_gneiting_and_raftery():
    lower, upper, true = [0.0, 0.0, 0.0], [2.0, 2.0, 2.0], [1.0, -3.0, 2.5]
    expected = [2.0, 2 + 2 / 0.2 * 3, 2 + 2 / 0.2 * 0.5]
    found = interval_score(torch.tensor(lower), torch.tensor(upper), torch.tensor(true), 0.8)
    assert found.tolist() == pytest.approx(expected)


def test_the_density_is_that_of_scipy():
    head, said, true = Gaussian(COVERAGE).double(), drawn(0, 40, 2), drawn(1, 40)
    arranged = head.arrange(said, torch.full((40,), 3.0))
    plain = said.numpy()
    mean, scale = plain[:, 0] + 3, np.exp(-7 + np.log1p(np.exp(plain[:, 1] + 7)))
    np.testing.assert_allclose(head.loss(arranged, true), -norm.logpdf(true.numpy(), mean, scale), rtol=1e-9)
    np.testing.assert_allclose(head.point(arranged), mean, rtol=1e-12)
    for coverage, (lower, upper) in head.bands(arranged).items():
        expected = norm.interval(coverage, mean, scale)
        np.testing.assert_allclose(torch.stack([lower, upper]), np.stack(expected), rtol=1e-5, atol=1e-6)


def test_quantiles_never_cross_and_an_untrained_head_has_those_of_a_normal_density():
    head = Quantiles(COVERAGE).double()
    wild = head.arrange(10 * drawn(0, 100, 5), drawn(1, 100))
    assert (wild.diff(dim=-1) >= 0).all()
    still = head.arrange(torch.zeros(1, 5, dtype=torch.float64), torch.full((1,), 7.0))
    np.testing.assert_allclose(still[0], 7 + norm.ppf(head.levels))
    assert list(head.bands(wild)) == [0.5, 0.9]
    (inner_low, inner_high), (low, high) = head.bands(wild).values()
    assert bool((low <= inner_low).all() and (inner_low <= head.point(wild)).all())
    assert bool((head.point(wild) <= inner_high).all() and (inner_high <= high).all())


def test_sorting_never_makes_the_pinball_loss_larger():
    levels = torch.tensor(quantile_levels((0.5, 0.9)), dtype=torch.float64)
    said, true = drawn(0, 1000, 5), drawn(1, 1000)
    assert (pinball(said.sort(-1).values, true, levels) <= pinball(said, true, levels) + 1e-12).all()


class TwoSeries(SeriesData):
    """Two random walks of two targets, one a thousand times as large; one target of the second stands still."""

    def read(self) -> Description:
        values = np.random.default_rng(1).normal(size=(100, 2)).cumsum(0)
        values[60:] *= 1000
        values[60:, 1] = 7
        parts = np.concatenate([np.repeat([0, 1, 2], [30, 15, 15]), np.repeat([0, 1, 2], [20, 10, 10])])
        series = Series(values, np.array([60, 40]), parts, ["u", "v"], ["v", "u"], ["a", "b"])
        return self.forecasting(series, None)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "quantiles"])
def test_what_is_measured_of_intervals_is_a_plain_loop(kind, several):
    data = TwoSeries(lookback=6, horizon=HORIZON, eval_batch_size=4) if several else Walk("ca", eval_batch_size=4)
    module = task(Forecasting, data.description, intervals=kind, coverage=list(COVERAGE)).eval()
    found, split, rows = measure(module, data), data.splits["test"], []
    for row in range(len(split)):
        batch = split[torch.tensor([row])]
        with torch.no_grad():
            said = module.says(batch)[0].double()
            quantiles = module.density.quantiles(said).numpy()
        output, units = data.description.output, batch.units
        scale = units.scale[0].numpy() if units else np.array(output.scale)
        naive = units.naive_error[0].numpy() if units else np.array(output.naive_error)
        for step in range(HORIZON):
            for k in range(2):
                true, q = float(batch.y[0, step, k]), quantiles[step, k]
                losses = [
                    max(a * (true - b), (a - 1) * (true - b)) for a, b in zip(module.density.levels, q, strict=True)
                ]
                figures = {"pinball": np.mean(losses), "mse": (true - float(module.density.point(said)[step, k])) ** 2}
                for coverage, (low, high) in {0.5: (q[1], q[3]), 0.9: (q[0], q[4])}.items():
                    score = high - low + 2 / (1 - coverage) * (max(low - true, 0) + max(true - high, 0))
                    figures[f"coverage_{percent(coverage)}"] = low <= true <= high
                    figures[f"width_{percent(coverage)}_unit"] = (high - low) * scale[k]
                    figures[f"msis_{percent(coverage)}"] = score / naive[k] if naive[k] > 0 else np.nan
                rows.append(figures | {"window": row, "step": step + 1})
    table = pd.DataFrame(rows).astype(float)
    # In MSIS, as in MASE, a window is the mean over the targets whose naive error is known.
    expected = table.groupby("window").mean().mean().drop("step")
    assert {name: found[f"test/{name}"] for name in expected.index} == pytest.approx(expected.to_dict(), rel=1e-4)
    own_loss = {"gaussian": "nll", "quantiles": "pinball"}[kind]
    assert module.loss_name == own_loss
    assert found.keys() == {f"test/{name}" for name in (*module.declared, *module.neutral)}
    columns = module.tables["test"].columns()
    for metric in module.declared.values():
        assert columns[metric.numerator].sum() / columns[metric.denominator].sum() == pytest.approx(
            found[f"test/{metric.name}"], rel=1e-6
        )
    assert found["test/loss"] == found[f"test/{own_loss}"]
    by_step = pd.DataFrame(interval_table(module, data.loader("test")))
    for coverage in COVERAGE:
        here = by_step[by_step["coverage"] == coverage].set_index("step")
        for column, name in {"measured": "coverage_{}", "width": "width_{}_unit", "msis": "msis_{}"}.items():
            metric = name.format(percent(coverage))
            assert here.loc["all", column] == pytest.approx(found[f"test/{metric}"], rel=1e-5)
            of_steps = table.groupby(["window", "step"])[metric].mean().groupby("step").mean()
            np.testing.assert_allclose(here.loc[[1, 2, 3], column], of_steps, rtol=1e-4)


class AR1(SeriesData):
    """An autoregression of the first order whose noise is known; the mean of the next rows is known, too."""

    def read(self) -> Description:
        rng = np.random.default_rng(5)
        noise, values = rng.normal(scale=SIGMA, size=6000), np.zeros(6000)
        for row in range(1, 6000):
            values[row] = PHI * values[row - 1] + noise[row]
        parts = np.repeat([0, 1, 2], [2000, 2000, 2000])
        return self.forecasting(Series(values[:, None], np.array([6000]), parts, ["y"], ["y"]), None)


class TrueDensity(torch.nn.Module):
    """A network and a head that know the AR(1): its mean, phi^h y, and its deviation h rows ahead."""

    output_size, num_directions = 1, 1

    def __init__(self, steps: int, mean: float, scale: float) -> None:
        super().__init__()
        ahead = np.arange(1, steps + 1)
        self.shrink = torch.tensor(PHI**ahead)
        self.level = torch.tensor((1 - PHI**ahead) * -mean / scale)
        deviation = SIGMA * np.sqrt((1 - PHI ** (2 * ahead)) / (1 - PHI**2)) / scale
        self.log_scale = torch.tensor(np.log(np.expm1(np.log(deviation) + 7)) - 7)  # what the bound makes ln(deviation)

    def forward(self, x: Tensor, state: object = None) -> tuple[Tensor, None]:
        return x, None

    def head(self, last: Tensor) -> Tensor:
        """(batch, steps * 2): the change of the mean and the deviation, as the task's own head would give them."""
        mean = last * self.shrink + self.level
        return torch.stack([mean, self.log_scale.expand_as(mean)], -1).flatten(1)


def knowing(data: AR1, steps: int, **keywords: object) -> Forecasting:
    """A forecast that knows the truth."""
    output = data.description.output
    module = task(Forecasting, data.description, relative=False, intervals="gaussian", **keywords)
    truth = TrueDensity(steps, output.mean[0], output.scale[0])
    module.network, module.head = truth, type("Head", (torch.nn.Module,), {"forward": lambda _, x: truth.head(x)})()
    return module.eval()


def test_intervals_that_know_an_autoregression_hold_what_they_say():
    data = AR1(lookback=4, horizon=3)
    module = knowing(data, 3, coverage=[0.8, 0.95])
    apart = 40  # rows between windows, whose errors are then independent
    split = data.splits["test"]
    batch = split[torch.arange(0, len(split), apart)]
    with torch.no_grad():
        for coverage, (lower, upper) in bands(module, batch).items():
            inside = ((lower <= batch.y) & (batch.y <= upper)).double().mean((0, 2))
            error = math.sqrt(coverage * (1 - coverage) / len(batch.y))
            assert ((inside - coverage).abs() < 3.3 * error).all(), (coverage, inside)
    found = measure(module, data)
    assert found["test/coverage_80"] == pytest.approx(0.8, abs=0.03)
    expected = 0.5 * np.log(2 * np.pi * np.e) + np.mean(module.network.log_scale.numpy())
    assert found["test/nll"] == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("kind", ["gaussian", "quantiles"])
def test_a_head_learns_the_deviation_of_an_autoregression(kind):
    data = AR1(lookback=4, horizon=2, batch_size=64)
    module = task(Forecasting, data.description, scale=1, relative=False, intervals=kind, coverage=[0.8])
    optimizer = torch.optim.Adam(module.parameters())
    for rate in [0.01] * 8 + [0.001] * 4:
        optimizer.param_groups[0]["lr"] = rate
        for batch in data.train_dataloader():
            optimizer.zero_grad()
            module.reduce(module.losses(batch)).backward()
            optimizer.step()
    batch = data.splits["test"][torch.arange(0, 1900, 10)]
    with torch.no_grad():
        lower, upper = bands(module.eval(), batch)[0.8]
    width = (upper - lower).mean((0, 2)).numpy() * data.description.output.scale[0]
    np.testing.assert_allclose(width, 2 * norm.ppf(0.9) * SIGMA * np.sqrt([1, 1 + PHI**2]), rtol=0.06)
    assert measure(module, data)["test/coverage_80"] == pytest.approx(0.8, abs=0.04)


class Said(Forecasting):
    """A forecast of zeros, for windows that are nothing but their truth."""

    def says(self, batch: Batch) -> Tensor:
        return batch.x.new_zeros(*batch.y.shape, 1)


@pytest.mark.parametrize(("coverage", "windows"), [(0.8, 19), (0.9, 25), (0.5, 4)])
def test_calibrated_intervals_hold_new_exchangeable_values_as_often_as_they_say(coverage, windows):
    """1,000 calibrations on so few windows that the correction for their number is what decides."""
    module = task(Said, Walk("a").description, scale=1)
    rng, inside, new = np.random.default_rng(0), [], 20
    for _ in range(1000):
        truth = torch.from_numpy(rng.standard_t(3, size=(windows + new, HORIZON, 1)))
        first = Batch(torch.zeros(windows, 1, 1), truth[:windows], torch.ones(windows), torch.arange(windows))
        margin = calibrate(module, [first], [coverage]).margins[coverage]
        inside.append((truth[windows:].abs() <= margin).double().mean(0).numpy())
    found, error = np.mean(inside, 0), np.std(inside, 0) / math.sqrt(len(inside))
    assert (found >= coverage - 2 * error).all(), found
    assert (found <= coverage + 1 / (windows + 1) + 2 * error).all(), "and not more than they must"


def test_the_margin_is_an_order_statistic_by_row_ahead_and_target():
    data = Walk("ca", eval_batch_size=4)
    module = task(Forecasting, data.description).eval()
    found = calibrate(module, data.loader("val"), [0.6, 0.9])
    split = data.splits["val"]
    batch = split[torch.arange(len(split))]
    with torch.no_grad():
        scores = np.sort((module(batch) - batch.y).abs().numpy(), axis=0)
    for coverage, margin in found.margins.items():
        np.testing.assert_allclose(margin, scores[math.ceil((len(split) + 1) * coverage) - 1], rtol=1e-6)
    with torch.no_grad():
        (inner, (lower, upper)), point = bands(module, batch, found).values(), module(batch)
    np.testing.assert_allclose(lower, point - found.margins[0.9], rtol=1e-5)
    np.testing.assert_allclose(upper, point + found.margins[0.9], rtol=1e-5)
    assert (inner[0] >= lower).all()


def test_intervals_of_a_head_are_widened_or_narrowed_by_how_far_values_lie_outside():
    data = Walk(eval_batch_size=4)
    module = task(Forecasting, data.description, intervals="quantiles", coverage=[0.8]).eval()
    found = calibrate(module, data.loader("val"), [0.8])
    batch = data.splits["val"][torch.arange(len(data.splits["val"]))]
    with torch.no_grad():
        lower, upper = bands(module, batch)[0.8]
        scores = torch.maximum(lower - batch.y, batch.y - upper).sort(0).values
        calibrated = bands(module, batch, found)[0.8]
    margin = scores[math.ceil((len(batch.y) + 1) * 0.8) - 1]
    torch.testing.assert_close(found.margins[0.8], margin)
    torch.testing.assert_close(calibrated[0], lower - margin)
    torch.testing.assert_close(calibrated[1], torch.maximum(upper + margin, lower - margin))


def test_what_cannot_be_is_refused():
    data = Walk(eval_batch_size=4)
    module = task(Forecasting, data.description)
    with pytest.raises(UserError, match=r"conformal=0\.99 needs at least 99 validation windows, but there are 13"):
        calibrate(module, data.loader("val"), [0.99])
    head = task(Forecasting, data.description, intervals="gaussian", coverage=[0.8])
    with pytest.raises(
        UserError, match=r"conformal=0\.9 is not a coverage of the run's own .* task\.coverage=\[0\.8\]"
    ):
        calibrate(head, data.loader("val"), [0.9])
    with pytest.raises(UserError, match=r"task\.intervals needs forecasts made at once: use task\.strategy=direct"):
        task(Forecasting, data.description, intervals="gaussian", strategy="recursive")
    output = replace(data.description.output, known=(1,))
    with pytest.raises(UserError, match=r"data\.known needs forecasts made at once"):
        task(Forecasting, replace(data.description, output=output), strategy="recursive")


def test_a_head_without_intervals_has_the_numbers_that_it_always_had():
    assert Point().numbers == 1
    assert Point().bands(torch.zeros(1, 1)) == {}
    assert task(Forecasting, Walk().description).neutral == {}
