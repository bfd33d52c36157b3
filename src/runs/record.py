"""A run on disk: one self-contained directory, summarised in ``result.json``.

===================== =====================================================================================
``config.yaml``        the resolved config; everything is rebuilt from it
``metrics.csv``        every logged value by step, the original that wandb mirrors
``checkpoints/``       ``best.ckpt`` (weights) and ``last.ckpt`` (everything needed to resume)
``sequences/``         ``val.npz`` and ``test.npz``: one entry per sequence (row in the split, item of the data, loss,
                                              count, further sums, prediction, target; for windows also series, lookback
                                              and horizon)
``series.csv``         for forecasts of several series, the test metrics of each
``result.json``        status, metrics, parameters, timing, versions (:class:`RunResult`), written atomically
===================== =====================================================================================
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from omegaconf import OmegaConf

from src.arrays import read_arrays
from src.config.errors import UserError
from src.config.places import SHELL
from src.files import refuse_links, write_atomically
from src.runs.config_file import checked, read_resolved
from src.runs.identity import identity
from src.runs.result import ENDED, RunResult, Status, read_result, sealed
from src.runs.typed_json import replaced, write_json

log = logging.getLogger(__name__)

HEARTBEAT = 20.0  # seconds between heartbeats
STALE = 90.0  # seconds without a heartbeat after which a run is considered dead
# Files of a run besides its config and its record.
LEFT = (
    *("metrics.csv", "checkpoints", "sequences", "series.csv", "traceback.txt"),
    *("inside", "predictions", "generated", "model.onnx"),
)
DIGESTED = (
    "config.yaml",
    "metrics.csv",
    "checkpoints/*.ckpt",
    "sequences/*.npz",
)  # unchanged after the end

STAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{6}")  # the default name of a run's folder


class Busy(UserError):
    """Another process holds the run's directory."""


