"""The logger that is always active: metrics.csv in the run directory."""

import os
import time
from argparse import Namespace
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch.nn import Module

from src.config.errors import UserError
from src.files import FORMULA, room_for, write_atomically
from src.runs.metrics_file import Row, columns_of, format_file, format_row, read_metrics

SYNC_INTERVAL = 1.0  # seconds between two calls of fsync while rows are being written


class MetricsCSV(Logger):
    """Writes `<directory>/metrics.csv`, one row per global step: the authoritative record of a run's metrics.

    >>> import tempfile
    >>> csv = MetricsCSV(tempfile.mkdtemp())
    >>> csv.log_metrics({"epoch": 0, "train/loss": 0.5}, step=9)
    >>> csv.log_metrics({"epoch": 0, "val/acc": 0.25}, step=9)
    >>> [{name: row[name] for name in ("step", "train/loss", "val/acc")} for row in csv.rows]
    [{'step': 9, 'train/loss': 0.5, 'val/acc': 0.25}]

    Calls with the same step share a row. The step is Lightning's: the number of batches before this one. The first
    batch is step 0, the last batch of an epoch and that epoch's validation share a step, and a test after n batches is
    step n. `seconds` is the wall-clock time of the row's last value since the start of training; in a resumed run it
    continues from the last row kept.

    Every call writes to the file at once, so a killed process loses nothing that was logged. Earlier rows never
    change, except when a new column appears or a run is resumed: then the file is replaced atomically. A power cut can
    lose what came after the last fsync, which happens after each checkpoint, at the end of a fit or test, and otherwise
    at most every second.

    Args:
        directory: the run directory; created if missing. An existing metrics.csv is continued.
    """

    name = version = ""  # Lightning would create folders with these names in the run directory

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(directory) / "metrics.csv"
        self._state: tuple[int, int] | None = None  # inode and size of the file after this object's last write
        self._columns: list[str] = []
        self._last: Row = {}  # the row of the latest step, which may still get values
        self._last_at = 0  # the byte offset of that row
        self._clock: float | None = None  # the monotonic time at which `seconds` was zero
        self._synced = 0.0

    @property
    def rows(self) -> list[Row]:
        """The rows of the file (see `read_metrics`)."""
        return read_metrics(self.path)

    @rank_zero_only
    def resume(self, step: int, content: bytes | None = None) -> None:
        """Drop the rows that a run resumed at this global step, the first to be logged, will produce again.

        ``content`` is the file as stored in the checkpoint, which replaces the one in this directory.
        """
        if content is not None:
            write_atomically(self.path, lambda out: out.write(content))
        self._replace([row for row in self.rows if row["step"] < step])

    @rank_zero_only
    def start(self) -> None:
        """Start the clock of the column `seconds`, unless it is running."""
        if self._clock is None:
            self._refresh()
            self._clock = time.monotonic() - self._last.get("seconds", 0.0)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add values, including the current `epoch`, to the row of a step; None is the step of the last row.

        A name logged twice keeps its last value.

        Raises:
            UserError: the step precedes the last row's, or a metric is named `step`, `seconds` or like a formula.
        """
        self.start()
        self._refresh()
        last = int(self._last.get("step", 0))
        step = last if step is None else int(step)
        if step < last:
            raise UserError(
                f"Rows must be logged in order of the global step, but step {step} came after step {last} "
                f"(with {', '.join(metrics)}); log validation values with on_epoch=True, on_step=False."
            )
        if reserved := {"step", "seconds"} & set(metrics):
            raise UserError(f"A metric must not be named {reserved.pop()!r}, which is a column of metrics.csv.")
        if formulas := [name for name in metrics if name.startswith(FORMULA)]:
            raise UserError(f"A metric must not be named {formulas[0]!r}, which spreadsheets treat as a formula.")
        now = round(time.monotonic() - (self._clock or 0.0), 6)
        values = {name: int(v) if isinstance(v, Integral) else float(v) for name, v in metrics.items()}
        same = self._last.get("step") == step
        row: Row = {**(self._last if same else {}), **values, "step": step, "seconds": now}
        if not row.keys() <= set(self._columns):
            earlier = self.rows[:-1] if same else self.rows
            self._replace([*earlier, row])
        else:
            self._write(row, at=self._last_at if same else self.path.stat().st_size)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the resolved config in the run directory has every hyperparameter."""

    def log_graph(self, model: Module, input_array: Any = None) -> None:
        """Start the clock: Lightning calls this when a fit begins."""
        self.start()

    @rank_zero_only
    def save(self) -> None:
        """Flush to disk, at most once per second (Lightning calls this after every row)."""
        if time.monotonic() - self._synced >= SYNC_INTERVAL:
            self._sync()

    def after_save_checkpoint(self, checkpoint_callback: Checkpoint) -> None:
        """Flush the rows that led to a checkpoint after it was written (called by Lightning)."""
        self._sync()

    def finalize(self, status: str) -> None:
        """Flush at the end of a fit or test (called by Lightning)."""
        self._sync()

    @property
    def save_dir(self) -> str:
        """The run directory."""
        return str(self.path.parent)

    def _refresh(self) -> None:
        """Reload the file if another process (the first rank of a forked fit) has written to it."""
        if not self.path.exists() or self._stat() != self._state:
            self._replace(self.rows)

    def _replace(self, rows: list[Row]) -> None:
        self._columns = columns_of(rows)
        content = format_file(rows, self._columns)
        write_atomically(self.path, lambda out: out.write(content))
        self._last = rows[-1] if rows else {}
        self._last_at = len(content) - (len(format_row(rows[-1], self._columns)) if rows else 0)
        self._state, self._synced = self._stat(), time.monotonic()

    def _write(self, row: Row, at: int) -> None:
        with room_for(self.path), open(self.path, "r+b", buffering=0) as file:
            file.seek(at)
            file.write(format_row(row, self._columns))
            file.truncate()
        self._last, self._last_at, self._state = row, at, self._stat()

    def _stat(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_ino, status.st_size

    @rank_zero_only
    def _sync(self) -> None:
        if self.path.exists():
            with open(self.path, "rb") as file:
                os.fsync(file.fileno())
            self._synced = time.monotonic()
