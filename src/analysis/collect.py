"""Read run directories as :class:`~src.analysis.run.Run` values; unreadable ones are listed and never fatal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from src.analysis.curves import Curve, thinned
from src.analysis.run import Run, read_run
from src.analysis.sequences import Sequences, sequences_of
from src.config.errors import UserError
from src.files import from_here
from src.runs.metrics_file import read_metrics
from src.runs.record import check_digests, read_record, read_sequences
from src.runs.result import Status
from src.runs.study_record import StudyRecord, read_planned, read_study
from src.runs.typed_json import Damaged, Unreadable

CONTENTS = {"checkpoints", "sequences", "wandb", ".hydra", "report", ".pilot"}  # folders that contain no runs
REST = ("metrics.csv", "checkpoints", "config.yaml")  # files of a run that never wrote a result.json
# Which of two records of one run is used.
ORDER: tuple[Status, ...] = ("finished", "diverged", "failed", "interrupted", "running")

Kind = Literal["study", "runs", "table", "pack"]  # of the places read
ProblemKind = Literal[
    "unreadable",  # not JSON, or an unknown schema
    "foreign",  # JSON, but not the record of a run
    "nameless",  # a run without a model, data set or seed
    "duplicate",  # the same id again
    "incomplete",  # metrics.csv or sequences cannot be read; the run itself is used
    "untrained",  # interrupted before
    "stale",  # from an earlier plan of its study
]


@dataclass(frozen=True)
class Problem:
    """A file or directory that could not be read as a run or was not used, and the reason."""

    kind: ProblemKind
    place: str
    sentence: str


@dataclass
class Collection:
    """Everything read from the places that were searched."""

    name: str  # name of the study, or of the place
    kind: Kind  # of the places
    places: list[str]  # directories or files
    runs: list[Run] = field(default_factory=list)  # each id once
    problems: list[Problem] = field(default_factory=list)  # what is not used, and why
    studies: list[StudyRecord] = field(default_factory=list)  # records from several machines or several studies
    curves: dict[str, Curve] = field(default_factory=dict)  # by run id
    # of the test set, by run id, for tested runs
    sequences: dict[str, Sequences] = field(default_factory=dict)
    # by study folder: ids of runs that belong to its current plan
    planned: dict[Path, set[str]] = field(default_factory=dict)

    @cached_property
    def study(self) -> StudyRecord | None:
        """The study's record; None if there is none, or if several studies are compared."""
        return merged(self.studies) if len({study.name for study in self.studies}) == 1 else None

    def note(self, kind: ProblemKind, place: str, sentence: str) -> None:
        """Add a problem to the list."""
        self.problems.append(Problem(kind, place, sentence))


def collect(places: Sequence[Path], kind: Kind) -> Collection:
    """Read every run below some directories, possibly from several machines.

    The collection is named after its study, or else after the first directory.

    Raises:
        UserError: a directory does not exist, none contains anything like a run, or the record of a study is
            damaged.
    """
    for place in places:
        if not place.is_dir():
            raise UserError(f"{place} must be a directory with runs, as in folders='[runs,other/runs]'.")
    collection = Collection(places[0].resolve().name, kind, [_near(place) for place in places])
    every = dict.fromkeys(directory for place in places for directory in directories(place.resolve()))
    for directory in every:
        _take_study(collection, directory)
    keys = tuned_keys(collection.studies)
    records: dict[str, list[tuple[Run, Path]]] = {}
    for directory in every:
        if (run := _take_run(collection, directory, keys)) is not None:
            records.setdefault(run.id, []).append((run, directory))
    for same in records.values():
        _take_best(collection, same)
    if not collection.runs and not collection.problems:
        raise UserError(f"There are no runs in {', '.join(collection.places)}: a run is a folder with a result.json.")
    if len({run.study for run in collection.runs} - {None}) > 1:
        collection.runs = [replace(r, arm=f"{r.study}/{r.arm}") if r.study else r for r in collection.runs]
    _tell_files_apart(collection)
    collection.runs.sort(key=lambda run: (run.data_name, run.arm, run.phase or "", run.model, run.seed, run.id))
    if collection.study:
        collection.name = collection.study.name
    return collection


def _tell_files_apart(collection: Collection) -> None:
    """Rename data sets that share a name but differ in content, so that they are never compared."""
    own = {run.id: run for run in collection.runs if run.study_job is None and run.data.notes.get("file")}
    files: dict[str, set[str]] = {}
    for run in own.values():
        files.setdefault(run.data_name, set()).add(str(run.data.notes["file"]))
    for k, run in enumerate(collection.runs):
        if run.id in own and len(files[run.data_name]) > 1:
            collection.runs[k] = replace(run, data_name=f"{run.data_name}@{str(run.data.notes['file'])[:6]}")


def _trained(directory: Path) -> bool:
    """Return whether a run had started to train: it has metrics, or checkpoints."""
    metrics, weights = directory / "metrics.csv", directory / "checkpoints"
    return (metrics.is_file() and metrics.stat().st_size > 0) or (weights.is_dir() and any(weights.iterdir()))


def directories(place: Path) -> Iterator[Path]:
    """Iterate over the directory and all below it that may contain a run or study, sorted by name."""
    for here, below, _ in os.walk(place):
        below[:] = sorted(name for name in below if name not in CONTENTS and not (Path(here) / name).is_symlink())
        yield Path(here)


