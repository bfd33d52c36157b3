"""The charts hold every number they were given, and both renderers draw what the charts hold."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from src.figures.canvas import save
from src.figures.chart import Axis, Chart, Dots, Estimate, Line, Region, Rule, Words, set_apart
from src.figures.comparison import Published, Row, differences, points
from src.figures.curves import band, cost, learning, lengths, profile, scores, tuning
from src.figures.interactive import specification
from src.figures.marks import Mark
from src.figures.palette import style, styles
from src.figures.ranks import ranks
from src.figures.scales import fit, log_ticks, padded
from src.figures.still import draw, inline

RUNS = {
    "gru": [Mark(8.5, "seed 0"), Mark(8.52, "seed 1"), Mark(8.47, "seed 2"), Mark(8.51, "seed 3")],
    "lstm": [Mark(8.6, "seed 0"), Mark(None, "seed 1 diverged"), Mark(8.63, "seed 2"), Mark(8.58, "seed 3")],
}
MEANS = {"gru": (8.5, 8.46, 8.54), "lstm": (8.603, 8.54, 8.67)}


def dots(chart: Chart, model: str, symbol: str | None = None) -> list[Dots]:
    return [d for d in chart.layers if isinstance(d, Dots) and d.model == model and d.symbol == symbol]


def of(chart: Chart, kind: type) -> list:
    return [layer for layer in chart.layers if isinstance(layer, kind)]


def test_every_run_is_a_point_in_the_column_of_its_model() -> None:
    chart = points("jsb", "test/nll", RUNS, MEANS, lower_is_better=True)
    assert chart.x.ticks == {0.0: "gru", 1.0: "lstm"}
    assert sorted(dots(chart, "gru")[0].y) == [8.47, 8.5, 8.51, 8.52]
    assert sorted(dots(chart, "lstm")[0].y) == [8.58, 8.6, 8.63]
    assert all(abs(x - 1) < 0.3 for x in dots(chart, "lstm")[0].x)
    assert [(e.model, e.value, e.low, e.high) for e in of(chart, Estimate)] == [(m, *MEANS[m]) for m in MEANS]


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_a_run_without_a_value_stands_at_the_worse_edge_and_is_named(lower_is_better: bool) -> None:
    chart = points("jsb", "test/nll", RUNS, MEANS, lower_is_better)
    (lost,) = dots(chart, "lstm", "X")
    assert lost.text == ["seed 1 diverged"]
    apart = 0.1 * (8.67 - 8.46)  # of the intervals, so that nobody takes it for a value
    assert (lost.y[0] > 8.67 + apart) == lower_is_better
    assert (lost.y[0] < 8.46 - apart) == (not lower_is_better)
    low, high = chart.y.range or (0, 0)
    assert low <= lost.y[0] <= high
    assert chart.notes == ["One run without a value is marked X at the edge."]


def test_an_outlier_does_not_press_the_others_together() -> None:
    far = {"gru": [*RUNS["gru"], Mark(11.2, "chance", hollow=True, outlier=True)]}
    chart = points("jsb", "test/nll", far, {}, lower_is_better=True)
    (edge,) = dots(chart, "gru", "^")
    assert edge.text == ["chance"]
    assert chart.y.range is not None
    assert chart.y.range[1] < 8.6
    assert "One run beyond the axis is marked by a triangle at the edge." in chart.notes


def test_outliers_that_are_many_are_shown_at_their_place() -> None:
    half = {"gru": [Mark(0.17, "", outlier=True)] * 3 + [Mark(5e-5, ""), Mark(6e-5, "")]}
    chart = points("adding", "test/mse", half, {}, lower_is_better=True)
    assert chart.y.log, "four orders of magnitude want a logarithmic axis"
    assert sorted(dots(chart, "gru")[0].y) == [5e-5, 6e-5, 0.17, 0.17, 0.17]


def test_published_figures_stand_in_their_columns_and_say_whether_they_are_confirmed() -> None:
    anchors = [
        Published("gru", 8.54, "Chung", confirmed=True),
        Published("lstm", 8.67, "Chung", confirmed=False, note="peepholes"),
        Published("tcn", 8.45, "Bai", confirmed=True),
        Published("gru", 3.1, "Far", confirmed=True),
    ]
    chart = points("jsb", "test/nll", RUNS, MEANS, True, {"unigram": 11.09}, anchors)
    rules = {rule.value: rule for rule in of(chart, Rule)}
    assert rules[8.54].extent is not None
    assert rules[8.54].extent[0] < 0 < rules[8.54].extent[1] < 0.5
    assert rules[8.54].dash == "--"
    assert rules[8.67].extent is not None
    assert rules[8.67].extent[0] > 0.5
    assert rules[8.67].dash == ":"
    assert rules[8.45].extent is None, "no column is about a TCN"
    assert [d.label for d in dots(chart, "", ">")] == ["Chung", "Chung (unconfirmed)"]
    assert "peepholes" in dots(chart, "", ">")[1].text[0]
    assert chart.notes[0] == "The trivial baseline (unigram, 11.09) is above the axis."
    (arrow,) = dots(chart, "", "v")
    assert chart.y.range is not None
    assert chart.y.range[0] <= arrow.y[0] < 8.46, "at the lower edge, below every run"
    assert [(w.x, w.y, w.text, w.below) for w in of(chart, Words)] == [(0.0, arrow.y[0], "3.1 Far", False)]
    note = next(a for a in specification(chart, {})["layout"]["annotations"] if a["text"] == "3.1 Far")
    assert (note["x"], note["y"]) == (0.0, pytest.approx(arrow.y[0], rel=1e-5))


def test_a_published_figure_off_the_axis_of_a_model_without_a_column_stands_at_the_right_end() -> None:
    chart = points("jsb", "test/nll", RUNS, MEANS, True, {}, [Published("tcn", 99.0, "Bai et al.", True)])
    assert [(w.text, w.below) for w in of(chart, Words)] == [("tcn 99 Bai", True)]
    assert of(chart, Words)[0].x == chart.x.range[1] - 0.1
    assert dots(chart, "", "^")[0].text == ["beyond the axis: tcn 99 Bai"]


def test_published_values_off_the_axis_stand_on_nothing() -> None:
    off = [Published(name, value, "Bai", True) for name, value in (("lstm", 3.1), ("lstm", 3.2), ("tcn", 3.0))]
    chart = points("", "test/nll", RUNS, MEANS, True, published=off)
    texts = {words.text for words in of(chart, Words)}
    assert texts == {"3.1 Bai\n3.2 Bai", "tcn 3 Bai\n\n"}, "the one at the right end is above those of the last column"
    lowest = min(min(d.y) for d in of(chart, Dots) if d.symbol == "v")
    runs = min(min(d.y) for d in of(chart, Dots) if d.symbol is None)
    assert chart.y.range is not None
    assert (runs - lowest) / (chart.y.range[1] - chart.y.range[0]) > 0.2, "three lines have room below the runs"


def test_a_baseline_within_reach_is_a_line() -> None:
    chart = points("jsb", "test/nll", RUNS, MEANS, True, {"markov": 8.75})
    assert [(r.value, r.label, r.extent) for r in of(chart, Rule)] == [(8.75, "trivial (markov) 8.75", None)]


@pytest.mark.parametrize("scale", [1.0, 1000.0])  # 1000: the axis is logarithmic
def test_the_label_of_a_baseline_stands_where_no_runs_are(scale: float) -> None:
    low, high = [Mark(v, "") for v in (0.9, 1.0, 1.1)], [Mark(scale * v, "") for v in (1.99, 2.0, 2.01)]
    means = {"good": (1.0, 0.9, 1.1), "bad": (scale * 2.0, scale * 1.99, scale * 2.01)}

    def at_end(runs: dict[str, list[Mark]]) -> bool:
        chart = points("", "test/mse", runs, means, True, {"mean": scale * 2.0})
        assert chart.y.log == (scale > 1 and low in runs.values())
        return of(chart, Rule)[0].at_end

    assert at_end({"bad": high, "good": low})
    assert not at_end({"good": low, "bad": high})
    assert at_end({"bad": high, "worse": high}), "over the last column if there is no free one"


def test_differences_show_every_pair_the_margin_and_zero() -> None:
    pairs = [Mark(0.1, "a"), Mark(0.05, "b"), Mark(None, "c"), Mark(-0.02, "d")]
    row = Row("gru", "lstm", pairs, 0.043, [("t", -0.1, 0.19), ("bootstrap", -0.12, 0.2)])
    chart = differences("jsb", "nats", [row], margin=0.04)
    assert [(r.low, r.high) for r in of(chart, Region)] == [(-0.04, 0.04)]
    assert [(r.value, r.horizontal) for r in of(chart, Rule)] == [(0.0, False)]
    assert sorted(dots(chart, "gru")[0].x) == [-0.02, 0.05, 0.1]
    assert [(e.low, e.high, e.thick) for e in of(chart, Estimate)] == [(-0.1, 0.19, True), (-0.12, 0.2, False)]
    assert chart.x.range is not None
    assert chart.x.range[0] <= -0.12
    assert chart.x.range[1] >= 0.2
    assert chart.notes == ["One pair without a value is not shown."]


def test_differences_keep_zero_and_the_margin_in_sight() -> None:
    row = Row("gru", "lstm", [Mark(0.5, ""), Mark(0.52, "")], 0.51, [("t", 0.4, 0.6)])
    low, high = differences("jsb", "nats", [row], margin=0.04).x.range or (9, 9)
    assert low < -0.04
    assert high > 0.52


def test_other_pairs_of_models_do_not_set_the_axis_of_the_primary_comparison() -> None:
    near = Row("gru", "lstm", [Mark(0.001, ""), Mark(-0.002, "")], -0.0005, [("t", -0.02, 0.02)])
    far = Row("rnn", "gru", [Mark(-0.9, ""), Mark(-0.8, "")], -0.85, [("t", -1.5, -0.2)], primary=False)
    chart = differences("adding", "mse", [near, far], margin=0.01)
    low, high = chart.x.range or (9, 9)
    assert -0.05 < low < -0.02
    assert 0.02 < high < 0.05
    assert "2 pairs beyond the axis are marked by a triangle at the edge." in chart.notes
    alone = differences("adding", "mse", [far], margin=0.01)
    assert (alone.x.range or (9, 9))[0] < -0.9


def test_a_band_of_curves_on_one_grid_is_their_quartiles() -> None:
    x = np.arange(5.0)
    ys = np.random.default_rng(0).normal(size=(9, 5))
    at, middle, low, high = band([(x, y) for y in ys])
    np.testing.assert_allclose(at, x)
    np.testing.assert_allclose(middle, np.median(ys, axis=0))
    np.testing.assert_allclose([low, high], np.quantile(ys, [0.25, 0.75], axis=0))


def test_a_band_goes_as_far_as_half_of_the_curves_and_one_that_ended_keeps_its_value() -> None:
    curves = [([0, 10], [1.0, 1.0]), ([0, 10], [2.0, 2.0]), ([0, 4], [3.0, 3.0]), ([0, 2], [9.0, float("nan")])]
    at, middle, _, _ = band(curves)
    assert at.tolist() == [0, 4, 10]
    assert middle.tolist() == [2.5, 2.5, 2.5]
    assert band([*curves, ([0], [1.0])])[0].tolist() == [0, 4], "only two of five reach 10"


def test_a_band_begins_where_all_curves_have_begun() -> None:
    at, middle, _, _ = band([([1, 5], [1.0, 1.0]), ([3, 5], [3.0, 3.0])])
    assert at.tolist() == [3, 5]
    assert middle.tolist() == [2, 2]


def test_a_line_between_points_that_lie_elsewhere_is_straight() -> None:
    at, middle, _, _ = band([([0, 4], [0.0, 4.0]), ([0, 1, 4], [0.0, 1.0, 4.0])])
    assert at.tolist() == [0, 1, 4]
    assert middle.tolist() == [0, 1, 4]


def test_learning_shows_the_end_of_the_curves_not_their_first_values() -> None:
    x = np.arange(100.0)
    curves = {"gru": [(x, 8 + 60 * np.exp(-x), f"run {i}") for i in range(3)]}
    chart = learning("jsb", "epoch", "val/nll", curves)
    assert chart.y.range is not None
    assert chart.y.range[1] < 9
    left_out = "The axis does not show all of the first tenth, where values are far larger or smaller."
    assert chart.notes == ["3 runs of each model.", left_out]
    assert [line.text for line in of(chart, Line) if line.solid] == [["run 0"], ["run 1"], ["run 2"]]
    assert [line.label for line in of(chart, Line) if len(line.low)] == ["gru"]


@pytest.mark.parametrize("epochs", [2, 3, 10, 12])
def test_no_tick_stands_between_two_epochs(epochs: int) -> None:
    x = np.arange(epochs + 1.0)
    chart = learning("", "epoch", "val/nll", {"gru": [(x, np.exp(-x), "run")]})
    ticks = draw([chart]).axes[0].get_xticks()
    assert [tick for tick in ticks if tick % 1] == []
    assert (specification(chart, styles(["gru"]))["layout"]["xaxis"].get("dtick") == 1) == (epochs < 5)
    seconds = learning("", "seconds", "val/nll", {"gru": [(x / 3, np.exp(-x), "run")]})
    assert "dtick" not in specification(seconds, styles(["gru"]))["layout"]["xaxis"]


def test_the_training_loss_has_an_entry_of_its_own_in_the_legend() -> None:
    x = np.arange(10.0)
    curves = {name: [(x, 8 + np.exp(-x), "run")] for name in ("gru", "lstm")}
    assert [line.label for line in of(learning("", "epoch", "val/nll", curves), Line) if line.label] == ["gru", "lstm"]
    chart = learning("", "epoch", "val/nll and train/nll", curves, curves)
    entries = [text.get_text() for text in draw([chart]).axes[0].get_legend().get_texts()]
    assert entries == ["thin: on training data"], "the models are named at the ends of their lines"
    named = [trace["name"] for trace in specification(chart, {})["data"] if trace["showlegend"]]
    assert named == ["thin: on training data"]
    entry = next(trace for trace in specification(chart, {})["data"] if trace["showlegend"])
    assert entry["x"] == [None], "plotly leaves out an entry without any point"


@pytest.mark.parametrize("models", [2, 4, 5])
def test_up_to_four_lines_are_named_at_their_ends(models: int) -> None:
    names = [f"gru_{i}" for i in range(models)]
    chart = lengths("adding", "length", "test/mse", {n: [(1.0, 0.1, 0.1, 0.1), (9.0, 0.1, 0.1, 0.2)] for n in names})
    panel = draw([chart]).axes[0]
    direct = [text.get_text() for text in panel.texts]
    if models > 4:
        assert not chart.at_ends()
        assert direct == []
        assert [text.get_text() for text in panel.get_legend().get_texts()] == names
    else:
        assert direct == names
        assert panel.get_legend() is None
        heights = sorted(chart.at_ends().values())
        assert all(0 <= height <= 1 for height in heights)
        assert np.diff(heights).min() > 0.07, "no name on another"
        layout = specification(chart, styles(names))["layout"]
        assert [note["text"] for note in layout["annotations"]] == names
        assert layout["meta"]["right"] == 7 * len(names[0])


def test_a_figure_in_a_page_is_as_wide_as_its_place_and_has_the_colours_of_the_page() -> None:
    chart = points("<jsb>", "test/nll", RUNS, MEANS, True)
    svg = inline(chart, styles(chart.models), "points-0", 4.0)
    opening = svg[: svg.index(">")]
    assert 'viewBox="0 0 ' in opening
    assert "width=" not in opening
    assert "height=" not in opening
    assert "var(--ink)" in svg
    assert "#1b1f24" not in svg
    assert "font-family" not in svg, "the page has its own"
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert ids
    assert all(name.startswith("points-0-") for name in ids)
    assert set(re.findall(r'href="#([^"]*)"', svg)) <= set(ids)
    assert set(re.findall(r"url\(#([^)]*)\)", svg)) <= set(ids)


def test_every_word_of_a_figure_is_seen_on_a_dark_page() -> None:
    for i, chart in enumerate(every_chart()):
        svg = inline(chart, styles(chart.models), f"chart-{i}", 3.0)
        texts = re.findall(r"<text [^>]*>", svg)
        assert texts
        assert all(re.search(r"fill: [^;\"]*var\(--(ink|faint)\)", text) for text in texts), "black, or a line's colour"
        beside = specification(chart, styles(chart.models))["layout"]["annotations"]
        assert all(str(note["font"]["color"]).startswith(("@ink", "@faint")) for note in beside)


def test_labels_keep_their_digits_where_positions_are_rounded() -> None:
    chart = differences("", "nats", [Row("gru", "lstm", [Mark(0.0012, ""), Mark(0.0048, "")], 0.003, [])], None)
    svg = inline(chart, styles(chart.models), "differences-0", 2.0)
    assert re.search(r">\+?0\.00[1-5]", svg), "the ticks of the axis"
    assert not re.search(r"\d\.\d{3,}", "".join(re.findall(r"<[^>]+>", svg)))


def test_the_label_of_x_stands_on_its_axis() -> None:
    chart = differences("", "nats", [Row("gru", "lstm", [Mark(0.1, "")], 0.1, [])], None)
    assert f">{chart.x.label}<" in inline(chart, styles(chart.models), "differences-0", 2.0)
    assert specification(chart, {})["layout"]["xaxis"]["title"]["text"] == chart.x.label


def test_a_row_needs_less_height_than_many() -> None:
    few, many = (
        draw([differences("", "", [Row(f"gru_{i}", "lstm", [Mark(0.1, "")], 0.1, []) for i in range(n)], None)])
        for n in (1, 9)
    )
    assert few.get_figheight() < 2.5 < 6 < many.get_figheight()


@pytest.mark.parametrize("low", [1e-7, 3e-5, 0.0013, 0.9, 40.0, 2e6])
@pytest.mark.parametrize("ratio", [1.5, 4.0, 21.0, 500.0, 1e9])
def test_a_logarithmic_axis_has_a_few_ticks_with_numbers(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 3 <= len(ticks) <= 7
    assert all(low <= value <= low * ratio for value in ticks)
    assert len(set(ticks.values())) == len(ticks)
    chart = Chart("", Axis("lr", True, (low, low * ratio)), Axis("loss"), [Line("gru", [low, low * ratio], [1, 2])])
    axis = draw([chart]).axes[0].xaxis
    assert [text.get_text() for text in axis.get_ticklabels(minor=True) if text.get_text()] == []
    assert [text.get_text() for text in axis.get_ticklabels()] == list(ticks.values())
    assert specification(chart, {})["layout"]["xaxis"]["ticktext"] == list(ticks.values())


def test_names_move_as_little_as_keeps_them_apart() -> None:
    at = set_apart({"gru": 0.5, "lstm": 0.52, "rnn": 0.48, "far": 0.1})
    assert at["far"] == pytest.approx(0.1)
    assert at["gru"] == pytest.approx(0.5)
    assert at["lstm"] - at["gru"] == pytest.approx(at["gru"] - at["rnn"]) == pytest.approx(0.075)
    edge = set_apart({"a": 1.0, "b": 1.0, "c": 0.99})
    assert max(edge.values()) == pytest.approx(1.0)
    assert sorted(edge, key=edge.__getitem__) == ["c", "a", "b"]


def test_tuning_marks_the_choice_and_keeps_diverged_trials() -> None:
    trials = {
        "gru": [
            *(Mark(8.5 + np.log10(x / 1e-3) ** 2, f"lr {x}", x=x) for x in (1e-4, 3e-4, 1e-3, 3e-3)),
            Mark(8.6, "repeat", hollow=True, x=1e-3),
            Mark(None, "lr 0.03", x=3e-2),
        ]
    }
    chart = tuning("jsb", "learning rate", "val/nll", trials, {"gru": 1e-3}, True, [(1e-5, 1e-4)])
    (choice,) = dots(chart, "gru", "o")
    assert (choice.x, choice.y) == ([1e-3], [pytest.approx(8.55)]), "the mean of the trial and its repeat"
    (lost,) = dots(chart, "gru", "X")
    assert lost.x == [3e-2]
    assert dots(chart, "gru")[0].hollow == [dots(chart, "gru")[0].text.index("repeat")]
    assert [(r.low, r.high, r.label) for r in of(chart, Region)] == [(1e-5, 1e-4, "range extended")]
    assert chart.x.log


def test_cost_shows_runs_and_medians() -> None:
    runs = {
        "gru": [Mark(8.5, "a", x=10.0), Mark(8.4, "b", hollow=True, x=30.0), Mark(8.6, "c", x=12.0), Mark(None, "d")]
    }
    chart = cost("jsb", "seconds", "test/nll", runs)
    single, median = dots(chart, "gru")
    assert (single.x, single.y, single.hollow) == ([10.0, 30.0, 12.0], [8.5, 8.4, 8.6], [1])
    assert (median.x, median.y) == ([12.0], [8.5])
    assert chart.notes == ["One run without a value or a cost is not shown."]


def test_a_heavy_line_joins_the_models_that_no_test_tells_apart() -> None:
    chart = ranks("ranks", {"rnn": 2.9, "gru": 1.2, "lstm": 1.9}, [["gru", "lstm"], ["lstm", "rnn"]])
    assert chart.y.ticks == {2.0: "gru", 1.0: "lstm", 0.0: "rnn"}
    assert {d.model: (d.x[0], d.y[0]) for d in of(chart, Dots)} == {"gru": (1.2, 2), "lstm": (1.9, 1), "rnn": (2.9, 0)}
    joins = [line for line in of(chart, Line) if not line.model]
    assert [(line.x, line.text) for line in joins] == [
        ([1.2, 1.9], ["not significantly different: gru, lstm"]),
        ([1.9, 2.9], ["not significantly different: lstm, rnn"]),
    ]
    stems = [line for line in of(chart, Line) if line.model]
    heights = {line.y[0] for line in joins}
    assert len(heights) == 2
    assert all(2 < height < stem.y[1] for height in heights for stem in stems), "above the rows, and crossed by stems"
    joined = [t for t in specification(chart, {})["data"] if t.get("text") == "not significantly different: gru, lstm"]
    assert [(t["x"], t["line"]["width"], t["line"]["dash"]) for t in joined] == [([1.2, 1.9], 4, "solid")]
    drawn = draw([chart]).axes[0].lines
    assert sum(line.get_linewidth() == 4 for line in drawn) == 2


def test_lengths_are_in_order() -> None:
    means = {"gru": [(400.0, 0.1, 0.0, 0.2), (100.0, 0.01, 0.0, 0.02)]}
    chart = lengths("adding", "length", "test/mse", means, {"constant": [(100.0, 0.17), (400.0, 0.17)]})
    assert [line.x for line in of(chart, Line)] == [[100.0, 400.0]] * 2
    assert [line.label for line in of(chart, Line)] == ["trivial (constant)", "gru"]


def test_an_axis_shows_its_core_whatever_else_there_is() -> None:
    assert fit("", [1.0, 2.0], [100.0]).range == pytest.approx((0.95, 2.05))
    assert fit("", [1.0, 2.0], [3.0]).range == pytest.approx((0.9, 3.1))
    assert fit("", [5.0], []).range is not None
    assert fit("", []).range is not None
    assert padded(True, 1.0, 100.0)[0] == pytest.approx(10**-0.1)


def every_chart() -> list[Chart]:
    x = [0.0, 1.0, 2.0]
    row = Row("gru", "lstm", [Mark(0.1, "<b>pair</b>"), Mark(0.2, "")], 0.15, [("t", 0.05, 0.25)])
    return [
        points("points", "test/nll", RUNS, MEANS, True, {"markov": 8.7}, [Published("tcn", 8.45, "Bai", True)]),
        differences("differences", "nats", [row], 0.1),
        learning("learning", "epoch", "val/nll", {"gru": [(x, [3.0, 2.0, 1.0], "run")] * 2}),
        tuning("tuning", "learning rate", "val/nll", {"gru": [Mark(8.5, "", x=1e-3)]}, {"gru": 1e-3}, True),
        cost("cost", "seconds", "test/nll", {"lstm": [Mark(8.5, "", x=1.0), Mark(8.4, "", x=200.0)]}),
        lengths("lengths", "length", "test/mse", {"gru": [(1.0, 0.5, 0.4, 0.6), (9.0, 0.7, 0.6, 0.8)]}),
        scores("scores", "score", {"gru": (0.9, 0.8, 1.0)}),
        profile("profile", "score", [0.0, 0.5, 1.0], {"gru": [1.0, 0.5, 0.0]}),
    ]


def test_still_pictures_hold_every_title_and_label(tmp_path: Path) -> None:
    svg, png = save(draw(every_chart(), columns=3), tmp_path / "all")
    text = svg.read_text()
    for chart in every_chart():
        assert f">{chart.title}<" in text
        assert not chart.x.label or f">{chart.x.label}<" in text
    assert style("gru").colour.lower() in text
    assert png.read_bytes().startswith(b"\x89PNG")


def test_every_specification_is_one_that_plotly_knows() -> None:
    go = pytest.importorskip("plotly.graph_objects")
    paint = {"@ink": "#000", "@faint": "#777", "@page": "#fff"}

    def painted(value):  # type: ignore[no-untyped-def]
        if isinstance(value, dict):
            return {k: painted(v) for k, v in value.items()}
        if isinstance(value, list):
            return [painted(v) for v in value]
        return paint.get(value, value.removeprefix("@ink ")) if isinstance(value, str) else value

    for chart in every_chart():
        figure = go.Figure(painted(specification(chart, styles(chart.models))))  # raises on a key it does not know
        assert len(figure.data) >= len(of(chart, Dots)) + len(of(chart, Line)) + len(of(chart, Estimate))


def test_a_key_that_plotly_does_not_know_is_seen() -> None:
    go = pytest.importorskip("plotly.graph_objects")
    with pytest.raises(ValueError, match="Invalid property"):
        go.Figure({"data": [{"type": "scatter", "colour": "red"}]})


def test_words_in_hovering_are_no_markup() -> None:
    chart = differences("", "", [Row("a<b>", "b", [Mark(0.1, "<a href='x'>")], 0.1, [])], None)
    text = str(specification(chart, {}))
    assert "<a href" not in text
    assert "a<b>" not in text
    assert "&lt;a href" in text


def test_logarithmic_axes_have_plotlys_units() -> None:
    chart = Chart("", Axis("x", log=True, range=(0.01, 100.0)), Axis("y", log=True), [Rule(100.0, "here")])
    layout = specification(chart, {})["layout"]
    assert layout["xaxis"]["range"] == [-2, 2]
    assert layout["shapes"][0]["y0"] == 100.0, "shapes are placed by value"
    assert layout["annotations"][0]["y"] == 2.0, "annotations by its logarithm"


def test_a_long_label_stays_beside_its_panel() -> None:
    label = "test/nll (nats per sequence, smaller is better)"
    chart = Chart("", Axis("epoch"), Axis(label), [Line("gru", [0, 1], [1, 2])], ["A note. " * 60])
    figure = draw([chart])
    figure.draw_without_rendering()
    (panel,) = [axes for axes in figure.axes if axes.axison]
    place = panel.yaxis.label.get_window_extent()
    assert panel.get_ylabel().replace("\n", " ") == label
    assert 0 <= place.y0 < place.y1 <= figure.get_size_inches()[1] * figure.dpi


@pytest.mark.parametrize("number", [2, 9])
def test_names_of_many_models_do_not_overlap(number: int) -> None:
    """Level names by their boxes; slanted ones by where they end, since their boxes overlap and they do not."""
    names = ["gru", *(f"gru_variant_{i}" for i in range(number - 1))]
    figure = draw([points("ucr", "test/nll", dict.fromkeys(names, RUNS["gru"]), {}, lower_is_better=True)])
    figure.draw_without_rendering()
    (panel,) = [axes for axes in figure.axes if axes.axison]
    labels = panel.get_xticklabels()
    boxes = [label.get_window_extent() for label in labels]
    slanted = number > 2
    assert {label.get_rotation() for label in labels} == {30.0 if slanted else 0.0}
    ends = [box.x1 for box in boxes] if slanted else [box.x0 for box in boxes[1:]]
    assert all(a + labels[0].get_fontsize() < b for a, b in itertools.pairwise(ends))
    assert slanted or boxes[0].x1 < boxes[1].x0
