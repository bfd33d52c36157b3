"""The pictures of the inside show the numbers they are given, in the colours of the models, with named axes."""

from dataclasses import replace

import numpy as np
import pytest

from src.figures.forecast import Window, draw_forecast, draw_forecast_error
from src.figures.gate_maps import Column, draw_gates
from src.figures.gradients import QUANTITIES, WHEN, band, draw_along_training, draw_gradients
from src.figures.inputs import Shown
from src.figures.memory_horizon import Share, draw_memory
from src.figures.palette import style, styles
from src.figures.piano_roll import draw_piano_roll
from src.figures.units import draw_horizons, draw_saturation

RNG = np.random.default_rng(0)


def visible(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def assert_named(figure):
    """Every column has a name below it and every row one beside it, and nothing is cut."""
    figure.canvas.draw()
    panels = [axes for axes in visible(figure) if axes.get_label() != "<colorbar>"]
    assert any(axes.get_xlabel() for axes in panels)
    assert any(axes.get_ylabel() for axes in panels)
    drawn = figure.get_tightbbox()  # inches
    assert min(drawn.x0, drawn.y0) > -0.02, "something leaves the figure"
    assert drawn.x1 < figure.get_figwidth() + 0.02, "something leaves the figure"
    assert drawn.y1 < figure.get_figheight() + 0.02, "something leaves the figure"


def gru(steps=9, units=5):
    return {name: RNG.random((steps, units)) for name in ("reset", "update", "candidate", "hidden")}


def lstm(steps=9, units=4):
    names = ("input", "forget", "output", "candidate", "cell", "hidden")
    return {name: RNG.random((steps, units)) for name in names}


@pytest.mark.parametrize("shown", [
    Shown("lines", RNG.random((9, 2)), "step", "input", ("value", "marker")),
    Shown("heat", RNG.random((9, 12)), "step", "input"),
    Shown("wave", RNG.random((9, 3)), "step", "sample"),
    Shown("roll", (RNG.random((9, 88)) < 0.1).astype(float), "step (frame)", "key"),
    Shown("roll", np.zeros((9, 88)), "step (frame)", "key"),
    Shown("tokens", np.zeros(9), "step (word)", "", ("a", " ", "\n", "word", "e", "f", "g", "h", "i")),
], ids=lambda shown: shown.kind)  # fmt: skip
def test_gates_stand_below_what_moved_them(shown):
    values = gru(), lstm()
    figure = draw_gates(
        [Column("gru", shown, values[0], [3, 1, 0, 2, 4], "1 keeps"), Column("lstm", shown, values[1])], "title"
    )
    assert_named(figure)
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    labels = [axes.get_ylabel().partition("\n")[0] for axes in panels if axes.get_ylabel()]
    assert len(panels) == 1 + 4 + 6, "what was read once, then every gate and state, and no empty cell"
    assert {bar.get_ylabel() for bar in bars} <= {"opening", "value", "value (std)"}
    assert len(bars) == 10 + (shown.kind == "heat")
    for name in ("update gate", "reset gate", "forget gate", "input gate", "output gate", "cell", "hidden state"):
        assert name in labels
    images = {axes.get_ylabel(): axes.images[0] for axes in figure.axes if "gate" in axes.get_ylabel()}
    image = images["update gate\n(1 keeps)\n5 units"]
    np.testing.assert_allclose(image.get_array(), values[0]["update"][:, [3, 1, 0, 2, 4]].T)
    assert image.get_clim() == (0, 1)
    titles = {axes.get_title(loc="left"): axes.title for axes in figure.axes}
    assert {"gru", "lstm"} <= titles.keys()
    other = replace(shown, steps="other", values=shown.values + 1, names=tuple(f"{n}!" for n in shown.names))
    apart = draw_gates([Column("gru", shown, values[0]), Column("lstm", other, values[1])], "title")
    assert sum(axes.get_label() != "<colorbar>" for axes in apart.axes) == 12, "two sequences are both drawn"


def test_features_have_their_names() -> None:
    shown = Shown("heat", RNG.random((9, 30)), "step", "input", tuple(f"sensor {k}" for k in range(30)))
    axes = draw_gates([Column("gru", shown, gru())], "title").axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [f"sensor {k}" for k in range(0, 30, 2)]


def test_memory_is_joined_and_named_at_the_ends() -> None:
    shares = {m: [Share(n, k, 5, 0.1, 0.9) for n, k in ((30, 5), (60, 2))] for m in ("gru", "lstm")}
    figure = draw_memory({"Adding": shares}, "a test loss below 10 %")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["gru", "lstm"]
    assert not figure.legends
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2]
    assert [line.get_ydata().tolist() for line in lines] == [[1.0, 0.4]] * 2
    assert all(line.get_linestyle() != "None" for line in lines)
    assert axes.get_ylabel() == "share of runs that solve the task"
    assert figure.get_supxlabel() == "Solved: a test loss below 10 %. Bars: 95 % interval (Wilson), 5 runs each."
    many = draw_memory({"Adding": {f"gru_{k}": shares["gru"] for k in range(5)}}, "it")
    assert len(many.legends) == 1


def test_gradients_are_medians_in_the_colours_of_the_models():
    curves = {
        m: {w: {q: np.exp(-RNG.random((7, 20)).cumsum(1)) for q in QUANTITIES} for w in WHEN} for m in ("gru", "lstm")
    }
    figure = draw_gradients(curves, "title")
    assert_named(figure)
    for row, quantity in enumerate(QUANTITIES):
        for column, when in enumerate(WHEN):
            axes = figure.axes[2 * row + column]
            lines = {line.get_label(): line for line in axes.lines}
            for model in curves:
                np.testing.assert_allclose(lines[model].get_ydata(), band(curves[model][when][quantity])[1])
                assert lines[model].get_color() == style(model).colour
            assert axes.get_yscale() == "log"


