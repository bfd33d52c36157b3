"""Read and write packs: a study as a small folder to commit, with all that a comparison needs but no weights or logs.

=================== ==============================================================================================
``pack.json``        schema, name, what could not be read, digests of the other files
``study.json``       the records of the study
``runs.jsonl``       one line per run (:func:`src.analysis.run.flat`), including trials
``curves.jsonl``     one line per run: its thinned learning curve
``sequences.npz``    sums over test sequences, one group per test set; arrays of numbers and ids, no pickle
``looks.json``       looks taken outside a plan, if any (:mod:`src.analysis.looked`)
=================== ==============================================================================================

All files but the arrays are text that a diff can show.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from src.analysis.collect import Collection, Problem
from src.analysis.curves import Curve
from src.analysis.run import Run, flat, from_flat
from src.analysis.sequences import Sequences
from src.arrays import read_arrays
from src.config.errors import UserError
from src.config.in_words import one_line
from src.files import read_limited, write_atomically
from src.runs.study_record import parse_study
from src.runs.typed_json import sealed

SCHEMA = 1
LARGEST = 256 << 20  # bytes of a file; the packs of the largest studies here take a few million bytes
T = TypeVar("T")
BLANK = {**flat(Run(id="", seed=-1, status="finished")), "declared": {}}


def write_pack(collection: Collection, directory: Path) -> list[Path]:
    """Write the records of a study into a folder, usually ``experiments/NAME``, replacing earlier ones.

    The files, whose paths are returned, give the study's directory as ``runs/NAME``, wherever it was.
    """
    home = f"runs/{collection.name}"
    curves = sorted(collection.curves.items())
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **_arrays(collection.sequences))  # type: ignore[arg-type]
    files = {
        "study.json": ("[" + ",".join(sealed(study).decode() for study in collection.studies) + "]\n").encode(),
        "runs.jsonl": _lines(_line(run, home) for run in collection.runs),
        "curves.jsonl": _lines({"run": run_id, **dataclasses.asdict(curve)} for run_id, curve in curves),
        "sequences.npz": arrays.getvalue(),
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    problems = [dataclasses.asdict(p) for p in collection.problems]
    head = {"schema": SCHEMA, "name": collection.name, "problems": problems, "digests": digests}
    text = json.dumps(head, indent=1)
    for place in collection.places:
        text = text.replace(place, home)
    files = {"pack.json": f"{text}\n".encode(), **files}
    for name, content in files.items():
        write_atomically(directory / name, lambda out, content=content: out.write(content))  # type: ignore[misc]
    return [directory / name for name in files]


def read_pack(directory: Path) -> Collection:
    """Read the records of a study from a folder written by :func:`write_pack`.

    Raises:
        UserError: the folder is not a pack, or a file is damaged.
    """
    if not (directory / "pack.json").is_file():
        raise UserError(f"{directory} has no pack.json: it must be a folder written by python -m src.compare pack=...")
    head = _parsed(directory / "pack.json", {}, _head)
    digests = head.get("digests", {})  # missing in packs of earlier versions

    def parsed(name: str, parse: Callable[[bytes, Path], T]) -> T:
        return _parsed(directory / name, digests, parse)

    return Collection(
        name=head["name"],
        kind="pack",
        places=[str(directory)],
        runs=parsed("runs.jsonl", lambda content, path: [from_flat(line, path) for line in _each(content)]),
        problems=[Problem(**problem) for problem in head["problems"]],
        studies=parsed("study.json", lambda content, path: [parse_study(s, path) for s in json.loads(content)]),
        curves=parsed("curves.jsonl", lambda content, _: {c.pop("run"): Curve(**c) for c in _each(content)}),
        sequences=parsed("sequences.npz", lambda _, path: _sequences(path)),
    )


def _parsed(path: Path, digests: Mapping[str, str], parse: Callable[[bytes, Path], T]) -> T:
    """Read and parse a file of a pack.

    Raises:
        UserError: the file is damaged.
    """
    try:
        content = read_limited(path, LARGEST)
        if digests.get(path.name, digest := hashlib.sha256(content).hexdigest()) != digest:
            raise UserError(f"{path} is damaged or was changed: its digest differs from the one in pack.json.")
        return parse(content, path)
    except UserError:
        raise
    except Exception as error:  # damaged content may raise anything
        words = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {one_line(str(error))}"
        words = str(words)[:200]
        raise UserError(f"{path} is damaged ({words}): write it again with python -m src.compare pack=...") from error


def _head(content: bytes, path: Path) -> dict[str, Any]:
    head: dict[str, Any] = json.loads(content)
    if head["schema"] > SCHEMA:
        raise UserError(f"{path.parent} was written by a later version (schema {head['schema']}): update GateBench.")
    if not isinstance(head["name"], str):
        raise TypeError("its name is not text")
    _ = [Problem(**problem) for problem in head["problems"]]
    return head


def _line(run: Run, home: str) -> dict[str, Any]:
    """Return a run as a dict, without values at their defaults."""
    whole = {**flat(run), "directory": f"{home}/{run.id}"}
    whole["declared"] = {name: dataclasses.asdict(metric) for name, metric in run.declared.items()}
    return {name: _spelled(value) for name, value in whole.items() if value != BLANK[name]}


def _spelled(value: Any) -> Any:
    """Replace numbers that are not finite by their names, because JSON has no infinity, and drop None."""
    if isinstance(value, dict):
        return {key: _spelled(inner) for key, inner in value.items() if inner is not None}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _lines(values: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n" for value in values).encode()


def _each(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().split("\n") if line]


def _arrays(sequences: dict[str, Sequences]) -> dict[str, np.ndarray]:
    """Return arrays grouped by test set: ``0/ids`` (runs,), ``0/column/loss`` (runs, sequences)."""
    groups: dict[tuple[str, int, bool, tuple[str, ...]], list[str]] = {}
    for run_id, of in sorted(sequences.items()):
        groups.setdefault((of.rows, of.number, of.windows, tuple(sorted(of.columns))), []).append(run_id)
    arrays: dict[str, np.ndarray] = {}
    for place, ((rows, number, windows, columns), ids) in enumerate(groups.items()):
        arrays[f"{place}/ids"] = np.array(ids)
        arrays[f"{place}/rows"] = np.array([rows])
        arrays[f"{place}/number"] = np.array([number])
        if windows:
            arrays[f"{place}/windows"] = np.array([1])
        for column in columns:
            arrays[f"{place}/column/{column}"] = np.stack([sequences[run_id].columns[column] for run_id in ids])
    return arrays


def _sequences(path: Path) -> dict[str, Sequences]:
    sequences: dict[str, Sequences] = {}
    arrays = read_arrays(path)
    for name in arrays:
        if not name.endswith("/ids"):
            continue
        group = name.removesuffix("ids")
        start = f"{group}column/"
        columns = {other.removeprefix(start): array for other, array in arrays.items() if other.startswith(start)}
        rows, number = str(arrays[f"{group}rows"][0]), int(arrays[f"{group}number"][0])
        for place, run_id in enumerate(arrays[name]):
            sums = {n: values[place] for n, values in columns.items()}
            sequences[str(run_id)] = Sequences(rows, number, sums, f"{group}windows" in arrays)
    return sequences
