"""The page says what the summary holds, whatever is missing from it, and asks nobody for anything."""

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from src.analysis.across import Across
from src.analysis.models import Model, Point
from src.analysis.plan import Plan
from src.analysis.run import Run
from src.analysis.summary import Summary
from src.analysis.task import Task
from src.config.errors import UserError
from src.figures.chart import Chart
from src.figures.palette import DARK, LIGHT, Style, styles
from src.figures.still import inline
from src.reporting.page.along import axes_of
from src.reporting.page.pictures import model_names, pictures
from src.reporting.page.training import costs
from src.reporting.report import _strip, render, write_report
from src.runs.result import Timing, WandbRun
from src.runs.study_record import PlanRecord
from src.statistics.intervals import Interval
from tests.analysis.rich import rich_summary
from tests.figures.test_palette import contrast
from tests.standin.browser import Browser, chromium

pytest.importorskip("plotly")
needs_browser = pytest.mark.skipif(chromium() is None, reason="no chromium on this machine (apt-get install chromium)")


def page_of(summary: Summary, static: bool = False) -> str:
    return render(summary, pictures(summary), styles(model_names(summary)), static=static)


@pytest.fixture(autouse=True, scope="module")
def _drawn_once() -> Iterator[None]:
    """The variants of a summary share most of their figures: each is drawn once."""
    known: dict[str, str] = {}

    def drawn(chart: Chart, looks: dict[str, Style], name: str, height: float) -> str:
        key = f"{chart} {looks} {name} {height}"
        known[key] = known.get(key) or inline(chart, looks, name, height)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("src.reporting.report.inline", drawn)
        yield


