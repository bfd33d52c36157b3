"""Tables of a result, for the screen and for a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from src.config.errors import UserError

Entry = dict[str, Any]
Cells = list[list[str]]
NOISY = "?"


def tables(result: dict[str, Any]) -> list[tuple[str, list[str], Cells]]:
    """Title, header and rows of each table of a page: a baseline in a mode at a number of threads.

    One row for each shape; for the baseline and each contender against it the time or ratio, then, in tables of their
    own, the share of the sgemm peak and the peak memory.
    """
    filled = []
    groups = dict.fromkeys((c["mode"], c["threads"], e["baseline"]) for c in result["cases"] for e in c["contenders"])
    for mode, threads, baseline in groups:
        cases = [c for c in result["cases"] if (c["mode"], c["threads"]) == (mode, threads)]
        what = f"{mode.capitalize()} against {baseline}, {where(threads, result)}"
        for title, show in (
            (f"{what}: its time in ms, and the speed-ups of the others", time_or_ratio),
            (f"{what}: share of the sgemm peak", lambda e, _: f"{e['sgemm_share']:.0%}"),
            (f"{what}: peak memory of a step, MB", lambda e, _: number(e["peak_mb"])),
        ):
            rows = matrix(cases, baseline, show)
            if any(cell != "-" for row in rows[1:] for cell in row[1:]):
                filled.append((title, rows[0], rows[1:]))
    return filled


def matrix(cases: list[Entry], baseline: str, show: Callable[[Entry, Entry], str]) -> Cells:
    """A header, then one row for each case: its shape, and what `show` says of each contender against a baseline."""
    columns = list(
        dict.fromkeys(e["name"] for case in cases for e in in_order(case["contenders"]) if e["baseline"] == baseline)
    )
    rows = [["(B, T, I, H)", *columns]]
    for case in cases:
        entries = {e["name"]: e for e in case["contenders"]}
        rows.append([shape_of(case), *(show(entries[n], case) if n in entries else "-" for n in columns)])
    return rows


def in_order(entries: list[Entry]) -> list[Entry]:
    """Sort contenders so that each baseline comes before those compared with it."""
    baselines = list(dict.fromkeys(e["baseline"] for e in entries))
    return sorted(entries, key=lambda e: (baselines.index(e["baseline"]), e["name"] != e["baseline"]))


def time_or_ratio(entry: Entry, case: Entry) -> str:
    """Format a baseline's milliseconds or another contender's ratio, with its interval, marked if noisy."""
    ratio = entry["ratio"]
    shown = ratio or entry["milliseconds"]
    text = f"{number(shown['value'])} ({number(shown['low'])}-{number(shown['high'])})"
    text = f"{text} {entry['ran']}" if entry["backend"] == "auto" else text
    return f"{text} {NOISY}" if case["noise"] else text


def number(value: float | None) -> str:
    """Format with three digits; ``-`` for None."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"


def shape_of(case: Entry) -> str:
    """Format batch, time, input_size and hidden_size in brackets."""
    return f"({', '.join(map(str, case['shape']))})"


def where(threads: int, result: dict[str, Any]) -> str:
    """Format the number of threads, or the GPU."""
    return f"{threads} thread{'s' if threads > 1 else ''}" if result["device"] == "cpu" else "on the GPU"


