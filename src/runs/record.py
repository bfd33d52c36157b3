"""A run on disk: one directory that stands alone, with ``result.json`` as its summary.

===================== =====================================================================================
``config.yaml``        the resolved config; everything is rebuilt from it
``metrics.csv``        every logged value by step, the truth that wandb mirrors
``checkpoints/``       ``best.ckpt`` (weights) and ``last.ckpt`` (everything needed to go on)
``sequences/``         ``val.npz`` and ``test.npz``: one entry per sequence (row in the split, item of the data, loss,
                       count, further sums, prediction, target; of windows series, lookback and horizon)
``series.csv``         of forecasts of several series, the test metrics of each
``result.json``        status, metrics, parameters, timing, versions (:class:`RunResult`), always whole
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

HEARTBEAT = 20.0  # seconds between two signs of life
STALE = 90.0  # seconds after which a run without a sign of life is taken for dead
# What a run leaves in its directory beside its config and its record.
LEFT = (
    *("metrics.csv", "checkpoints", "sequences", "series.csv", "traceback.txt"),
    *("inside", "predictions", "generated", "model.onnx"),
)
DIGESTED = ("config.yaml", "metrics.csv", "checkpoints/*.ckpt", "sequences/*.npz")  # what never changes after the end

STAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{6}")  # the name of a run's folder that was not given one


class Busy(UserError):
    """Another process holds the directory of a run."""


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
        self._facts: dict[str, Any] = {}  # that it was begun with
        self._guard = threading.RLock()
        self._over = threading.Event()
        self._lock_file: IO[str] | None = None

    @property
    def begun(self) -> bool:
        """Whether :meth:`begin` has taken the directory."""
        return self._result is not None

    @property
    def result(self) -> RunResult:
        """What stands in ``result.json``; a run that has not begun has none."""
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
        """Take the directory, write the config and ``result.json`` with status ``running``, and show signs of life.

        A run that has no id yet gets this one, or the directory's name; ``once`` refuses a run that has come to its end
        before; ``anew`` removes the run that is there; facts are further fields of :class:`RunResult`.

        Raises:
            Busy: when another process is at work in the directory, or has just finished there.
            UserError: a symbolic link in it would lead the writing elsewhere.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.hold()
        assert self._lock_file is not None
        # What an earlier attempt in this directory wrote stays, but for how it ended.
        earlier = None if anew else read_record(self.directory)
        earlier = earlier or RunResult(id or self.directory.name, seed, started=time.time())
        if once and earlier.ended_for_good:
            self._lock_file.close()
            raise Busy(f"Another process has just finished the run in {self.directory}: there is nothing left to do.")
        self.write_config(config)
        self._facts = {"status": "running", "error": None, "digests": {}, "seed": seed, **facts}
        self._facts["attempts"] = earlier.attempts + 1
        self._result = replaced(earlier, **self._facts)
        if anew:
            shutil.rmtree(self.directory / "wandb", ignore_errors=True)  # of a run with another id
            self.forget()
        self.write()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def hold(self) -> None:
        """Keep other processes out of the directory, which must be there; :meth:`begin` does it where it is not done.

        Raises:
            Busy: another process is at work in it.
            UserError: a symbolic link in it would lead the writing elsewhere.
        """
        if self._lock_file is not None and not self._lock_file.closed:
            return
        refuse_links(self.directory)
        self._lock_file = open(self.directory / ".lock", "w")  # noqa: SIM115 - held as long as the run
        for wait in (0.01, 0.1, None):  # others look whether it is held, and hold it that long
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if wait is not None:
                    time.sleep(wait)
        self._lock_file.close()
        raise Busy(f"Another process is at work in {self.directory}: let it finish or stop it first.")

    def forget(self) -> None:
        """Remove what an earlier run left in the directory, and all that its record said but the id."""
        for path in (self.directory / name for name in LEFT):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        with self._guard:
            self._result = replaced(RunResult(self.result.id, self.result.seed, started=time.time()), **self._facts)
            self.write()

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.yaml``, whole or not at all."""
        text = OmegaConf.to_yaml(OmegaConf.create(dict(config)))
        write_atomically(self.directory / "config.yaml", lambda out: out.write(text.encode()))

    def note(self, **facts: Any) -> None:
        """Put facts into the record, by the fields of :class:`RunResult`; dicts are merged with what is there."""
        with self._guard:
            for name, value in facts.items():
                if isinstance(here := getattr(self.result, name), dict):
                    facts[name] = {**here, **value}
            self._result = replaced(self.result, **facts)
            self.write()

    def end(self, status: Status, error: str | None = None) -> None:
        """Write the final status, where the run came to its end the digests of its files, and leave the directory."""
        self._over.set()
        digests = digests_of(self.directory) if status in ENDED else {}
        with self._guard:
            now = time.time()
            self._result = replaced(self.result, status=status, ended=now, heartbeat=now, error=error, digests=digests)
            write_json(self.directory / "result.json", sealed(self._result) if digests else self._result)
        if self._lock_file is not None:
            self._lock_file.close()

    def leave(self) -> None:
        """Leave the directory to others, whatever the record says."""
        self._over.set()
        if self._lock_file is not None:
            self._lock_file.close()

    def write(self) -> None:
        """Write ``result.json``, whole or not at all."""
        with self._guard:
            self.result.heartbeat = time.time()
            write_json(self.directory / "result.json", self.result)

    def write_sequences(self, split: str, columns: Mapping[str, np.ndarray]) -> None:
        """Write one entry per sequence of a split to ``sequences/<split>.npz``."""
        arrays = dict(columns)
        path = self.directory / "sequences" / f"{split}.npz"
        write_atomically(path, lambda out: np.savez_compressed(out, **arrays))  # type: ignore[arg-type]

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT):
            with self._guard:
                if not self._over.is_set():
                    with suppress(UserError):  # no room: training may need none, and says so where it does
                        self.write()


def holds_run(directory: Path) -> bool:
    """Whether a run, or a part of one, lies in a directory."""
    return any((directory / name).exists() for name in ("result.json", "config.yaml", *LEFT))


def point_latest(runs_dir: Path, directory: Path) -> None:
    """Let ``runs_dir/latest`` be a link to the run that was last finished, so that commands can name it."""
    link = runs_dir / "latest"
    if not runs_dir.is_dir() or (link.exists() and not link.is_symlink()):
        return
    remove_unfinished_latest(runs_dir)
    beside = runs_dir / f".latest.{os.getpid()}"
    with suppress(FileNotFoundError, FileExistsError):  # another process is at the same, and its run is as new
        beside.symlink_to(os.path.relpath(directory, runs_dir))
        os.replace(beside, link)


def remove_unfinished_latest(runs_dir: Path) -> None:
    """Remove what a process left that was killed in :func:`point_latest`."""
    for left in runs_dir.glob(".latest.*"):
        if left.is_symlink():
            left.unlink(missing_ok=True)


def remove_shells(runs_dir: Path) -> None:
    """Remove the folders of runs, named by their time, whose process was killed before it had written a record.

    A living one holds the lock of its folder, but for its first moments.
    """
    for folder in runs_dir.glob("*"):
        if folder.is_symlink() or not STAMP.fullmatch(folder.name) or not folder.is_dir():
            continue
        if {path.name for path in folder.glob("*")} <= SHELL:
            here = folder / ".lock"
            if not (is_held(folder) if here.exists() else time.time() - folder.stat().st_mtime < STALE):
                shutil.rmtree(folder, ignore_errors=True)


def read_record(directory: Path) -> RunResult | None:
    """A run's ``result.json``; a run whose process died says ``interrupted``. None where there is none.

    Raises:
        UserError: when the file is damaged, or of a schema that this version does not know.
    """
    result = read_result(directory / "result.json")
    if result is not None and result.status == "running" and not _alive(directory, result.heartbeat):
        result.status = "interrupted"
    return result


def find_runs(runs_dir: Path) -> Iterator[tuple[Path, RunResult]]:
    """Every run below a directory, with its record, the newest first; one that cannot be read is left out, and said."""
    runs = []
    for path in runs_dir.rglob("result.json"):
        if path.parent.is_symlink():  # runs/latest
            continue
        try:
            if (result := read_record(path.parent)) is not None:
                runs.append((path.parent, result))
        except UserError as error:
            log.warning("A run is left out: %s", error)
    yield from sorted(runs, key=lambda run: -(run[1].started or 0.0))


def read_sequences(directory: Path, split: str, record: RunResult | None = None) -> dict[str, np.ndarray]:
    """The arrays of ``sequences/<split>.npz`` (see :class:`RunRecord`), held against the run's record if it is given.

    Raises:
        UserError: the file is not there, damaged, or not the one that the record was written of.
    """
    if record is not None:
        check_digests(directory, record, f"sequences/{split}.npz")
    return read_arrays(directory / "sequences" / f"{split}.npz")


def digests_of(directory: Path) -> dict[str, str]:
    """SHA-256 of a run's files that never change after its end, by path in the directory."""
    return {name: _sha256(directory / name) for name in _digested(directory)}


