"""Run directories become :class:`~src.analysis.summary.Run` values; what cannot be read is listed, never fatal."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from src.analysis.curves import thinned
from src.analysis.read import read_run
from src.analysis.sequences import Sequences, sequences_of
from src.analysis.summary import Curve, Problem, Run
from src.config.errors import UserError
from src.runs.metrics_file import read_metrics
from src.runs.record import read_record_dict as read_record
from src.runs.record import read_sequences

CONTENTS = {"checkpoints", "sequences", "wandb", ".hydra", "report"}  # folders in which no run lies
REST = ("metrics.csv", "checkpoints", "config.yaml")  # what a run leaves that never had a result.json
ORDER = ("finished", "diverged", "failed", "interrupted", "running")  # which of two records of one run counts


@dataclass
class Collection:
    """What was found in the places that were looked through.

    >>> Collection("smoke", "runs", ["runs/smoke"]).runs
    []

    Args:
        name: of the study, or of the place.
        kind: ``study``, ``runs``, ``table`` or ``pack``.
        places: directories or files.
        runs: each id once.
        problems: what does not count, and why.
        studies: the contents of the ``study.json`` files, of several machines or several studies.
        curves: by run id.
        sequences: of the test set, by run id; of runs that were tested.
        planned: by study folder, the runs that belong to its plan as it is now.
    """

    name: str
    kind: str
    places: list[str]
    runs: list[Run] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    studies: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)
    sequences: dict[str, Sequences] = field(default_factory=dict)
    planned: dict[Path, set[str]] = field(default_factory=dict)

    @property
    def study(self) -> dict[str, Any]:
        """The study's record; empty where there is none, or where several studies are compared."""
        return merged(self.studies) if len({study.get("name") for study in self.studies}) == 1 else {}


def collect(places: Sequence[Path], kind: str, name: str | None = None) -> Collection:
    """Read every run below some directories, which may come from several machines.

    Args:
        places: directories of runs, studies, or single runs.
        kind: ``study`` or ``runs``.
        name: of the whole; None: as the study or the first directory is called.

    Raises:
        UserError: when a directory does not exist, or none holds anything that looks like a run.
    """
    for place in places:
        if not place.is_dir():
            raise UserError(f"{place} is not a directory: it must hold runs, as in folders='[runs,other/runs]'.")
    found = Collection(name or places[0].resolve().name, kind, [_near(place) for place in places])
    every = dict.fromkeys(directory for place in places for directory in directories(place.resolve()))
    for directory in every:
        _take_study(found, directory)
    keys = tuned_keys(found.studies)
    records: dict[str, list[tuple[Run, Path]]] = {}
    for directory in every:
        if (run := _take_run(found, directory, keys)) is not None:
            records.setdefault(run.id, []).append((run, directory))
    for same in records.values():
        _take_best(found, same)
    if not found.runs and not found.problems:
        raise UserError(f"There is no run in {', '.join(found.places)}: a run is a folder with a result.json.")
    if len({run.study for run in found.runs} - {None}) > 1:
        found.runs = [replace(r, arm=f"{r.study}/{r.arm}") if r.study else r for r in found.runs]
    found.runs.sort(key=lambda run: (run.data, run.arm, run.phase or "", run.model, run.seed, run.id))
    if name is None and found.study.get("name"):
        found.name = str(found.study["name"])
    return found


def directories(place: Path) -> Iterator[Path]:
    """The directory and all below it in which a run or a study may lie, in the order of their names."""
    for here, below, _ in os.walk(place):
        below[:] = sorted(name for name in below if name not in CONTENTS and not (Path(here) / name).is_symlink())
        yield Path(here)