def facts(result: dict[str, Any]) -> list[str]:
    """Return the facts to report with the tables: machine, versions, command, method, and disturbances."""
    hardware, versions, cases = result["hardware"], result["versions"], result["cases"]
    place = hardware.get("gpu") if result["device"] == "cuda" else f"{hardware['cpu']}, {hardware['cores']} cores"
    rounds = [case["rounds"] for case in cases]
    entries = [(case, e) for case in cases for e in case["contenders"]]
    coverage = min(e["milliseconds"]["coverage"] for _, e in entries)
    code = result["git"].get("commit", "unknown")[:10] + ("" if result["git"].get("clean", True) else " with changes")
    peaks = ", ".join(f"{value:.0f} on {where(int(n), result)}" for n, value in result["sgemm_gflops"].items())
    number = f"{min(rounds)} to {max(rounds)}" if min(rounds) < max(rounds) else f"{max(rounds)}"
    lines = [
        f"`{result['command']}`",
        f"{place}; torch {versions.get('torch')}, Python {versions['python']}; commit {code}; {result['started']}, "
        f"{result['minutes']:.1f} minutes.",
        f"Medians of {number} interleaved rounds by {result['clock']}; in brackets an interval for the median "
        f"(coverage {coverage:.0%} or more). sgemm peak in GFLOPS: {peaks}.",
        *result["notes"],
    ]
    noisy = [case for case in cases if case["noise"]]
    if noisy:
        lines.append(f"{NOISY} marks {len(noisy)} of {len(cases)} cases in which the machine was too noisy to tell:")
        lines += [f"{shape_of(c)} {c['mode']}, {where(c['threads'], result)}: {' '.join(c['noise'])}" for c in noisy]
    for case, entry in entries:
        if entry["cores"] is not None and entry["cores"] > case["threads"] + 0.2:
            lines.append(
                f"{entry['name']} used {entry['cores']:.1f} cores at {shape_of(case)} {case['mode']} on "
                f"{where(case['threads'], result)}."
            )
    skipped: dict[tuple[str, str], list[str]] = {}
    for skip in (skip for case in cases for skip in case["skipped"]):
        skipped.setdefault((skip["backend"], skip["reason"]), []).append(skip["cell"])
    return lines + [
        f"Not measured with {backend} ({', '.join(dict.fromkeys(cells))}): {reason}."
        for (backend, reason), cells in skipped.items()
    ]


def markdown(result: dict[str, Any]) -> str:
    """Return facts and tables as Markdown."""
    lines = [f"- {line}" for line in facts(result)]
    for title, header, rows in tables(result):
        lines += ["", f"**{title}**", "", row_of(header), row_of(["---", *["---:"] * (len(header) - 1)])]
        lines += [row_of(row) for row in rows]
    return "\n".join(lines) + "\n"


def rows_below(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, its columns aligned to the left."""
    return "\n".join([row_of(header), row_of(["---"] * len(header)), *map(row_of, rows), ""])


def row_of(cells: list[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


Marks = tuple[str, str]  # what begins and ends the place of tables in a page


def marks(peers: Sequence[str], cells: Sequence[str] = ()) -> Marks:
    """The place of a result in a page: one with other libraries, or with layer normalisation, has its own."""
    normalised = any(cell.endswith("layer_norm") for cell in cells)
    name = "benchmark-peers" if peers else "benchmark-layer-norm" if normalised else "benchmark"
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def put_into(page: Path, marks: Marks, text: str) -> None:
    """Replace the text between a page's marks.

    Raises:
        UserError: the page is missing or has no marks.
    """
    begin, end = marks
    before, _, rest = read_page(page, marks).partition(begin)
    page.write_text(f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}")


def read_page(page: Path, marks: Marks) -> str:
    """The text of a page that has a place for tables.

    Raises:
        UserError: the page is missing or has no marks.
    """
    begin, end = marks
    text = page.read_text() if page.is_file() else ""
    if end not in text.partition(begin)[2]:
        raise UserError(f"table={page} must be a page with {begin} and {end}, between which the tables go.")
    return text


def show(tables: Sequence[Table]) -> None:
    """Print tables to standard output."""
    for table in tables:
        Console().print(table)


def for_screen(result: dict[str, Any]) -> list[Table]:
    """For a terminal: one table for each mode and number of threads, one row for each contender."""
    shown: dict[tuple[str, int], Table] = {}
    for case in result["cases"]:
        key = (case["mode"], case["threads"])
        if key not in shown:
            title = f"{case['mode'].capitalize()}, {where(case['threads'], result)}"
            shown[key] = Table("(B, T, I, H)", "contender", title=title, title_justify="left")
            for name in ("ms", "times as fast", "sgemm peak", "MB"):
                shown[key].add_column(name, justify="right")
        for index, entry in enumerate(in_order(case["contenders"])):
            name = f"{entry['name']}: {entry['ran']}" if entry["backend"] == "auto" else entry["name"]
            ratio = "" if entry["ratio"] is None else time_or_ratio(entry | {"backend": ""}, case)
            shown[key].add_row(
                "" if index else shape_of(case), name, number(entry["milliseconds"]["value"]), ratio,
                f"{entry['sgemm_share']:.0%}", number(entry["peak_mb"]),
            )  # fmt: skip
        shown[key].add_section()
    return list(shown.values())