def _digested(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for pattern in DIGESTED for path in directory.glob(pattern))


def check_digests(directory: Path, record: RunResult, *names: str) -> None:
    """Hold files of a run, or all that are there, against the digests in its record; older versions have none.

    Raises:
        UserError: a file is not what it was when the run ended.
    """
    for name in names or _digested(directory):
        path, expected = directory / name, record.digests.get(name)
        if expected is None:
            continue
        if not path.is_file():
            raise UserError(f"{path} is missing, which the run wrote: put a copy there, or train the run again.")
        if _sha256(path) == expected:
            continue
        if name != "config.yaml" or not _is_config_of(path, record):
            raise UserError(
                f"{path} is not what it was when the run ended (result.json has another digest of it): it was damaged "
                "or changed; put a whole copy there, or train the run again."
            )


def _is_config_of(path: Path, record: RunResult) -> bool:
    """Whether a config is the run's in everything that counts: its places, such as data.path, may be changed."""
    try:
        config = checked(read_resolved(path), path)
    except UserError:
        return False
    if record.backend is None or record.identity is None:
        return False
    facts = {"backend": record.backend.name, "precision": str(record.backend.precision)}
    return identity(config, **facts, data_checksum=str(record.data.checksum)) == record.identity


def _alive(directory: Path, heartbeat: float | None) -> bool:
    """Whether a run that says it is running has shown signs of life, and no process of this machine knows better."""
    if time.time() - (heartbeat or 0.0) > STALE:
        return False
    return not (directory / ".lock").exists() or is_held(directory)


def is_held(directory: Path) -> bool:
    """Whether a living process holds a run's directory, from before it has written there to its end."""
    try:
        with open(directory / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # held by its process, or a file system on which that cannot be told
        return True
    return False


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
