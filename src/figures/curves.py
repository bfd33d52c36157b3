"""Charts of learning, tuning, cost, and along a setting, from numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from src.figures.chart import Axis, Chart, Dots, Estimate, Layer, Line, Region
from src.figures.marks import Mark, are, at_edge, count, dots, edge_notes, short, split, usual, values_of
from src.figures.scales import LOG_FROM, fit, padded

SINGLE_LINES = 20  # thin lines of single runs per model; the band covers all runs
POINTS = 120  # of a band at most

Series = tuple[Sequence[float], Sequence[float], str]  # x ascending, y, words


def learning(
    title: str,
    x_label: str,
    y_label: str,
    curves: Mapping[str, Sequence[Series]],
    training: Mapping[str, Sequence[Series]] | None = None,
) -> Chart:
    """Chart the median curve of every model's runs with a band for the middle half of them, and single runs.

    Args:
        x_label: epochs, or seconds of training.
        y_label: of the metric on validation.
        curves: by model, one for each run.
        training: the same on the training data; a thin median without a band, with one entry in the legend.
    """
    layers: list[Layer] = []
    bands = {name: band([(x, y) for x, y, _ in runs]) for name, runs in curves.items() if runs}
    widest = max((float(b[0][-1]) for b in bands.values() if len(b[0])), default=1.0)
    for name, runs in curves.items():
        for x, y, words in runs[:SINGLE_LINES]:
            layers.append(Line(name, list(x), list(y), text=[words], width=0.7, opacity=0.25, solid=True))
    below: list[float] = []
    taught = False
    for name, runs in (training or {}).items():
        at, middle, _, _ = band([(x, y) for x, y, _ in runs])
        if len(at):
            words = f"{name}, training data"
            layers.append(Line(name, at.tolist(), middle.tolist(), text=[words], width=0.9, opacity=0.8))
            taught = True
            below += middle[at >= 0.5 * at[-1]].tolist()
    for name, (at, middle, low, high) in bands.items():
        layers.append(Line(name, at.tolist(), middle.tolist(), low.tolist(), high.tolist(), label=name))
    if taught:
        layers.append(Line("", [], [], width=0.9, solid=True, label="thin: on training data"))
    late = [v for x, _, low, high in bands.values() for v in (*low[x >= 0.1 * widest], *high[x >= 0.1 * widest])]
    every = [v for _, _, low, high in bands.values() for v in (*low, *high)]
    axis = fit(y_label, late or every, below)
    low_end, high_end = axis.range or (0.0, 1.0)
    left_out = any(not low_end <= v <= high_end for v in every)
    numbers = {name: len(of) for name, of in curves.items() if of}
    each = ", ".join(f"{name} {number}" for name, number in numbers.items())
    same = len(set(numbers.values())) == 1
    notes = [f"{count(max(numbers.values()), 'run')} of each model." if same else f"Runs: {each}."] if numbers else []
    if left_out:
        notes.append("The axis does not show all of the first tenth, where values are far larger or smaller.")
    whole = all(float(v).is_integer() for runs in curves.values() for x, _, _ in runs for v in x)
    return Chart(title, Axis(x_label, range=(0.0, 1.02 * widest), whole=whole), axis, layers, notes)


def band(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[np.ndarray, ...]:
    """Return median and quartiles of curves with points at different x.

    Args:
        curves: (x, y) of each, x ascending; values that are not finite are skipped. Between its points a curve is a
        straight line, and after its last point it keeps that value, so that runs that end early do not leave the median
        to the others.

    Returns:
        x, median, lower quartile, upper quartile: from where all curves have begun to where at least half of them end.
    """
    clean = []
    for x, y in curves:
        pair = np.array([x, y], float)
        pair = pair[:, np.isfinite(pair).all(axis=0)]
        if pair.shape[1]:
            clean.append(pair)
    if not clean:
        return (np.zeros(0),) * 4
    grid = np.unique(np.concatenate([c[0] for c in clean]))
    if len(grid) > POINTS:
        early = np.geomspace(1, 10, 15) / 100 * grid[-1]
        grid = np.unique(np.concatenate([np.linspace(grid[0], grid[-1], POINTS - 15), early[early >= grid[0]]]))
    begun = max(c[0][0] for c in clean)
    going = sum((c[0][-1] >= grid).astype(int) for c in clean)
    grid = grid[(grid >= begun) & (going >= len(clean) / 2)]
    values = np.array([np.interp(grid, c[0], c[1]) for c in clean])
    low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
    return grid, middle, low, high


def tuning(
    title: str,
    x_label: str,
    y_label: str,
    trials: Mapping[str, Sequence[Mark]],
    chosen: Mapping[str, float],
    lower_is_better: bool,
    extended: Sequence[tuple[float, float]] = (),
    log: bool = True,
) -> Chart:
    """Chart validation against one tuned setting: every trial, the line through the means of the draws, the choice.

    Args:
        x_label: the setting.
        y_label: the metric on validation.
        trials: by model, `Mark.x` the setting.
        chosen: by model: the setting of its final runs.
        lower_is_better: decides at which edge runs without a value are drawn.
        extended: intervals added to the range.
        log: the setting was drawn on a logarithmic scale.
    """
    sign = 1 if lower_is_better else -1
    values = sign * np.array([v for marks in trials.values() for v in values_of(marks)] or [0.0])
    near = sign * values[values <= values.min() + 3 * (np.median(values) - values.min())]
    best = [sign * min(sign * v for v in values_of(marks)) for marks in trials.values() if values_of(marks)]
    axis = fit(y_label, [*near.tolist(), *best])
    low, high = axis.range or (0.0, 1.0)
    worst = high if lower_is_better else low
    layers: list[Layer] = [Region(a, b, "range extended" if i == 0 else "") for i, (a, b) in enumerate(extended)]
    lost = outside = 0
    for name, marks in trials.items():
        inside, far, none = split(sorted(marks, key=lambda m: m.x), low, high)
        lost, outside = lost + len(none), outside + len(far)
        draws = sorted({m.x for m in marks if m.value is not None})
        through = [float(np.mean([m.value for m in marks if m.x == x and m.value is not None])) for x in draws]
        layers.append(Line(name, draws, through, width=1.2, opacity=0.7, label=name))
        layers.append(dots(name, inside))
        for outer, symbol in ((far, "^" if lower_is_better else "v"), (none, "X")):
            layers += at_edge(name, outer, [m.x for m in outer], worst, symbol)
        if name in chosen and draws:
            at = float(np.clip(np.interp(chosen[name], draws, through), low, high))
            words = [f"{name}\nchosen: {short(chosen[name])}"]
            layers.append(Dots(name, [chosen[name]], [at], words, [0], "o", 13))
    shown = Axis(y_label, axis.log, padded(axis.log, low, high, 0.02))
    tried = [m.x for marks in trials.values() for m in marks] + [end for ends in extended for end in ends] or [1.0]
    x_axis = Axis(x_label, log, padded(log, min(tried), max(tried)))
    return Chart(title, x_axis, shown, layers, edge_notes(lost, outside))


def cost(title: str, x_label: str, y_label: str, runs: Mapping[str, Sequence[Mark]]) -> Chart:
    """Chart the quality of every run against its cost, with each model's medians.

    Args:
        x_label: the cost, with its unit.
        y_label: the metric.
        runs: by model, `Mark.x` the cost; a run without a value or a cost is counted in a note.
    """
    known = {name: [m for m in marks if math.isfinite(m.x)] for name, marks in runs.items()}
    core = [v for marks in known.values() for v in usual(marks)]
    axis = fit(y_label, core, [v for marks in known.values() for v in values_of(marks)])
    low, high = axis.range or (0.0, 1.0)
    layers: list[Layer] = []
    costs: list[float] = []
    lost = sum(len(runs[name]) - len(marks) for name, marks in known.items())
    outside = 0
    for name, marks in known.items():
        inside, far, none = split(marks, low, high)
        lost, outside = lost + len(none), outside + len(far)
        if not inside:
            continue
        layers.append(runs_of := dots(name, inside, opacity=0.6))
        costs += runs_of.x
        at, level = float(np.median(runs_of.x)), float(np.median(runs_of.y))
        many = f"median of {count(len(inside), 'run').lower()}"
        words = f"{name}\n{many}\n{x_label}: {short(at)}\n{y_label}: {short(level)}"
        layers.append(Dots(name, [at], [level], [words], size=10, label=name))
    notes = [f"{count(lost, 'run')} without a value or a cost {are(lost)} not shown."] if lost else []
    notes += [f"{count(outside, 'run')} beyond the axis {are(outside)} not shown."] if outside else []
    least, most = (min(costs), max(costs)) if costs else (0.0, 1.0)
    log = least > 0 and most / least > LOG_FROM
    return Chart(title, Axis(x_label, log, padded(log, least, most, 0.12)), axis, layers, notes)


def lengths(
    title: str,
    x_label: str,
    y_label: str,
    means: Mapping[str, Sequence[tuple[float, float, float, float]]],
    baselines: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Chart:
    """Chart the metric against a setting that the study varies, such as sequence length.

    Args:
        x_label: the setting.
        y_label: the metric.
        means: by model: (setting, mean, low, high) of its runs; low and high equal the mean without an interval.
        baselines: by name: (setting, value).
    """
    layers: list[Layer] = []
    for name, pairs in (baselines or {}).items():
        ordered = sorted(pairs)
        words = f"trivial ({name})"
        layers.append(Line("", [x for x, _ in ordered], [y for _, y in ordered], text=[words], width=1, label=words))
    for name, rows in means.items():
        x, y, low, high = (list(column) for column in zip(*sorted(rows), strict=True))
        texts = [
            f"{name}\n{x_label}: {short(at)}\nmean {short(mean)}"
            + (f"\n95 % interval {short(a)} to {short(b)}" if a < b else "")
            for at, mean, a, b in sorted(rows)
        ]
        layers.append(Line(name, x, y, low, high, texts, label=name))
        layers.append(Dots(name, x, y, texts))
    every = [v for rows in means.values() for row in rows for v in row[1:]]
    axis = fit(y_label, every, [v for pairs in (baselines or {}).values() for _, v in pairs])
    settings = sorted({row[0] for rows in means.values() for row in rows}) or [1.0]
    log = settings[0] > 0 and settings[-1] / settings[0] >= 8
    return Chart(title, Axis(x_label, log, padded(log, settings[0], settings[-1])), axis, layers)


def scores(title: str, label: str, means: Mapping[str, tuple[float, float, float]]) -> Chart:
    """Chart one mean with its interval per model, along x.

    Args:
        label: of the scores.
        means: by model: mean, low, high.
    """
    layers: list[Layer] = []
    ticks = {}
    for i, (name, (mean, low, high)) in enumerate(means.items()):
        at = float(len(means) - 1 - i)
        ticks[at] = name
        words = f"{name}\n{short(mean)}\n95 % interval {short(low)} to {short(high)}"
        layers.append(Estimate(name, at, mean, low, high, True, words))
    axis = fit(label, [v for ends in means.values() for v in ends])
    return Chart(title, Axis(label, range=axis.range), Axis("", range=(-0.5, len(means) - 0.5), ticks=ticks), layers)


def profile(title: str, label: str, thresholds: Sequence[float], shares: Mapping[str, Sequence[float]]) -> Chart:
    """Chart the share of runs with a score above a threshold (Agarwal et al. 2021, a performance profile).

    Args:
        label: of the scores.
        thresholds: ascending.
        shares: by model, one for each threshold.
    """
    layers: list[Layer] = []
    for name, values in shares.items():
        texts = [
            f"{name}\n{100 * v:.0f} % of the runs above {short(t)}" for t, v in zip(thresholds, values, strict=True)
        ]
        layers.append(Line(name, list(thresholds), list(values), text=texts, label=name))
    return Chart(title, Axis(label), Axis("share of the runs above it", range=(-0.02, 1.02)), layers)