class RunRecord:
    """The directory of a run being written.

    >>> import tempfile
    >>> record = RunRecord(Path(tempfile.mkdtemp()))
    >>> record.begin({"seed": 0}, seed=0)
    >>> record.note(metrics={"test/acc": 0.9})
    >>> record.end("finished")
    >>> record.result.metrics
    {'test/acc': 0.9}
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._result: RunResult | None = None
        self._facts: dict[str, Any] = {}  # facts given when it began
        self._guard = threading.RLock()
        self._over = threading.Event()
        self._lock_file: IO[str] | None = None

    @property
    def begun(self) -> bool:
        """Whether :meth:`begin` has taken the directory."""
        return self._result is not None

    @property
    def result(self) -> RunResult:
        """The content of ``result.json``; available once the run has begun."""
        assert self._result is not None, "the run has not begun"
        return self._result

    @property
    def checkpoints(self) -> Path:
        """The folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.directory / "checkpoints"

    def begin(
        self,
        config: Mapping[str, Any],
        *,
        seed: int,
        id: str | None = None,
        once: bool = False,
        anew: bool = False,
        **facts: Any,
    ) -> None:
        """Lock the directory, write the config and ``result.json`` with status ``running``, and start the heartbeat.

        A run without an id gets this one, or the directory's name; ``once`` refuses a run that has already finished;
        ``anew`` removes an existing run; facts are further fields of :class:`RunResult`.

        Raises:
            Busy: another process is using the directory, or has just finished there.
            UserError: a symbolic link would redirect the writing.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.hold()
        # Keep what an earlier attempt wrote, except how it ended.
        earlier = None if anew else read_record(self.directory)
        earlier = earlier or RunResult(id or self.directory.name, seed, started=time.time())
        if once and earlier.ended_for_good:
            self.leave()
            raise Busy(f"Another process has just finished the run in {self.directory}.")
        self.write_config(config)
        self._facts = {"status": "running", "error": None, "digests": {}, "seed": seed, **facts}
        self._facts["attempts"] = earlier.attempts + 1
        self._result = replaced(earlier, **self._facts)
        if anew:
            shutil.rmtree(self.directory / "wandb", ignore_errors=True)  # from a run with another id
            self.forget()
        self.write()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def hold(self) -> None:
        """Lock an existing directory against other processes; otherwise :meth:`begin` does it.

        Raises:
            Busy: another process is using the directory.
            UserError: a symbolic link would redirect the writing.
        """
        if self._lock_file is not None and not self._lock_file.closed:
            return
        refuse_links(self.directory)
        self._lock_file = open(self.directory / ".lock", "w")  # noqa: SIM115 - held as long as the run
        for wait in (0.01, 0.1, None):  # others lock it briefly to check whether it is held
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if wait is not None:
                    time.sleep(wait)
        self._lock_file.close()
        raise Busy(f"Another process is using {self.directory}: wait for it or stop it first.")

    def forget(self) -> None:
        """Remove an earlier run's files from the directory, and everything in its record but the id."""
        for path in (self.directory / name for name in LEFT):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        with self._guard:
            self._result = replaced(RunResult(self.result.id, self.result.seed, started=time.time()), **self._facts)
            self.write()

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.yaml`` atomically."""
        text = OmegaConf.to_yaml(OmegaConf.create(dict(config)))
        write_atomically(self.directory / "config.yaml", lambda out: out.write(text.encode()))

    def note(self, **facts: Any) -> None:
        """Add facts to the record, by field of :class:`RunResult`; dicts are merged."""
        with self._guard:
            for name, value in facts.items():
                if isinstance(here := getattr(self.result, name), dict):
                    facts[name] = {**here, **value}
            self._result = replaced(self.result, **facts)
            self.write()

    def end(self, status: Status, error: str | None = None) -> None:
        """Write the final status, with digests of the files if the run finished, and unlock the directory."""
        self._over.set()
        digests = digests_of(self.directory) if status in ENDED else {}
        with self._guard:
            now = time.time()
            self._result = replaced(self.result, status=status, ended=now, heartbeat=now, error=error, digests=digests)
            write_json(self.directory / "result.json", sealed(self._result) if digests else self._result)
        self.leave()

    def leave(self) -> None:
        """Unlock the directory, whatever the record's status."""
        self._over.set()
        if self._lock_file is not None:
            self._lock_file.close()

    def write(self) -> None:
        """Write ``result.json`` atomically."""
        with self._guard:
            self.result.heartbeat = time.time()
            write_json(self.directory / "result.json", self.result)

    def write_sequences(self, split: str, columns: Mapping[str, np.ndarray]) -> None:
        """Write one entry per sequence of a split to ``sequences/<split>.npz``."""
        path = self.directory / "sequences" / f"{split}.npz"
        write_atomically(path, lambda out: np.savez_compressed(out, **columns))  # type: ignore[arg-type]

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT):
            with self._guard:
                if not self._over.is_set():
                    with suppress(UserError):  # disk full: training may not need space, and reports it if it does
                        self.write()


def holds_run(directory: Path) -> bool:
    """Return whether a directory has a run, or part of one."""
    return any((directory / name).exists() for name in ("result.json", "config.yaml", *LEFT))


def point_latest(runs_dir: Path, directory: Path) -> None:
    """Link ``runs_dir/latest`` to the run that finished last, so that commands can name it."""
    link = runs_dir / "latest"
    if not runs_dir.is_dir() or (link.exists() and not link.is_symlink()):
        return
    remove_unfinished_latest(runs_dir)
    beside = runs_dir / f".latest.{os.getpid()}"
    with suppress(FileNotFoundError, FileExistsError):  # another process is doing the same, and its run is as recent
        beside.symlink_to(os.path.relpath(directory, runs_dir))
        os.replace(beside, link)


def remove_unfinished_latest(runs_dir: Path) -> None:
    """Remove the leftovers of a process killed in :func:`point_latest`."""
    for left in runs_dir.glob(".latest.*"):
        if left.is_symlink():
            left.unlink(missing_ok=True)