def test_a_network_without_a_gradient_has_no_curve():
    curves = {"gru": {WHEN[0]: {"loss": np.full((3, 4), np.nan)}, WHEN[1]: {"loss": np.ones((3, 4))}}}
    figure = draw_gradients(curves, "title")
    assert [line.get_label() for line in figure.axes[0].lines if not line.get_label().startswith("_")] == []


def test_every_unit_is_a_point():
    shares = {"reset": (RNG.random(6), RNG.random(6)), "update": (RNG.random(6), RNG.random(6))}
    figure = draw_saturation({"gru": [("layer0", shares), ("layer1", shares)]}, 0.05, 0.95, "jsb/test")
    assert_named(figure)
    assert figure.get_suptitle() == "jsb/test, a point for each unit"
    points = figure.axes[1].lines[0]
    np.testing.assert_array_equal(points.get_xdata(), shares["update"][0])
    np.testing.assert_array_equal(points.get_ydata(), shares["update"][1])
    assert figure.axes[0].get_xlabel() == "share of steps below 0.05"


def test_horizons_are_counted_from_the_longest():
    before, after = np.array([4.0, 2.0]), np.array([1.0, 8.0, 2.0, 4.0])
    figure = draw_horizons({"gru": [("layer0", before, after)]}, "jsb/test")
    assert_named(figure)
    assert figure.get_suptitle() == "Layer 0, jsb/test"
    thin, thick = figure.axes[0].lines
    assert thick.get_xdata().tolist() == [8, 4, 2, 1]
    assert thick.get_ydata().tolist() == [0.25, 0.5, 0.75, 1]
    assert thin.get_linewidth() < thick.get_linewidth()


def test_intervals_are_bands_around_their_forecast():
    seen, truth, middle = RNG.random((6, 2)), RNG.random((3, 2)), RNG.random((3, 2))
    bands = {coverage: (middle - width, middle + width) for coverage, width in ((0.8, 1.0), (0.95, 2.0))}
    window = Window(seen, truth, middle, ("load", "oil"), bands=bands)
    figure = draw_forecast({"gru": window}, "title")
    assert_named(figure)
    for k, axes in enumerate(figure.axes):
        wide, narrow = axes.collections
        for drawn, (coverage, width) in ((narrow, (80, 1.0)), (wide, (95, 2.0))):
            assert drawn.get_label() == f"gru, {coverage} %"
            corners = drawn.get_paths()[0].vertices
            for row in range(3):
                ends = corners[corners[:, 0] == row + 1][:, 1]
                assert (ends.min(), ends.max()) == pytest.approx((middle[row, k] - width, middle[row, k] + width))


def test_along_training_darkens():
    figure = draw_along_training({"gru": ([0, 1, 4], [np.ones(5), np.ones(5) / 2, np.ones(5) / 4])}, "title")
    assert_named(figure)
    assert [line.get_alpha() for line in figure.axes[0].lines] == sorted(
        line.get_alpha() for line in figure.axes[0].lines
    )


def test_forecasts_stand_beside_truth_and_naive():
    seen, truth = RNG.random((6, 2)), RNG.random((3, 2))
    windows = {m: Window(seen, truth, RNG.random((3, 2)), ("load", "oil")) for m in ("gru", "lstm")}
    figure = draw_forecast(windows, "title")
    assert_named(figure)
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    np.testing.assert_array_equal(lines["truth"].get_ydata(), truth[:, 1])
    np.testing.assert_array_equal(lines["naive"].get_ydata(), [seen[-1, 1]] * 3)
    np.testing.assert_array_equal(lines["lstm"].get_ydata(), windows["lstm"].forecast[:, 1])
    assert lines["lstm"].get_color() == styles(windows)["lstm"].colour
    assert figure.axes[1].get_xlabel() == "rows from the start of the forecast"
    assert not figure.axes[1].collections
    days = tuple(f"2024-01-{day:02}" for day in range(1, 10))
    dated = draw_forecast({name: replace(made, times=days, series="Ada") for name, made in windows.items()}, "title")
    assert dated.get_suptitle() == "title, series Ada"
    axes = dated.axes[1]
    assert axes.get_xlabel() == "time"
    assert axes.get_ylabel() == "oil\n(in its own unit)"
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["2024-01-01", "2024-01-04", "2024-01-06", "2024-01-09"]
    assert axes.get_xticks().tolist() == [-5, -2, 0, 3], "the last row seen stands at 0"
    figure = draw_forecast_error({"gru": np.array([1.0, 2, 3])}, np.array([2.0, 3, 4]))
    assert_named(figure)
    assert figure.axes[0].lines[1].get_xdata().tolist() == [1, 2, 3]


def test_a_piano_roll_shows_every_note_once():
    roll = np.zeros((10, 88))
    roll[2:5, 40] = roll[4:9, 47] = roll[7, 40] = 1
    figure = draw_piano_roll(roll, 4, "gru")
    assert_named(figure)
    spans = [path.get_extents().bounds for bars in figure.axes[0].collections for path in bars.get_paths()]
    # The note that sounds on past the primer has a part of each colour.
    assert sorted((round(x, 1), round(y + 0.4)) for x, y, _, _ in spans) == [(1.5, 40), (3.5, 40), (3.5, 47), (6.5, 40)]