class Text(HTMLParser):
    """The words of a page without its scripts, its ids, and every address it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag == "a":
            self.links.append(given.get("href") or "")
        self.loads += [value or "" for key, value in attrs if key in ("src", "srcset", "data", "poster", "action")]
        if tag == "link":
            self.loads.append(given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def summary() -> Summary:
    return rich_summary()


@pytest.fixture(scope="module")
def page(summary: Summary) -> Text:
    return Text(page_of(summary))


def table_only() -> Summary:
    """What ``from=table.csv`` gives: a metric for each model, data set and seed, nothing else."""
    names = {"gru": 0.91, "mine": 0.9}
    runs = [
        Run(f"{m}-{s}", s, "finished", model=m, data_name="own", metrics={"acc": v + 0.01 * s})
        for m, v in names.items()
        for s in range(3)
    ]
    models = [
        Model(
            name, [Point(r.seed, r.metrics["acc"], r.id, "finished") for r in runs if r.model == name], n=3, mean=value
        )
        for name, value in names.items()
    ]
    task = Task("own", "main", "acc", "", "max", None, models, [])
    return Summary("table", "table", ["table.csv"], [task], runs)


def test_the_answer_comes_first_with_its_numbers(page: Text, summary: Summary) -> None:
    text = page.text
    order = [text.index(words) for words in ("The answer", "Every run", "Statistics in full", "Runs", "Make it again")]
    start = [page.ids.index(name) for name in ("answer", "care", "points", "statistics", "runs", "changes")]
    assert order[0] < order[1]
    assert start == sorted(start)
    for task, comparison in summary.headline():
        assert comparison.verdict is not None
        assert comparison.verdict.sentence in text
        assert f"margin ±{task.margin:g}" in text
        assert f"Mean paired difference {comparison.mean:+.3f}".replace("-", "−") in text


def test_every_run_can_be_followed(page: Text, summary: Summary) -> None:
    text = page.text
    for run in summary.runs:
        assert f"run-{run.id}" in page.ids
        assert run.directory is not None
        assert run.directory in text
        assert run.command_line is not None
        assert run.command_line in text
    assert {run.url for run in summary.runs if run.url} <= set(page.links)


def test_everything_found_is_said(page: Text, summary: Summary) -> None:
    text = page.text
    flags = [flag for task in summary.tasks for flag in task.flags] + summary.flags
    for sentence in [*(f.sentence for f in flags), *(p.sentence for p in summary.problems)]:
        assert sentence in text
    for task in summary.tasks:
        for comparison in task.comparisons:
            assert all(sentence in text for sentence in comparison.sensitivity)
    assert summary.plan is not None
    assert summary.plan.left_out[0].reason in text
    assert "after the registration" in text
    assert "Final runs: 69 finished, 1 diverged, 1 failed, 1 interrupted" in text
    assert all(command["command"] in text for command in summary.commands)


def test_the_page_loads_nothing(page: Text) -> None:
    assert [load for load in page.loads if not load.startswith("data:")] == []


def test_every_internal_link_leads_somewhere(page: Text) -> None:
    inner = [link[1:] for link in page.links if link.startswith("#")]
    assert len(inner) > 10
    assert set(inner) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_hovering_names_run_seed_and_learning_rate(summary: Summary) -> None:
    kinds = {kind.key: kind for kind in pictures(summary)}
    assert list(kinds) == ["points", "differences", "learning", "tuning", "cost"]
    for key in ("points", "learning", "tuning", "cost"):
        texts = [t for chart in kinds[key].charts for layer in chart.layers for t in getattr(layer, "text", ())]
        run = next(r for r in summary.runs if r.phase == ("trial" if key == "tuning" else "final"))
        words = next(t for t in texts if run.id in t)
        assert f"seed {run.seed}" in words
        assert f"learning rate {run.values['optimizer.lr']:.4g}" in words


def test_diverged_failed_and_unfinished_runs_are_in_the_picture(summary: Summary) -> None:
    charts = next(kind for kind in pictures(summary) if kind.key == "points").charts
    marked = [
        t for chart in charts for layer in chart.layers if getattr(layer, "symbol", "") == "X" for t in layer.text
    ]
    assert sorted(words.splitlines()[-1] for words in marked) == ["diverged", "failed", "interrupted"]


VARIANTS = {
    "no plan": lambda s: dataclasses.replace(s, plan=None),
    "no curves": lambda s: dataclasses.replace(s, curves={}),
    "no tuning": lambda s: dataclasses.replace(s, tuning=[], across=None),
    "no run": lambda s: dataclasses.replace(s, runs=[], curves={}),
    "no task": lambda s: dataclasses.replace(s, tasks=[], across=None),
    "nothing": lambda s: Summary("empty", "runs", [], [], []),
    "a table": lambda s: table_only(),
    "no comparison": lambda s: dataclasses.replace(
        s, tasks=[dataclasses.replace(t, comparisons=[], margin=None) for t in s.tasks]
    ),
    "bare comparisons": lambda s: dataclasses.replace(
        s,
        tasks=[
            dataclasses.replace(
                t,
                comparisons=[
                    dataclasses.replace(
                        c, mean=None, t=None, verdict=None, probability=None, wilcoxon=None, power=None, sequences=None
                    )
                    for c in t.comparisons
                ],
            )
            for t in s.tasks
        ],
    ),
    "bare runs": lambda s: dataclasses.replace(
        s,
        runs=[Run(r.id, r.seed, "finished", model=r.model, data_name=r.data_name) for r in s.runs],
        plan=Plan(),
        tuning=[],
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_part_may_be_missing(name: str, summary: Summary) -> None:
    less = VARIANTS[name](summary)
    read = Text(page_of(less))
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)
    assert "None" not in read.text
    assert "nan" not in read.text.split()
    for run in less.runs:
        assert f"run-{run.id}" in read.ids


def test_what_a_table_cannot_say_is_not_spoken_of() -> None:
    read = Text(page_of(table_only()))
    assert "costs" not in read.ids
    assert "published" not in read.text
    assert "margin" not in read.text


def test_without_a_margin_no_test_against_one_is_spoken_of(summary: Summary) -> None:
    open_tasks = [
        dataclasses.replace(
            task,
            margin=None,
            comparisons=[
                dataclasses.replace(c, verdict=c.verdict and dataclasses.replace(c.verdict, margin=None))
                for c in task.comparisons
            ],
        )
        for task in summary.tasks
    ]
    there, gone = Text(page_of(summary)).text, Text(page_of(dataclasses.replace(summary, tasks=open_tasks))).text
    for words in ("p, better by more than the margin (below", "interval of the verdict (within the margin"):
        assert words in there
        assert words not in gone
    assert "p, better (below 0.025 in a single look)" in gone


def test_a_static_page_has_its_figures_as_svg_and_no_script_library(summary: Summary, tmp_path: Path) -> None:
    page, *figures = write_report(summary, tmp_path, ["svg"], static=True)
    text = page.read_text()
    charts = sum(len(kind.charts) for kind in pictures(summary))
    assert text.count('<svg role="img"') == charts > 8
    assert "Plotly.react" in text, "the page's own few lines are there"
    assert "plotly.js v" not in text
    assert 'class="plot"' not in text
    assert page.stat().st_size + sum(file.stat().st_size for file in figures) < 1_500_000
    assert len(set(Text(text).ids)) == len(Text(text).ids)
    assert text.count("<svg ") == page_of(summary).count('<svg role="img"')
    # Small enough to commit: short numbers, and no runs of tuning.
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert not re.search(r"\d\.\d{3,}", "".join(re.findall(r"<[^>]+>", "".join(drawn))))
    of_tuning = {run.id for run in summary.runs if run.phase in ("trial", "repeat")}
    listed = {name.removeprefix("run-") for name in Text(text).ids if name.startswith("run-")}
    assert of_tuning
    assert listed == {run.id for run in summary.runs} - of_tuning
    assert f"{len(listed)} of {len(summary.runs)} runs; the {len(of_tuning)} of tuning" in text


def test_the_strip_has_ticks() -> None:
    assert _strip(0.016, 0.006, 0.027, 0.09)["ticks"] == {"−0.1": 1.69, "0": 50.0, "+0.1": 98.31}
    assert list(_strip(0.3, 0.1, 0.5, None)["ticks"]) == ["−0.5", "0", "+0.5"]


def test_the_interval_of_a_card_is_that_of_its_sentence_and_figure(summary: Summary) -> None:
    for task, c in summary.headline():
        chart = next(
            of for k in pictures(summary) if k.key == "differences" for of in k.charts if task.data in of.title
        )
        assert c.interval is not None
        assert c.interval == (c.verdict.interval_better or c.t if c.verdict else c.t)
        assert (c.interval.low, c.interval.high) in [(e.low, e.high) for e in chart.layers if hasattr(e, "thick")]


def test_times_are_of_machines_that_were_not_shared(summary: Summary) -> None:
    everywhere = [dataclasses.replace(r, timing=dataclasses.replace(r.timing, shared=True)) for r in summary.runs]
    kinds = {kind.key: kind for kind in pictures(dataclasses.replace(summary, runs=everywhere))}
    assert all("time" not in chart.title for chart in kinds["learning"].charts)
    assert not kinds["cost"].charts
    alone = {run.id for run in summary.runs if run.timing.shared is not True}
    assert len(alone) < len(summary.runs), "one machine of the example was shared"
    kinds = {kind.key: kind for kind in pictures(summary)}
    timed = [chart for chart in kinds["learning"].charts if chart.title.endswith("time")]
    timed += [chart for chart in kinds["cost"].charts if chart.x.label.startswith("seconds")]
    said = [text for chart in timed for layer in chart.layers for text in getattr(layer, "text", ()) if "run " in text]
    assert said
    assert all(any(run in text for run in alone) for text in said if "median" not in text)


def test_curves_against_time_compare_models_or_are_not_drawn(summary: Summary) -> None:
    """Only one model had its machine to itself: the picture would show it alone, as if it were the comparison."""
    model = summary.tasks[0].models[0].model
    runs = [
        dataclasses.replace(run, timing=dataclasses.replace(run.timing, shared=run.model != model))
        for run in summary.runs
    ]
    kinds = {kind.key: kind for kind in pictures(dataclasses.replace(summary, runs=runs))}
    assert kinds["learning"].charts
    assert all("time" not in chart.title for chart in kinds["learning"].charts)


def test_few_costs_are_a_table_and_the_process_is_no_cost_of_a_model(summary: Summary) -> None:
    cost = next(kind for kind in pictures(summary) if kind.key == "cost")
    assert all(chart.x.label.startswith("seconds") for chart in cost.charts)
    assert [(table.columns[1], len(table.rows)) for table in cost.tables] == [("effective parameters", 3)] * 2
    assert "18,630" in Text(page_of(summary)).text


def test_times_below_a_second_are_not_cut_to_zero_in_the_table_of_costs(summary: Summary) -> None:
    quick = Timing(seconds=1.0, seconds_to_best=0.4)
    runs = {run.id: dataclasses.replace(run, timing=quick) for run in summary.runs}
    tables = costs(summary.tasks, runs)[1]
    assert {row[1] for t in tables if t.columns[1] == "seconds to the best epoch" for row in t.rows} == {"0.4"}


def test_a_table_of_models_has_no_column_without_a_value(page: Text, summary: Summary) -> None:
    text = page_of(summary)
    tables = [t for t in re.findall(r"<table>.*?</table>", text, re.DOTALL) if "by model. Intervals by t" in t]
    assert len(tables) == len(summary.tasks) == 2
    for table, task in zip(tables, summary.tasks, strict=True):
        heads = re.findall(r'<th scope="col">([^<]*)</th>', table)
        cells = [
            re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", line)
            for line in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]
        ]
        assert all(len(line) == len(heads) for line in cells)
        assert all(set(column) - {"–", "0"} for column in zip(*cells, strict=True)), "a column says nothing"
        assert ("diverged" in heads) == any(m.diverged for m in task.models)
        at = [heads.index(name) for name in ("mean", "95 % interval", "median")]
        for line in cells:
            mean, ends, median = (line[i] for i in at)
            if " to " in ends:
                decimals = {len(value.partition(".")[2]) for value in (mean, *ends.split(" to "), median)}
                assert len(decimals) == 1, "one rounding"


def test_what_is_said_above_a_figure_is_in_it(summary: Summary) -> None:
    assert "The heavy bar is" in page_of(summary)
    early = [
        [dataclasses.replace(c, t=None, verdict=None, sequences=None) for c in t.comparisons] for t in summary.tasks
    ]
    bare = [dataclasses.replace(t, comparisons=cs) for t, cs in zip(summary.tasks, early, strict=True)]
    text = page_of(dataclasses.replace(summary, tasks=bare))
    assert "The heavy bar is" not in text
    assert "The thin bar is" not in text
    quiet = [dataclasses.replace(r, timing=dataclasses.replace(r.timing, shared=True)) for r in summary.runs]
    assert "the large one is the model's median" in page_of(summary)
    assert "the large one is the model's median" not in page_of(dataclasses.replace(summary, runs=quiet))


def test_files_beside_the_page(summary: Summary, tmp_path: Path) -> None:
    files = write_report(summary, tmp_path)
    kinds = ("points", "differences", "learning", "tuning", "cost")
    names = [f"figures/{key}.{ending}" for key in kinds for ending in ("svg", "png")]
    assert [str(f.relative_to(tmp_path)) for f in files] == ["report.html", *names]
    assert all(f.stat().st_size > 5000 for f in files)
    assert files[0].stat().st_size < 8e6


def test_processes_draw_what_one_process_draws(
    summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = write_report(summary, tmp_path / "alone")
    monkeypatch.setattr("src.reporting.report.PANELS_ALONE", 0)
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    together = write_report(summary, tmp_path / "together")
    assert [file.name for file in together] == [file.name for file in alone]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("package", ["plotly", "jinja2", "matplotlib"])
def test_a_missing_package_is_said_in_one_sentence(
    package: str, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"install it with pip install -e '\.\[report\]' in GateBench's clone"):
        write_report(summary, tmp_path)


def test_names_are_no_markup(summary: Summary) -> None:
    evil = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>"
    link = WandbRun("a", url="javascript:alert(1)")
    runs = [dataclasses.replace(run, command_line=evil, error=evil, wandb=link) for run in summary.runs[:3]]
    tasks = [dataclasses.replace(summary.tasks[0], data=evil)]
    text = page_of(dataclasses.replace(summary, name=evil, runs=runs, tasks=tasks, plan=Plan(question=evil)))
    assert "<script>window" not in text
    assert "<img" not in text
    assert "javascript:alert" not in text
    assert evil in Text(text).text


def test_the_strip_has_zero_in_the_middle_and_everything_inside() -> None:
    strip = _strip(0.1, -0.1, 0.3, 0.2)
    assert strip["margin"][0] + strip["margin"][1] / 2 == pytest.approx(50, abs=0.01)
    assert 0 < strip["wide"][0] < 50 < strip["wide"][0] + strip["wide"][1] < 100
    assert strip["mean"] == pytest.approx(strip["wide"][0] + strip["wide"][1] / 2, abs=0.01)


def along_lengths(as_arms: bool) -> Summary:
    lengths = {f"t{length}": {"data.length": length} for length in (400, 100, 200)}
    entries = {name: {"data": "adding", "data.seed": 1, **values} for name, values in lengths.items()}
    plan = {"data": {"adding": {}}, "arms": lengths} if as_arms else {"data": {"ucr": {}, **entries}}
    tasks = [
        Task(
            "adding" if as_arms else name,
            name if as_arms else "main",
            "test/mse",
            "",
            "min",
            0.01,
            [_solved(name, values["data.length"])],
            [],
            {"constant": 0.17},
        )
        for name, values in lengths.items()
    ]
    return Summary("adding", "study", ["runs/adding"], tasks, [], plan=Plan(plan=PlanRecord("adding", **plan)))


def _solved(run: str, length: int) -> Model:
    value = length * 1e-4
    ends = Interval(0.9 * value, 1.1 * value, 0.95, "t")
    return Model("gru", [Point(0, value, run, "finished")], 1, value, interval=ends, solve_rate=1 - length / 1000)


@pytest.mark.parametrize("as_arms", [True, False])
def test_a_study_along_lengths_has_their_pictures(as_arms: bool) -> None:
    study = along_lengths(as_arms)
    metric, share = next(kind for kind in pictures(study) if kind.key == "lengths").charts
    for chart, expected in ((metric, [0.01, 0.02, 0.04]), (share, [0.9, 0.8, 0.6])):
        line = next(layer for layer in chart.layers if getattr(layer, "label", None) == "gru")
        assert (chart.title, chart.x.label) == ("adding", "length (steps)")
        assert (line.x, line.y) == ([100.0, 200.0, 400.0], pytest.approx(expected))
        assert all(("95 % interval" in text) == (chart is metric) for text in line.text)
    assert share.y.label == "share of the runs with a test loss below 0.1 of the trivial baseline's"
    assert Text(page_of(study)).ids.count("lengths") == 1


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"data": {"jsb_chorales": {}, "nottingham": {}}},
        {"data": {"a": {"data": "x", "data.length": 1}, "b": {"data": "y", "data.length": 2}}},
        {"data": {"a": {"data": "x", "data.length": 1, "k": 1}, "b": {"data": "x", "data.length": 2, "k": 2}}},
        {"data": {"x": {}}, "arms": {"a": {"optimizer": "adam"}, "b": {"optimizer": "sgd"}}},
        {"data": {"x": {}}, "arms": {"a": {}, "b": {"model.hidden_size": 1}}},
    ],
    ids=str,
)
def test_what_differs_otherwise_is_no_axis(plan: dict) -> None:
    assert axes_of(PlanRecord("study", **plan)) == []


def test_many_data_sets_have_scores_and_profiles(summary: Summary) -> None:
    iqm = {
        name: {"value": v, "interval": Interval(v - 0.1, v + 0.1, 0.95, "b")}
        for name, v in (("gru", 0.9), ("lstm", 0.8))
    }
    many = Across(
        "gru", "lstm", 6, 2, 1, 1, iqm=iqm, profile={"gru": [1.0, 0.4]}, thresholds=[0.0, 1.0], ranks={"gru": 1.3}
    )
    whole = dataclasses.replace(summary, across=many)
    assert len(next(kind for kind in pictures(whole) if kind.key == "across").charts) == 3
    assert "Mean ranks over the data sets (1 is best): gru 1.3." in Text(page_of(whole)).text


# ------------------------------------------------------------------------------------------------- in a real browser


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(summary: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page_of(summary))
    return path


DRAWN = """(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  return Object.entries(figures).map(([id, figure]) => {
    const plot = document.getElementById(id);
    return [id, figure.data.filter((t) => t.x.some((v) => v !== null)).length,
      [...plot.querySelectorAll(".scatterlayer .trace")].filter((t) => t.querySelector("path")).length,
      Math.round(plot.querySelector(".main-svg").getBoundingClientRect().width - plot.clientWidth)];
  });
})()"""


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_figure_is_drawn_and_nothing_leaves(
    tab: Browser, file: Path, summary: Summary, width: int, dark: bool
) -> None:
    tab.open(file, width, dark=dark)
    assert tab.complaints == []
    assert tab.requests == [file.as_uri()]
    drawn = tab.value(DRAWN)
    assert len(drawn) == sum(len(kind.charts) for kind in pictures(summary))
    for identity, given, shown, overlap in drawn:
        assert shown == given > 0, identity
        assert abs(overlap) <= 1, identity
    assert tab.value("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
    theme = DARK if dark else LIGHT
    rgb = tuple(int(theme["page"][i : i + 2], 16) for i in (1, 3, 5))
    assert tab.value("getComputedStyle(document.body).backgroundColor") == f"rgb{rgb}".replace("'", "")


CUT = """(() => {
  const page = document.documentElement.clientWidth;
  const all = [...document.querySelectorAll(".still svg, table, pre, .answer")];
  const shown = all.filter((e) => e.getClientRects().length);
  return shown.map((e) => [e.tagName, e.getBoundingClientRect(), e.scrollWidth])
    .filter(([, box, needs]) => box.left < -1 || box.right > page + 1 || needs > Math.ceil(box.width) + 1)
    .map(([name, box, needs]) => `${name} ${box.left} ${box.right} ${needs}`);
})()"""


@needs_browser
@pytest.mark.parametrize("static", [False, True])
def test_printing_shows_every_panel_whole(tab: Browser, summary: Summary, tmp_path: Path, static: bool) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(summary, static))
    for width in (800, 1600):  # of the window, which must not matter
        tab.open(path, width)
        tab.call("Emulation.setEmulatedMedia", media="print")
        tab.call("Emulation.setDeviceMetricsOverride", width=690, height=1000, deviceScaleFactor=1, mobile=False)
        charts = sum(len(kind.charts) for kind in pictures(summary))
        seen = (
            "[...document.querySelectorAll('.still svg')].filter((e) => e.getBoundingClientRect().height > 50).length"
        )
        assert tab.value(seen) == charts
        assert tab.value("[...document.querySelectorAll('.plot')].every((e) => !e.getClientRects().length)") is True
        assert tab.value(CUT.replace("table, ", "table:not(#runs table, #statistics table, #costs table), ")) == []
        # These have sheets of their own, laid across.
        tab.call("Emulation.setDeviceMetricsOverride", width=1010, height=700, deviceScaleFactor=1, mobile=False)
        assert tab.value(CUT) == []
    tab.call("Emulation.setEmulatedMedia", media="")


@needs_browser
def test_a_printed_report_is_readable_and_short(tab: Browser, file: Path) -> None:
    tab.open(file, 1280)
    tab.call("Emulation.setEmulatedMedia", media="print")
    size = "parseFloat(getComputedStyle(document.querySelector('{}')).fontSize)"
    assert tab.value(size.format(".small")) < tab.value(size.format("#care > p")), "notes are no larger than the text"
    heads = "[...document.querySelectorAll('#runs thead th')].filter((e) => e.getClientRects().length)"
    shown = f"{heads}.map((e) => e.textContent)"
    assert tab.value(shown)[0] == "run"
    assert not {"directory", "command"} & set(tab.value(shown)), "long, and in runs.csv"
    kept = "getComputedStyle(document.querySelector('{}')).breakInside"
    assert [tab.value(kept.format(e)) for e in ("#costs table", "thead", ".how")] == ["avoid"] * 3
    assert tab.value("getComputedStyle(document.querySelector('.how')).breakAfter") == "avoid"
    tab.call("Emulation.setEmulatedMedia", media="")


@needs_browser
def test_the_legend_of_training_data_is_in_the_figure(tab: Browser, file: Path) -> None:
    tab.open(file, 1280)
    entries = "[...document.querySelectorAll('#learning-0 .legendtext')].map((e) => e.textContent)"
    assert tab.value(entries) == ["thin: on training data"]


@needs_browser
@pytest.mark.parametrize("width", [1600, 390])
def test_a_legend_stands_on_no_label(tab: Browser, summary: Summary, tmp_path: Path, width: int) -> None:
    low = [dataclasses.replace(task, comparisons=task.comparisons[:1]) for task in summary.tasks]
    path = tmp_path / "report.html"
    path.write_text(page_of(dataclasses.replace(summary, tasks=low)))
    tab.open(path, width)
    overlap = """[...document.querySelectorAll('.plot')].filter((plot) => {
      const [legend, label] = ['.legend', '.xtitle'].map((e) => plot.querySelector(e)?.getBoundingClientRect());
      return legend && label && legend.height && label.height && legend.top < label.bottom - 1;
    }).map((plot) => plot.id)"""
    assert tab.value(overlap) == []
    assert tab.value("document.querySelectorAll('.plot:has(.legend):has(.xtitle)').length") > 2


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_words_of_a_model_can_be_read(tab: Browser, file: Path, dark: bool) -> None:
    tab.open(file, 1280, dark=dark)
    fills = "[...document.querySelectorAll('#learning-0 .annotation-text')].map((e) => getComputedStyle(e).fill)"
    found = tab.value(fills)
    assert found
    paper = (DARK if dark else LIGHT)["page"]
    for fill in found:
        colour = "#" + "".join(f"{int(c):02x}" for c in re.findall(r"\d+", fill)[:3])
        assert contrast(colour, paper) >= 4.5, "as WCAG asks of text"


@needs_browser
def test_a_wide_page_is_used(tab: Browser, file: Path) -> None:
    tab.open(file, 1600)
    used = "Math.max(...[...document.querySelectorAll('figure')].map((e) => e.getBoundingClientRect().right))"
    assert tab.value(used) > 1450


@needs_browser
def test_figures_follow_when_the_light_goes_out(tab: Browser, file: Path) -> None:
    tab.open(file)
    colour = "getComputedStyle(document.querySelector('.xtick text')).fill"
    before = tab.value(colour)
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    tab.wait(f"document.documentElement.dataset.drawn !== undefined && {colour} !== {json.dumps(before)}")
    assert tab.value(colour) == f"rgb{tuple(int(DARK['ink'][i : i + 2], 16) for i in (1, 3, 5))}"
    assert tab.complaints == []


@needs_browser
def test_nothing_moves_while_the_page_is_drawn(tab: Browser, file: Path) -> None:
    tab.open(file, 1280, height=5000)  # only what is in sight counts
    shift = """new Promise((done) => { let sum = 0;
      new PerformanceObserver((list) => { for (const e of list.getEntries()) sum += e.value; })
        .observe({ type: "layout-shift", buffered: true });
      setTimeout(() => done(sum), 300); })"""
    assert tab.value(shift) < 0.01


@needs_browser
def test_the_page_can_be_used_from_the_keyboard(tab: Browser, file: Path, summary: Summary) -> None:
    tab.open(file)
    tab.press("Tab")
    assert tab.value("document.activeElement.textContent") == "Skip to the answer"
    tab.press("Enter")
    assert tab.value("location.hash") == "#answer"
    reach = "[...document.querySelectorAll('figure, .scroll, pre')].every((e) => e.tabIndex === 0)"
    assert tab.value(reach) is True
    tab.value("document.querySelector('#points figure').focus()")
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    said = tab.value("document.querySelector('#points figure .said').textContent")
    assert said.startswith("Bai 2018, gru: 8.43"), "the second of the points"
    assert tab.value("document.querySelectorAll('#points .hoverlayer .hovertext').length") == 1
    tab.value("document.querySelector('#runs thead button').focus()")
    tab.press("Enter")
    assert tab.value("document.querySelector('#runs th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    ids = tab.value("[...document.querySelectorAll('#runs tbody th')].map((e) => e.textContent.trim())")
    assert sorted(ids) == sorted(run.id for run in summary.runs)
    assert ids == tab.value("[...document.querySelectorAll('#runs tbody th')].map((e) => e.textContent.trim()).sort()")


@needs_browser
def test_the_table_of_runs_can_be_filtered(tab: Browser, file: Path, summary: Summary) -> None:
    tab.open(file)
    tab.value("document.querySelector('#runs input').value = 'lstm_chung nottingham final'")
    tab.value("document.querySelector('#runs input').dispatchEvent(new Event('input'))")
    assert tab.value("document.querySelectorAll('#runs tbody tr:not([hidden])').length") == 12


@needs_browser
@pytest.mark.parametrize("name", ["nothing", "a table", "bare comparisons"])
def test_a_page_with_little_in_it_is_drawn_too(name: str, tab: Browser, summary: Summary, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(VARIANTS[name](summary)))
    tab.open(path, 390)
    assert tab.complaints == []
    assert all(given == shown for _, given, shown, _ in tab.value(DRAWN))


@needs_browser
def test_a_page_of_hostile_names_runs_nothing(tab: Browser, summary: Summary, tmp_path: Path) -> None:
    evil = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>"
    path = tmp_path / "report.html"
    path.write_text(
        page_of(
            dataclasses.replace(summary, name=evil, runs=[dataclasses.replace(r, model=evil) for r in summary.runs])
        )
    )
    tab.open(path)
    assert tab.value("window.broken") is None
    assert tab.complaints == []


@needs_browser
@pytest.mark.parametrize(
    "fault", ["<script>throw new Error('planted')</script>", "<img src='https://example.org/planted.png'>"]
)
def test_a_page_that_fails_or_asks_somebody_is_seen(fault: str, tab: Browser, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(file.read_text().replace("<main>", f"<main>{fault}", 1))
    tab.open(path)
    assert any("planted" in words for words in tab.complaints)
