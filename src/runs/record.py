"""A run on disk: one directory that stands alone, with ``result.json`` as its summary.

===================== =====================================================================================
``config.yaml``        the resolved config; everything is rebuilt from it
``metrics.csv``        every logged value by step, the truth that wandb mirrors
``checkpoints/``       ``best.ckpt`` (weights) and ``last.ckpt`` (everything needed to go on)
``sequences/``         ``val.npz`` and ``test.npz``: one entry per sequence (row, loss, count, prediction, target)
``result.json``        status, metrics, parameters, timing, versions (:data:`SCHEMA`), always whole
===================== =====================================================================================
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from omegaconf import OmegaConf

from src.config.errors import UserError
from src.files import write_atomically

SCHEMA = 1
HEARTBEAT = 20.0  # seconds between two signs of life
STALE = 90.0  # seconds after which a run without a sign of life is taken for dead

Status = Literal["running", "finished", "diverged", "failed", "interrupted"]


class Busy(UserError):
    """Another process holds the directory of a run."""


class RunRecord:
    """The directory of a run being written.

    >>> # record = RunRecord(Path("runs/mine"))
    >>> # record.begin({"seed": 0}); record.note(metrics={"test/acc": 0.9}); record.end("finished")

    Args:
        directory: the run's directory; made if it is not there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.content: dict[str, Any] = {}
        self._guard = threading.RLock()
        self._over = threading.Event()
        self._lock_file: IO[str] | None = None

    @property
    def checkpoints(self) -> Path:
        """The folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.directory / "checkpoints"

    def begin(self, config: Mapping[str, Any], *, once: bool = False, **facts: Any) -> None:
        """Take the directory, write the config and ``result.json`` with status ``running``, and show signs of life.

        Args:
            config: the run's, as plain dicts.
            once: refuse a run that has come to its end before.
            facts: for ``result.json``.

        Raises:
            Busy: when another process is at work in the directory, or has just finished there.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock_file = open(self.directory / ".lock", "w")  # noqa: SIM115 - held as long as the run
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise Busy(f"Another process is at work in {self.directory}: let it finish or stop it first.") from None
        # What an earlier attempt in this directory wrote stays, but for how it ended.
        earlier = read_record(self.directory) or {}
        if once and earlier.get("status") in ("finished", "diverged"):
            self._lock_file.close()
            raise Busy(f"Another process has just finished the run in {self.directory}: there is nothing left to do.")
        self.write_config(config)
        earlier.pop("error", None)
        self.content = {**earlier, "schema": SCHEMA, "status": "running", **facts}
        self.content.setdefault("started", time.time())
        self.content["attempts"] = earlier.get("attempts", 0) + 1
        self.write()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.yaml``, whole or not at all."""
        text = OmegaConf.to_yaml(OmegaConf.create(dict(config)))
        write_atomically(self.directory / "config.yaml", lambda out: out.write(text.encode()))

    def note(self, **facts: Any) -> None:
        """Put facts into the record; dicts are merged with what is there."""
        with self._guard:
            for key, value in facts.items():
                here = self.content.get(key)
                self.content[key] = {**here, **value} if isinstance(here, dict) and isinstance(value, dict) else value
            self.write()

    def end(self, status: Status, error: str | None = None) -> None:
        """Write the final status and leave the directory to others."""
        self._over.set()
        with self._guard:
            self.content |= {"status": status, "ended": time.time()} | ({"error": error} if error else {})
            self.write()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def write(self) -> None:
        """Write ``result.json``, whole or not at all."""
        with self._guard:
            self.content["heartbeat"] = time.time()
            text = json.dumps(_finite(self.content), indent=1, allow_nan=False)
            write_atomically(self.directory / "result.json", lambda out: out.write(text.encode()))

    def write_sequences(self, split: str, columns: Mapping[str, np.ndarray]) -> None:
        """Write one entry per sequence of a split to ``sequences/<split>.npz``."""
        arrays = dict(columns)
        path = self.directory / "sequences" / f"{split}.npz"
        write_atomically(path, lambda out: np.savez_compressed(out, **arrays))  # type: ignore[arg-type]

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT):
            with self._guard:
                if not self._over.is_set():
                    self.write()


def point_latest(runs_dir: Path, directory: Path) -> None:
    """Let ``runs_dir/latest`` be a link to the run that was last finished, so that commands can name it."""
    link = runs_dir / "latest"
    if not runs_dir.is_dir() or (link.exists() and not link.is_symlink()):
        return
    beside = runs_dir / f".latest.{os.getpid()}"
    beside.unlink(missing_ok=True)
    beside.symlink_to(os.path.relpath(directory, runs_dir))
    os.replace(beside, link)


def read_record(directory: Path) -> dict[str, Any] | None:
    """The content of a run's ``result.json``; a run whose process died says ``interrupted``. None where there is none.

    Raises:
        UserError: when the file is not JSON or of a schema that this version does not know.
    """
    path = directory / "result.json"
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): it must be the result.json of a run.") from error
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int) or content["schema"] > SCHEMA:
        raise UserError(f"{path} is not a run's result.json of schema {SCHEMA} or older.")
    if "part" in content:  # schema 1
        content["study_job"] = content.pop("part")
    if content.get("status") == "running" and (
        time.time() - content.get("heartbeat", 0) > STALE or not _held(directory)
    ):
        content["status"] = "interrupted"
    return content


def find_runs(runs_dir: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every readable run below a directory, with its record; the newest first."""
    found = []
    for path in runs_dir.rglob("result.json"):
        if path.parent.is_symlink():  # runs/latest
            continue
        try:
            content = read_record(path.parent)
        except UserError:
            continue
        if content is not None:
            found.append((path.parent, content))
    yield from sorted(found, key=lambda pair: -pair[1].get("started", 0.0))


def read_sequences(directory: Path, split: str) -> dict[str, np.ndarray]:
    """The arrays of ``sequences/<split>.npz`` (see :class:`RunRecord`)."""
    with np.load(directory / "sequences" / f"{split}.npz", allow_pickle=False) as found:
        return dict(found)


def _held(directory: Path) -> bool:
    """Whether a living process of this machine holds the directory; True where that cannot be told."""
    try:
        with open(directory / ".lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return True
    return False


def _finite(value: Any) -> Any:
    """JSON has no infinity: a number that is not finite is written as its name."""
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