def remove_shells(runs_dir: Path) -> None:
    """Remove time-stamped run folders whose process was killed before it had written a record.

    A live process holds the lock of its folder, except in its first moments.
    """
    for folder in runs_dir.glob("*"):
        if folder.is_symlink() or not STAMP.fullmatch(folder.name) or not folder.is_dir():
            continue
        if {path.name for path in folder.glob("*")} <= SHELL:
            here = folder / ".lock"
            if not (is_held(folder) if here.exists() else time.time() - folder.stat().st_mtime < STALE):
                shutil.rmtree(folder, ignore_errors=True)


def read_record(directory: Path) -> RunResult | None:
    """Read a run's ``result.json``, with status ``interrupted`` if its process died; None if there is none.

    Raises:
        UserError: the file is damaged, or has an unknown schema.
    """
    result = read_result(directory / "result.json")
    if result is not None and result.status == "running" and not _alive(directory, result.heartbeat):
        result.status = "interrupted"
    return result


def find_runs(runs_dir: Path) -> Iterator[tuple[Path, RunResult]]:
    """Iterate over every run below a directory with its record, newest first; unreadable ones are logged."""
    runs = []
    for path in runs_dir.rglob("result.json"):
        if path.parent.is_symlink():  # runs/latest
            continue
        try:
            if (result := read_record(path.parent)) is not None:
                runs.append((path.parent, result))
        except UserError as error:
            log.warning("Skipping a run: %s", error)
    yield from sorted(runs, key=lambda run: -(run[1].started or 0.0))


def read_sequences(directory: Path, split: str, record: RunResult | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of ``sequences/<split>.npz`` (see :class:`RunRecord`), checked against ``record`` if given.

    Raises:
        UserError: the file is missing, damaged, or differs from the recorded one.
    """
    if record is not None:
        check_digests(directory, record, f"sequences/{split}.npz")
    return read_arrays(directory / "sequences" / f"{split}.npz")


def digests_of(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of a run's files that never change after its end, by path in the directory."""
    return {name: _sha256(directory / name) for name in _digested(directory)}


def _digested(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for pattern in DIGESTED for path in directory.glob(pattern))


def check_digests(directory: Path, record: RunResult, *names: str) -> None:
    """Check files of a run, or all existing ones, against the digests in its record; older versions have none.

    Raises:
        UserError: a file has changed since the run ended.
    """
    for name in names or _digested(directory):
        path, expected = directory / name, record.digests.get(name)
        if expected is None:
            continue
        if not path.is_file():
            raise UserError(f"{path}, which the run wrote, is missing: restore a copy, or train the run again.")
        if _sha256(path) == expected:
            continue
        if name != "config.yaml" or not _is_config_of(path, record):
            raise UserError(
                f"{path} was damaged or changed after the run ended (its digest differs from result.json): restore "
                "an intact copy, or train the run again."
            )


def _is_config_of(path: Path, record: RunResult) -> bool:
    """Return whether a config is the run's own in everything except paths such as data.path, which may change."""
    try:
        config = checked(read_resolved(path), path)
    except UserError:
        return False
    if record.backend is None or record.identity is None:
        return False
    facts = {"backend": record.backend.name, "precision": str(record.backend.precision)}
    checksum = str(record.data.checksum)
    return identity(config, **facts, data_checksum=checksum, sources=record.sources) == record.identity


def _alive(directory: Path, heartbeat: float | None) -> bool:
    """Return whether a running run has a recent heartbeat, and no process on this machine contradicts it."""
    if time.time() - (heartbeat or 0.0) > STALE:
        return False
    return not (directory / ".lock").exists() or is_held(directory)


def is_held(directory: Path) -> bool:
    """Return whether a live process holds a run's directory, from before its first write to its end."""
    try:
        with open(directory / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # locked by its process, or a file system without locks
        return True
    return False


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
