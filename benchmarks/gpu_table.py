"""The tables of a measurement on a GPU; a cell without a measurement is empty, and below it stands why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.contenders import CELLS
from benchmarks.tables import number, row_of, shape_of

MARKS = ("<!-- gpu: begin -->", "<!-- gpu: end -->")
LOSSES = ("val/loss", "test/loss")
Row = list[str]


def markdown(*results: dict[str, Any]) -> str:
    """Facts and tables as Markdown; of a part that several results have, the last one's."""
    parts = {name: part for result in results for name, part in result["parts"].items()}
    blocks = [
        "\n".join(f"- {line}" for result in results for line in facts(result)),
        *(block for mode in ("training", "inference") if (block := kernel_table(parts, mode))),
        sharing_table(parts),
        runs_table(parts),
        synchronisation_table(parts),
        parts_table(parts),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def facts(result: dict[str, Any]) -> list[str]:
    """Return card, versions, command and commit."""
    versions, hardware = result["versions"], result["hardware"]
    card = hardware.get("gpu", "no GPU: a trial run, whose figures mean nothing") if hardware else "unknown"
    names = ("torch", "cuda", "cudnn", "triton", "pytorch-lightning", "python")
    told = ", ".join(f"{name} {versions[name]}" for name in names if versions.get(name))
    commit = str((result.get("git") or {}).get("commit") or "unknown")[:10]
    return [
        f"`{result['command']}`",
        f"{card}, {hardware.get('cores', '?')} cores ({hardware.get('cpu', '?')}); {told}; commit {commit}; "
        f"{result['started']}, {result.get('minutes', 0.0):.1f} minutes.",
    ]


def table(title: str, header: Row, rows: list[Row]) -> str:
    """Return a title with a table below it, or an empty text if there are no rows."""
    if not rows:
        return ""
    lines = [row_of(header), row_of(["---", *["---:"] * (len(header) - 1)]), *map(row_of, rows)]
    return "\n".join([f"**{title}**", "", *lines])


# ------------------------------------------------------------------------------------------------------------ kernels


def cases(parts: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The precision and every case that a call of ``benchmarks.steps`` has timed."""
    for part in parts.values():
        found = part.get("result")
        if isinstance(found, dict) and "cases" in found:
            yield from ((found["settings"]["precision"], case) for case in found["cases"])


def kernel_table(parts: dict[str, Any], mode: str) -> str:
    """One row for each shape, cell and precision: cuDNN's milliseconds, ours, and how many times as fast."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for precision, case in cases(parts):
        if case["mode"] != mode:
            continue
        baselines = {entry["name"]: ms(entry) for entry in case["contenders"] if entry["ratio"] is None}
        for entry in case["contenders"]:
            if entry["ratio"] is not None:
                key = (shape_of(case), entry["cell"], precision)
                beside = {"cudnn": baselines.get(CELLS[entry["cell"]].baseline)}
                found.setdefault(key, {})[entry["backend"]] = entry | beside
    rows = []
    for (shape, cell, precision), by in found.items():
        auto = by.get("auto")
        cudnn = (auto or next(iter(by.values())))["cudnn"]
        rows.append(
            [
                shape, cell, "bf16" if precision == "bf16-mixed" else "32", CELLS[cell].baseline, number(cudnn),
                f"{number(ms(auto))} {auto['ran']}" if auto else "", ratio(auto), number(ms(by.get("triton"))),
                ratio(by.get("triton")), number(ms(by.get("reference"))), times(ms(by.get("reference")), ms(auto)),
                number(ms(by.get("flashrnn"))),
                number(ms(by.get("flashrnn_triton"))),
            ]
        )  # fmt: skip
    header = [
        "(B, T, I, H)", "cell", "precision", "cuDNN's", "ms", "auto, ms", "speed-up", "triton, ms",
        "speed-up", "loop, ms", "loop over auto", "FlashRNN's CUDA, ms",
        "FlashRNN's Triton, ms",
    ]  # fmt: skip
    title = f"{mode.capitalize()}: cuDNN's layer with the same number of gates, and our backends"
    return table(title, header, [blank(row) for row in rows])


def ms(entry: dict[str, Any] | None) -> float | None:
    """Return the median of a contender."""
    return None if entry is None else float(entry["milliseconds"]["value"])


def ratio(entry: dict[str, Any] | None) -> str:
    """Format the speed-up over the baseline of the same rounds, with the interval."""
    if entry is None:
        return ""
    r = entry["ratio"]
    return f"{number(r['value'])} ({number(r['low'])}-{number(r['high'])})"


def times(slow: float | None, fast: float | None) -> str:
    """Format one time divided by another."""
    return "" if not slow or not fast else number(slow / fast)


def blank(row: Row) -> Row:
    """Replace dashes by empty cells."""
    return ["" if cell == "-" else cell for cell in row]


# ------------------------------------------------------------------------------------------------------------- others


def sharing_table(parts: dict[str, Any]) -> str:
    """Return the table of runs per hour by the number of runs at a time."""
    found = [p["result"] for name, p in parts.items() if name.startswith("sharing") and p.get("result")]
    alone = next((f["runs_per_hour"] for f in found if f["at_once"] == 1), None)
    rows = [
        [
            f"{f['at_once']} on {'the GPU' if f['device'] == 'gpu' else 'the cores'}", f"{f['runs_per_hour']:.0f}",
            times(f["runs_per_hour"], alone), number(f["steps_per_second"]), number(f["seconds"]),
            number(f["wall_seconds"]), number(f["peak_gpu_mb"] or None), "yes" if f["mps"] else "no",
        ]
        for f in found
    ]  # fmt: skip
    epochs = found[0]["epochs"] if found else 0
    header = [
        "runs at a time",
        "runs/hour",
        "relative to one",
        "steps/s per run",
        "s per run",
        "s in total, with start",
        "MB on the GPU",
        "MPS",
    ]
    return table(f"Runs that share a GPU: a GRU of 46 units, {epochs} epochs of music-sized data", header, rows)


def runs_table(parts: dict[str, Any]) -> str:
    """Return the table of whole runs."""
    rows = [
        [name, str(run["seed"]), run["status"], run["backend"] or "", number(run["steps_per_second"]),
         number(run["seconds"]), *(exact(run["metrics"].get(metric)) for metric in LOSSES)]
        for name, part in parts.items()
        if isinstance(part.get("result"), list)
        for run in part["result"]
    ]  # fmt: skip
    return table("Whole runs", ["part", "seed", "status", "backend", "steps/s", "seconds", *LOSSES], rows)


def exact(value: float | None) -> str:
    """Format with nine digits, which show whether two runs are equal."""
    return "" if value is None else f"{value:.9g}"


def synchronisation_table(parts: dict[str, Any]) -> str:
    """Return the table of steps that wait."""
    rows = []
    for name, found in ((parts.get("synchronisations") or {}).get("result") or {}).items():
        told = found.get("reason") or ", ".join(f"{place} {n}" for place, n in found["places"].items()) or "none"
        rows.append([name, str(found.get("steps", "")), str(sum(found.get("places", {}).values())), told])
    return table("Steps at which the CPU waited for the GPU", ["task, model", "steps", "waits", "where"], rows)


def parts_table(parts: dict[str, Any]) -> str:
    """Return the table of parts: how each ended, how long it took, and why it has no result."""
    rows = []
    for name, part in parts.items():
        told = part.get("reason") or part.get("unread") or ""
        if name == "tests" and part.get("result"):
            found = part["result"]
            told = f"{found['passed']} passed, {len(found['failed'])} failed, {len(found['skipped'])} skipped {told}"
        rows.append([name, str(part.get("rc", "")), number(part.get("seconds")), told.replace("|", "/").strip()])
    lines = [f"- failed: {one}" for one in ((parts.get("tests") or {}).get("result") or {}).get("failed", [])]
    skipped: dict[tuple[str, str], list[str]] = {}
    for precision, case in cases(parts):
        for skip in case["skipped"]:
            where = f"{skip['cell']} {shape_of(case)}{'' if precision == '32-true' else ' bf16'}"
            skipped.setdefault((skip["backend"], skip["reason"][:200]), []).append(where)
    lines += [
        f"- not measured with {backend}: {reason.removeprefix(f'backend={backend}: ')} ({', '.join(dict.fromkeys(at))})"
        for (backend, reason), at in skipped.items()
    ]
    return "\n".join([table("Parts", ["part", "rc", "seconds", "remarks"], rows), "", *lines])