def merged(studies: Sequence[StudyRecord]) -> StudyRecord:
    """Merge the records of a study from several machines, each with its own ``study.json``.

    The newest is the basis; draws, choices, extensions, changes, omissions, looks and margins of the others are
    added. The registration time is the earliest of all.
    """
    ordered = sorted(studies, key=lambda study: study.updated or 0)
    return replace(
        ordered[-1],
        draws=_joined(study.draws for study in ordered),
        chosen=_joined(study.chosen for study in ordered),
        changes=_distinct(change for study in ordered for change in study.changes),
        extensions=_distinct(extension for study in ordered for extension in study.extensions),
        left_out=_distinct(left for study in ordered for left in study.left_out),
        looks=sorted(_distinct(look for study in ordered for look in study.looks), key=lambda look: look.time),
        margins={data: made for study in ordered for data, made in study.margins.items()},
        registered=min((study.registered for study in ordered if study.registered), default=None),
    )


def _joined(by_data: Iterable[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Merge mappings by data set and arm, later ones overriding earlier ones."""
    joined: dict[str, dict[str, Any]] = {}
    for one in by_data:
        for data, by_arm in one.items():
            joined[data] = {**joined.get(data, {}), **by_arm}
    return joined


def _distinct(items: Iterable[Any]) -> list[Any]:
    every = list(items)
    return [item for place, item in enumerate(every) if item not in every[:place]]


def tuned_keys(studies: Iterable[StudyRecord]) -> list[str]:
    """Return the dotted keys that studies tune, or the learning rate if there is no study."""
    return list(dict.fromkeys(key for study in studies for key in study.plan.tuned)) or ["optimizer.lr"]


def _take_study(collection: Collection, directory: Path) -> None:
    """Add a study's record; a damaged one is an error, because it defines the question."""
    if (study := read_study(directory)) is None:
        return
    collection.studies.append(study)
    planned = read_planned(directory)
    if not planned and study.changes:
        sentence = "There is no planned.json, so runs of earlier plans cannot be told apart from those of this one."
        collection.note("incomplete", _near(directory), sentence)
    if now := {name for name, job in planned.items() if job.plan_hash == study.plan_hash}:
        collection.planned[directory] = now
    for link in sorted(directory / name for name in planned if (directory / name).is_symlink()):
        sentence = "It is a symbolic link, which is not followed: put the run's own folder there."
        collection.note("unreadable", str(from_here(link)), sentence)


def _take_run(collection: Collection, directory: Path, keys: Sequence[str]) -> Run | None:
    path = directory / "result.json"
    if not path.is_file():
        if any((directory / name).exists() for name in REST):
            sentence = "There is no result.json: the run crashed before it started, or was copied incompletely."
            collection.note("unreadable", _near(directory), sentence)
        return None
    if directory.name not in collection.planned.get(directory.parent, {directory.name}):
        sentence = "It belongs to an earlier plan of the study, source code, data file or results version."
        collection.note("stale", _near(directory), sentence)
        return None
    try:
        record = read_record(directory)
        assert record is not None
    except UserError as error:
        foreign = isinstance(error, Damaged) and not isinstance(error, Unreadable)
        collection.note("foreign" if foreign else "unreadable", _near(path), str(error))
        return None
    if record.study_job is None and record.status in ("failed", "interrupted") and not _trained(directory):
        # A failed one is an attempt: a mistyped command line, or a refused file.
        if record.status == "interrupted":
            sentence = "It was interrupted before it trained, and is not counted: start it again, or remove its folder."
            collection.note("untrained", _near(directory), sentence)
        return None
    try:
        check_digests(directory, record, "config.yaml")
    except UserError as error:
        collection.note("unreadable", _near(directory / "config.yaml"), str(error))
        return None
    try:
        return read_run(record, directory, _near(directory), keys)
    except UserError as error:
        collection.note("nameless", _near(directory), str(error))
        return None


def _take_best(collection: Collection, same: list[tuple[Run, Path]]) -> None:
    """Use the most advanced of several records with one id, and read curve and test losses of that one only."""
    same.sort(
        key=lambda pair: (ORDER.index(pair[0].status), not (pair[1] / "metrics.csv").exists(), -(pair[0].ended or 0.0))
    )
    (run, directory), others = same[0], same[1:]
    for other, _ in others:
        differ = other.status == run.status == "finished" and _tests(other) != _tests(run)
        words = ", and their test metrics differ" if differ else ""
        sentence = f"The run {run.id} ({run.status}) is also in {run.directory}, which is used instead{words}."
        collection.note("duplicate", other.place, sentence)
    try:
        check_digests(directory, run, "metrics.csv")
        best = run.best.epoch if run.best else None
        if (curve := thinned(read_metrics(directory / "metrics.csv"), best)) is not None:
            collection.curves[run.id] = curve
    except (UserError, KeyError, ValueError) as error:
        collection.note("incomplete", run.place, f"The curve cannot be read: {_said(error, run, directory)}")
    place = "sequences/test.npz"
    if _tests(run) and (place in run.digests or os.path.lexists(directory / place)):
        try:
            collection.sequences[run.id] = sequences_of(read_sequences(directory, "test", run))
        except (UserError, KeyError, ValueError, IndexError) as error:
            words = _said(error, run, directory)
            collection.note("incomplete", run.place, f"The per-sequence test losses cannot be read: {words}")
    collection.runs.append(replace(run, status="diverged") if _not_finite(run) else run)


def _said(error: Exception, run: Run, directory: Path) -> str:
    return f"{error}".replace(str(directory), run.place)


def _tests(run: Run) -> dict[str, float]:
    return {name: value for name, value in run.metrics.items() if name.startswith("test/")}


def _not_finite(run: Run) -> bool:
    """Return whether a run finished with a loss that is not finite, and so diverged whatever its status says."""
    losses = [value for name, value in run.metrics.items() if name in ("val/loss", "test/loss")]
    return run.status == "finished" and any(value != value or abs(value) == float("inf") for value in losses)


def _near(path: Path) -> str:
    """Return the path relative to the working folder where possible."""
    return str(from_here(Path(os.path.realpath(path))))  # which accepts a link to itself
