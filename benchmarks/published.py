"""A table and a figure of all published studies, from their records: ``python -m benchmarks.published``.

The verdicts are those of ``gatebench compare from=experiments/NAME``, so they cannot differ from the records. The table
goes into ``experiments/README.md``, and the figure is ``experiments/verdicts.svg``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from benchmarks import CONF
from benchmarks.settings import PUBLISHED
from benchmarks.tables import put_into, read_page, rows_below
from src.analysis.across import Across
from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.pack import read_pack
from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.config.errors import UserError
from src.config.shell import command
from src.figures.canvas import save
from src.figures.chart import Axis, Chart, Estimate, Layer, Region, Rule
from src.figures.palette import family
from src.figures.still import draw
from src.statistics.intervals import Interval
from src.statistics.rounding import of_interval, span

MARKS = ("<!-- published: begin -->", "<!-- published: end -->")
HEADER = ["study", "data", "A vs B", "verdict for new seeds", "for new seeds and sequences", "A ahead by", "interval",
          "margin", "pairs", "core-hours", "commit"]  # fmt: skip


@dataclass(frozen=True)
class Study:
    """A published study."""

    folder: Path
    summary: Summary

    @property
    def commits(self) -> list[str]:
        """The commits with which its final runs were trained, abbreviated."""
        found = {str(run.git.commit)[:7] for run in self.summary.runs if run.phase == "final" and run.git.commit}
        return sorted(found)


def published(cfg: DictConfig) -> list[list[str]]:
    """Read the records, print the table, put it into its page and draw the figure.

    Args:
        cfg: a config composed from ``benchmarks/conf/published.yaml``.

    Returns:
        The rows of the table, in the order of ``HEADER``.

    Raises:
        UserError: there are no records, some are damaged, or the page has no marks.
    """
    if cfg.table is not None:
        read_page(Path(cfg.table), MARKS)
    studies = list(read(Path(cfg.records), cfg.superseded))
    rows = [row for study in studies for row in rows_of(study)]
    text = rows_below(HEADER, rows)
    print(text)
    if cfg.table is not None:
        put_into(Path(cfg.table), MARKS, text)
    if cfg.figure is not None:
        save(draw([picture(studies)], columns=1), Path(cfg.figure), ["svg"])
    return rows


def read(folder: Path, without: Sequence[str] = ()) -> Iterator[Study]:
    """Iterate by name over the studies with records in a folder, except those that a later study superseded.

    Raises:
        UserError: there are no records, or some are damaged.
    """
    packs = [p.parent for p in sorted(folder.glob("*/pack.json")) if p.parent.name not in without]
    if not packs:
        raise UserError(f"records={folder} must be a folder with records, such as NAME/pack.json, but has none.")
    for pack in packs:
        collection = read_pack(pack)
        yield Study(pack, summarise(collection, asked(collection)))


def rows_of(study: Study) -> Iterator[list[str]]:
    """Iterate over the table rows of a study's primary comparisons, and of all data sets together, if there are enough.

    Only the first has cost and commit.
    """
    hours = f"{study.summary.seconds / 3600:.1f}"
    shared = [f"[{study.folder.name}]({study.folder.name}/README.md)", hours, ", ".join(study.commits)]
    for task, comparison in study.summary.headline():
        name, cost, commit = shared
        yield [name, task.label, f"{comparison.a} vs {comparison.b}", *_answer(task, comparison), cost, commit]
        shared = ["", "", ""]
    if study.summary.across is not None and study.summary.across.interval is not None:
        yield _together(study.summary.across, study.summary.across.interval)


def _together(across: Across, interval: Interval) -> list[str]:
    """Return the row of all data sets of a study together, whose differences count in units of their margins."""
    mean = f"{(interval.low + interval.high) / 2:z.{of_interval(interval)}f} margins"
    number = across.better + across.same + across.worse + across.undecided
    ends = f"{span(interval)} ({100 * interval.level:.3g} %)"
    return ["", f"all {number} together", f"{across.a} vs {across.b}", across.words, "", mean, ends, "1", "", "", ""]


def _answer(task: Task, comparison: Comparison) -> list[str]:
    answer, both = comparison.verdict, comparison.both
    interval = comparison.interval
    unit = f" {task.unit}" if task.unit else ""
    return [
        answer.words if answer else "no verdict",
        both.words if both else "unknown: one fixed test set",
        "" if comparison.mean is None else f"{comparison.mean:z.{of_interval(interval)}f}{unit}",
        f"{span(interval)} ({100 * interval.level:.3g} %)" if interval else "",
        "none" if task.margin is None else f"{task.margin:.3g}",
        str(comparison.n),
    ]


def picture(studies: Sequence[Study]) -> Chart:
    """Return a chart of all primary differences in units of their margins, which makes metrics comparable.

    The axis names the cells if all studies compare the same two; otherwise each row names its models.
    """
    found = [
        (study, task, comparison, interval)
        for study in studies
        for task, comparison in study.summary.headline()
        if task.margin and (interval := comparison.interval) and comparison.mean is not None
    ]
    layers: list[Layer] = [Region(-1.0, 1.0, "practically the same"), Rule(0.0, "", horizontal=False, dash="-")]
    cells = {(family(c.a).upper(), family(c.b).upper()) for _, _, c, _ in found}
    alike = len(cells) == 1 and len(set(*cells)) == 2
    first, second = next(iter(cells)) if alike else ("first", "second")
    ticks, ends = {}, [-1.5, 1.5]
    for at, (study, task, comparison, interval) in enumerate(reversed(found)):
        margin = task.margin or 1.0
        low, high, mean = (value / margin for value in (interval.low, interval.high, comparison.mean or 0.0))
        models = "" if alike else f"{comparison.a} vs {comparison.b}\n"
        ticks[float(at)] = f"{models}{task.label}\n{study.folder.name}"
        words = f"{low:.2f} to {high:.2f} margins"
        layers.append(Estimate(comparison.a, float(at), mean, low, high, horizontal=True, text=words))
        ends += [low, high]
    x = Axis(f"← {second} better (margins) {first} better →", range=(min(ends) - 0.5, max(ends) + 0.5))
    y = Axis("", range=(-0.5, len(found) - 0.5), ticks=ticks)
    return Chart(f"{first} against {second}, study by study" if alike else "Study by study", x, y, layers)


def main() -> None:
    """Run the command line."""
    command("published", published, CONF, PUBLISHED)


if __name__ == "__main__":
    main()