def merged(studies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One record of a study that several machines worked on, each with its own ``study.json``.

    The newest counts; what the others drew, chose, extended, changed or left out is added. It was registered when the
    first of them was.
    """
    ordered = sorted(studies, key=lambda study: study.get("updated") or 0)
    found = dict(ordered[-1])
    for key in ("draws", "chosen"):
        found[key] = {}
        for study in ordered:
            for data, value in (study.get(key) or {}).items():
                found[key][data] = {**found[key].get(data, {}), **value}
    for key in ("changes", "extensions", "left_out"):
        every = [item for study in ordered for item in study.get(key) or []]
        found[key] = [item for place, item in enumerate(every) if item not in every[:place]]
    found["registered"] = min((study["registered"] for study in ordered if study.get("registered")), default=None)
    return found


def tuned_keys(studies: Iterable[dict[str, Any]]) -> list[str]:
    """The dotted keys that studies tune; the learning rate where there is no study."""
    plans = [study.get("plan") or {} for study in studies]
    keys = [key for plan in plans for key in (plan.get("tuning") or {}).get("draws", {})]
    return list(dict.fromkeys(keys)) or ["optimizer.lr"]


def _take_study(found: Collection, directory: Path) -> None:
    path = directory / "study.json"
    if not path.is_file():
        return
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict) or not isinstance(content.get("plan"), dict):
            raise ValueError("it holds no plan")
    except (OSError, ValueError) as error:
        found.problems.append(Problem("unreadable", _near(path), f"study.json cannot be read: {error}."))
        return
    found.studies.append(content)
    try:
        planned = json.loads((directory / "planned.json").read_text())
        now = {name for name, job in planned.items() if job.get("plan_hash") == content.get("plan_hash")}
    except (OSError, ValueError, AttributeError):
        return
    if now:
        found.planned[directory] = now


def _take_run(found: Collection, directory: Path, keys: Sequence[str]) -> Run | None:
    path = directory / "result.json"
    if not path.is_file():
        if any((directory / name).exists() for name in REST):
            sentence = "There is no result.json: the run died before it began, or was copied in part."
            found.problems.append(Problem("unreadable", _near(directory), sentence))
        return None
    if directory.name not in found.planned.get(directory.parent, {directory.name}):
        sentence = "It belongs to an earlier plan of the study, or to an earlier results version."
        found.problems.append(Problem("stale", _near(directory), sentence))
        return None
    try:
        record = read_record(directory)
        assert record is not None
    except (UserError, UnicodeDecodeError) as error:
        found.problems.append(Problem("unreadable", _near(path), str(error)))
        return None
    try:
        return read_run(record, directory, _near(directory), keys)
    except UserError as error:
        found.problems.append(Problem("nameless", _near(directory), str(error)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        sentence = f"It does not hold what a run's record holds ({type(error).__name__}: {error})."
        found.problems.append(Problem("foreign", _near(path), sentence))
    return None


def _take_best(found: Collection, same: list[tuple[Run, Path]]) -> None:
    """Of several records with one id, the one that came furthest counts; curve and test losses are read of it alone."""
    same.sort(key=lambda pair: (ORDER.index(pair[0].status), not _whole(pair[1]), -(pair[0].ended or 0.0)))
    (run, directory), others = same[0], same[1:]
    for other, _ in others:
        differ = other.status == run.status == "finished" and _tests(other) != _tests(run)
        words = ", and their test metrics differ" if differ else ""
        sentence = f"The run {run.id} ({run.status}) is also in {run.directory}, which counts{words}."
        found.problems.append(Problem("duplicate", other.directory or other.id, sentence))
    try:
        if (curve := thinned(read_metrics(directory / "metrics.csv"), run)) is not None:
            found.curves[run.id] = curve
    except (UserError, OSError, ValueError) as error:
        sentence = str(error).replace(str(directory), run.directory or run.id)
        found.problems.append(Problem("incomplete", run.directory or run.id, f"The curve cannot be read: {sentence}"))
    if any(name.startswith("test/") for name in run.metrics):
        try:
            found.sequences[run.id] = sequences_of(read_sequences(directory, "test"))
        except FileNotFoundError:
            pass
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            sentence = f"sequences/test.npz cannot be read ({type(error).__name__}: {error})."
            found.problems.append(Problem("incomplete", run.directory or run.id, sentence))
    found.runs.append(replace(run, status="diverged") if _not_finite(run) else run)


def _whole(directory: Path) -> bool:
    return (directory / "metrics.csv").exists()


def _tests(run: Run) -> dict[str, float]:
    return {name: value for name, value in run.metrics.items() if name.startswith("test/")}


def _not_finite(run: Run) -> bool:
    """A run that came to its end with a loss that is no number has diverged, whatever it says."""
    losses = [value for name, value in run.metrics.items() if name in ("val/loss", "test/loss")]
    return run.status == "finished" and any(value != value or abs(value) == float("inf") for value in losses)


def _near(path: Path) -> str:
    """The path as one would type it here."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
