"""Charts of a comparison, from numbers: every run, and the paired differences.

This module knows no records or statistics: everything comes as numbers and text. Learning, tuning and cost are in
`src.figures.curves`; `src.figures.still` and `src.figures.interactive` draw the charts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from src.figures.chart import Axis, Chart, Dots, Estimate, Layer, Region, Rule, Words
from src.figures.marks import Mark, are, at_edge, count, dots, edge_notes, short, split, spread, usual, values_of
from src.figures.palette import family
from src.figures.scales import beyond, fit, padded

LABEL = 0.06  # of the height of the axes: how far a label reaches above its line


@dataclass(frozen=True)
class Published:
    """A published result."""

    model: str  # as its authors call it
    value: float  # in the unit of the axis
    source: str  # authors and year
    confirmed: bool  # read in the source itself
    note: str = ""  # what differs

    @property
    def doubt(self) -> str:
        """What is added wherever the result is mentioned."""
        return "" if self.confirmed else " (unconfirmed)"


@dataclass(frozen=True)
class Row:
    """One pair of models, A and B, in the chart of differences."""

    a: str
    b: str
    pairs: Sequence[Mark]  # differences, positive if A is better; None if a run of the pair has no value
    mean: float | None  # of the differences; None: too few pairs
    intervals: Sequence[tuple[str, float, float]]  # (level and method, low, high), the one that the verdict uses first
    primary: bool = True  # the axis shows its pairs; those of others only as far as they do not compress it


def points(
    title: str,
    label: str,
    runs: Mapping[str, Sequence[Mark]],
    means: Mapping[str, tuple[float, float, float]],
    lower_is_better: bool,
    baselines: Mapping[str, float] | None = None,
    published: Sequence[Published] = (),
) -> Chart:
    """Chart every run's value in a column per model, means with intervals, published results and baselines.

    Args:
        label: of the metric, with the unit.
        runs: by model.
        means: mean and interval by model.
        lower_is_better: decides at which edge runs without a value are drawn.
        baselines: results of trivial predictors by name.
        published: published results, in the columns of their models.
    """
    trivial = dict(baselines or {})
    column = {name: float(i) for i, name in enumerate(runs)}
    ends = [end for mean in means.values() for end in mean]
    every = [v for marks in runs.values() for v in values_of(marks)]
    core = [v for marks in runs.values() for v in usual(marks)] or every or [p.value for p in published]
    axis = fit(label, core, [*ends, *every, *(p.value for p in published), *trivial.values()])
    low, high = axis.range or (0.0, 1.0)
    layers, notes = _baselines(trivial, axis.log, low, high, list(runs.values()))
    layers += _published(published, column, low, high, notes)
    splits = {name: split(marks, low, high) for name, marks in runs.items()}
    inner = low, high
    if any(outside or none for _, outside, none in splits.values()):
        edge = beyond(axis.log, low, high) if lower_is_better else beyond(axis.log, high, low)
        low, high = min(low, edge), max(high, edge)
    # Arrows stand further out than any run: between them and the runs is room for their values, a line for each.
    for _ in range(_stacked([p for p in published if p.value > inner[1]], column)):
        high = beyond(axis.log, low, high)
    for _ in range(_stacked([p for p in published if p.value < inner[0]], column)):
        low = beyond(axis.log, high, low)
    layers += _arrows(published, column, inner, (low, high))
    worst = high if lower_is_better else low
    for name, (inside, outside, none) in splits.items():
        layers.append(dots(name, inside, (column[name] + spread(len(inside))).tolist()))
        for marks, symbol, side in ((none, "X", 0.0), (outside, "^" if lower_is_better else "v", 0.18)):
            at = column[name] + side + 0.08 * np.arange(len(marks))
            layers += at_edge(name, marks, at.tolist(), worst, symbol)
        if name in means:
            mean, below, above = means[name]
            words = f"{name}\nmean {short(mean)}\n95 % interval {short(below)} to {short(above)}"
            layers.append(Estimate(name, column[name] + 0.3, mean, below, above, text=words))
    notes += edge_notes(sum(len(s[2]) for s in splits.values()), sum(len(s[1]) for s in splits.values()))
    if any(not low <= end <= high for end in ends):
        notes.append("An interval reaches beyond the axis.")
    x_axis = Axis("", range=(-0.6, len(column) - 0.4), ticks={at: name for name, at in column.items()})
    return Chart(title, x_axis, Axis(label, axis.log, padded(axis.log, low, high, 0.02)), layers, notes)


def differences(title: str, unit: str, rows: Sequence[Row], margin: float | None) -> Chart:
    """Chart paired differences of every two models, means with intervals, and the shaded margin of equivalence.

    Args:
        unit: of the differences.
        rows: from top to bottom.
        margin: half the width of the range of practical equivalence; None: none was fixed.
    """
    layers: list[Layer] = []
    if margin is not None:
        layers.append(Region(-margin, margin, f"margin ±{short(margin)}"))
    layers.append(Rule(0.0, "", horizontal=False, dash="-"))
    ends = [end for row in rows for _, low, high in row.intervals for end in (low, high)]
    primary = [row for row in rows if row.primary] or rows
    core = [0.0, margin or 0.0, -(margin or 0.0), *(v for row in primary for v in usual(row.pairs))]
    axis = fit("", core, [*ends, *(v for row in rows for v in values_of(row.pairs))])
    left, right = axis.range or (-1.0, 1.0)
    ticks, missing, off = {}, 0, 0
    for i, row in enumerate(rows):
        at = float(len(rows) - 1 - i)
        ticks[at] = f"{row.a}\nvs {row.b}"
        inside, outside, none = split(row.pairs, left, right)
        missing, off = missing + len(none), off + len(outside)
        upright = dots(row.a, inside, (at + 0.16 + 0.9 * np.abs(spread(len(inside)))).tolist())
        layers.append(replace(upright, x=upright.y, y=upright.x))
        for m in outside:
            side, symbol = (right, ">") if (m.value or 0) > 0 else (left, "<")
            layers += at_edge(row.a, [m], [side], at + 0.25, symbol)
        for j, (what, low, high) in enumerate(row.intervals):
            if row.mean is not None:
                lead = f"{row.a} better by {row.mean:+.4g} on average"
                words = f"{row.a} vs {row.b}\n{lead}\n{what}: {low:+.4g} to {high:+.4g}"
                layers.append(Estimate(row.a, at - 0.04 - 0.17 * j, row.mean, low, high, True, words, thick=j == 0))
    notes = [f"{count(missing, 'pair')} without a value {are(missing)} not shown."] if missing else []
    notes += edge_notes(0, off, "pair")
    if any(not left <= end <= right for end in ends):
        notes.append("An interval reaches beyond the axis.")
    # For a loss lower is better, so a plain difference of two names would have the wrong sign.
    first, second = (rows[0].a, rows[0].b) if len(rows) == 1 else ("first", "second")
    label = f"← {second} better{f' ({unit})' if unit else ''} {first} better →"
    y_axis = Axis("", range=(-0.5, len(rows) - 0.5), ticks=ticks)
    return Chart(title, Axis(label, range=axis.range), y_axis, layers, notes)


def _baselines(
    baselines: Mapping[str, float], log: bool, low: float, high: float, columns: Sequence[Sequence[Mark]]
) -> tuple[list[Layer], list[str]]:
    """Lines of trivial predictors, with labels over the last column, or over the first if only that is clear."""
    layers: list[Layer] = []
    notes = []
    scale = math.log if log else float

    def covers(value: float, marks: Sequence[Mark]) -> bool:
        inside = [v for v in values_of(marks) if low <= v <= high]
        return any(-0.02 < (scale(v) - scale(value)) / (scale(high) - scale(low)) < LABEL for v in inside)

    for name, value in baselines.items():
        if low <= value <= high:
            at_end = not columns or not covers(value, columns[-1]) or covers(value, columns[0])
            layers.append(Rule(value, f"trivial ({name}) {short(value)}", dash="-", at_end=at_end))
        else:
            where = "above" if value > high else "below"
            notes.append(f"The trivial baseline ({name}, {short(value)}) is {where} the axis.")
    return layers, notes


def _published(
    published: Sequence[Published], column: Mapping[str, float], low: float, high: float, notes: list[str]
) -> list[Layer]:
    """Short rules in the columns they are about, with a mark for each source; lines of other models go through."""
    layers: list[Layer] = []
    sources = list(dict.fromkeys(p.source for p in published))
    named: set[str] = set()
    for p in published:
        if not low <= p.value <= high:
            continue
        dash = "--" if p.confirmed else ":"
        cells = _columns(p, column)
        if not cells:
            layers.append(Rule(p.value, f"{p.model}, {p.source}: {short(p.value)}{p.doubt}", dash=dash))
        for x in cells:
            words = f"{p.source}, {p.model}: {short(p.value)}{p.doubt}" + (f"\n{p.note}" if p.note else "")
            legend = None if (name := p.source + p.doubt) in named else name
            named.add(name)
            layers.append(Rule(p.value, "", dash=dash, extent=(x - 0.38, x + 0.38)))
            symbol, hollow = ">d<*"[sources.index(p.source) % 4], [] if p.confirmed else [0]
            layers.append(Dots("", [x - 0.38], [p.value], [words], hollow, symbol, 6, legend))
    if said := list(dict.fromkeys(f"{p.source}: {p.note}" for p in published if p.note)):
        notes.append(f"Published figures. {'. '.join(said)}.")
    return layers


def _columns(p: Published, column: Mapping[str, float]) -> list[float]:
    """Return the positions of the models that a published figure is about."""
    cell = family(p.model)
    return [x for name, x in column.items() if name == p.model or family(name) == cell != "other"]


def _stacked(published: Sequence[Published], column: Mapping[str, float]) -> int:
    """Return how many lines of published figures stand on each other, with what stands at the right end on top."""
    at = [x for p in published for x in _columns(p, column)]
    beside = sum(not _columns(p, column) for p in published)
    return max([*map(at.count, at), beside + at.count(len(column) - 1.0) if beside else 0])


def _arrows(
    published: Sequence[Published], column: Mapping[str, float], inner: tuple[float, float], outer: tuple[float, float]
) -> list[Layer]:
    """An arrow with values and sources at the edge of each column that has figures off the axis.

    Those of models that have no column stand at the right end, beyond the lines of the last column.
    """
    layers: list[Layer] = []
    for above in (True, False):
        off = [p for p in published if (p.value > inner[1] if above else p.value < inner[0])]
        at: dict[float, list[str]] = {}
        for p in off:
            said = f"{short(p.value)} {p.source.split()[0]}"
            for x in _columns(p, column) or [len(column) - 0.5]:
                at.setdefault(x, []).append(said if _columns(p, column) else f"{p.model} {said}")
        edge, symbol = (outer[1], "^") if above else (outer[0], "v")
        for x, words in at.items():
            layers.append(Dots("", [x], [edge], [f"beyond the axis: {', '.join(words)}"], symbol=symbol, size=6))
            room = [""] * (len(at.get(len(column) - 1.0, [])) if x == len(column) - 0.5 else 0)
            layers.append(Words(x, edge, "\n".join([*room, *words] if above else [*words, *room]), below=above))
    return layers
