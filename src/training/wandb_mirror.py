"""The logger that mirrors metrics.csv to Weights & Biases."""

import os
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Literal, cast

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from src.config.errors import UserError
from src.runs.metrics_file import Row, last_row, read_metrics
from src.training.wandb_folders import supersede, sync_command
from src.training.wandb_mode import choose_mode, require_login

INIT_TIMEOUT = 30.0  # seconds for the server to accept a run
UPLOAD_TIMEOUT = 120.0  # seconds for the upload after the last step, before the run goes to an offline folder
MODES = ("auto", "online", "offline", "disabled")


class WandbMirror(WandbLogger):
    """Mirrors every row of metrics.csv once to Weights & Biases, at the row's own step.

    >>> import tempfile
    >>> mirror = WandbMirror(tempfile.mkdtemp(), "gatebench", "run1", mode="disabled")
    >>> mirror.name, mirror.version
    ('gatebench', 'run1')

    It follows `MetricsCSV` in the list of loggers and sends rows of the file, each when the next one begins and the
    last one at the end, because wandb cannot add to an existing step. Images, audio and other media logged through it
    (`log_image`, ...) are sent with the row of their step.

    A resumed run ends with every step once on the server, in any combination of modes:

    - offline, then offline: the rows kept are written again into a new offline folder under the same run id, and the
      older folders are marked as superseded (see `wandb_folders`). Media are not in metrics.csv, so those of earlier
      attempts stay in the older folders.
    - online, then online: the server's run continues; only rows after its last step are sent. Steps repeated after a
      checkpoint keep the server's first values.
    - offline, then online: the server has nothing of the run and gets every row; the offline folders are marked.
    - online, then offline: the new folder has every row; syncing it replaces the server's rows line by line from the
      first.

    Args:
        directory: the run directory; wandb writes to `wandb/` in it.
        project: wandb project; None: ``WANDB_PROJECT``, else ``gatebench``.
        run_id: wandb id of the run, the same in every attempt; ``id`` from the config takes precedence.
        name, group, job_type, tags, entity, config, notes, save_code: as in `wandb.init`, in plain containers; if one
            is None or empty, its environment variable applies (``WANDB_TAGS``, ...).
        log_model: as in `WandbLogger`: whether to upload the best checkpoint as an artifact, also for an offline run.
        offline: the same as mode `offline`.
        mode: `auto` (see `choose_mode`), `online`, `offline` or `disabled`.
        timeout: seconds to wait for the server in mode `auto`.
        resume: whether an earlier attempt may be on the server, to be continued.
        announce: whether to print mode and sync command.

    Raises:
        UserError: the mode is unknown, or contradicts ``offline``.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        project: str | None,
        run_id: str,
        name: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: Sequence[str] = (),
        entity: str | None = None,
        config: Mapping[str, Any] | None = None,
        mode: str = "auto",
        timeout: float = 2.0,
        resume: bool = False,
        announce: bool = True,
        id: str | None = None,
        notes: str | None = None,
        save_code: bool = False,
        log_model: bool | Literal["all"] = False,
        offline: bool = False,
    ) -> None:
        if mode not in MODES:
            raise UserError(f"the mode of the wandb logger must be one of {', '.join(MODES)}, got {mode!r}")
        if offline and mode not in ("auto", "offline"):
            raise UserError(f"logger.offline=true and logger.mode={mode} contradict each other: drop one of them.")
        shown: dict[str, Any] = {"entity": entity, "group": group, "job_type": job_type, "notes": notes}
        shown |= {"tags": list(tags) or None, "config": dict(config or {}), "save_code": save_code or None}
        project = project or os.environ.get("WANDB_PROJECT") or "gatebench"
        place = Path(os.environ.get("WANDB_DIR") or directory)
        self.run_id = id or run_id
        super().__init__(name, place, self.run_id, project=project, log_model=log_model, **shown)
        self._experiment: Any = None
        self.directory = Path(directory)
        self.mode = "offline" if offline else mode
        self._timeout = timeout
        self._resume = resume
        self._is_open = False
        self._announce = announce
        self._sent = -1  # the last step sent to wandb
        self._held: Row = {}  # the row that may still get values
        self._media: dict[int, dict[str, Any]] = {}  # by step, until a row of that step or a later one is sent
        self._summary: dict[str, Any] = {}

    @rank_zero_only
    def begin(self, rows: Iterable[Row]) -> None:
        """Open the wandb run, print in one line how and where, and send the rows of metrics.csv that wandb lacks.

        Raises:
            UserError: mode `online` without a login, or the server rejects the run.
        """
        import wandb

        wandb.setup(settings=wandb.Settings(silent=True))
        mode, reason = (self.mode, "logger.mode") if self.mode != "auto" else choose_mode(self._timeout)
        if self.mode == "online":
            require_login()
        try:
            self._open(mode, reason)
        except wandb.Error as error:
            if self.mode != "auto":
                raise UserError(f"wandb could not open the run ({error}): use logger.mode=offline.") from None
            wandb.teardown()  # its service still holds the id of the run that failed
            self._open("offline", f"the server rejected the run: {error}")
        self._send(rows)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The wandb run, opened if `begin` was not called."""
        if hasattr(self, "_attach_id"):
            return super().experiment  # in a process started by a distributed fit
        if self._experiment is None:
            self.begin(read_metrics(self.directory / "metrics.csv"))
        return self._experiment

    @property
    def url(self) -> str | None:
        """Address of the run, if it is online."""
        return self._experiment.url if self._experiment is not None and self.mode == "online" else None

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Take over the row of this step from metrics.csv, where `MetricsCSV` has just written it.

        Media are sent with the row of their step; None is the step of the latest row.

        Raises:
            UserError: metrics.csv has no row for the step.
        """
        _ = self.experiment
        if not all(isinstance(value, Real) for value in metrics.values()):
            at = int(self._held.get("step", self._sent)) if step is None else step
            self._media.setdefault(at, {}).update(metrics)
            return
        row = last_row(self.directory / "metrics.csv")
        if row.get("step") != step:
            raise UserError(
                f"metrics.csv has no row for step {step}: log numbers through the trainer, with MetricsCSV before "
                "WandbMirror in its list of loggers."
            )
        if self._held and self._held["step"] < row["step"]:
            self._send([self._held])
        self._held = row

    def log_hyperparams(self, params: Mapping[str, Any] | Namespace) -> None:
        """Do nothing: the resolved config was sent to wandb when the run began."""

    @rank_zero_only
    def summary(self, values: Mapping[str, Any]) -> None:
        """Set values of the run's summary by name, overriding the last values of the rows."""
        self.experiment.summary.update(dict(values))
        self._summary.update(values)

    @rank_zero_only
    def finish(self, exit_code: int = 0) -> None:
        """Send remaining rows and close the run, so that the next one in this process is separate.

        If the upload is not done within `UPLOAD_TIMEOUT`, because the server is gone, the whole run is written to an
        offline folder instead. A nonzero `exit_code` marks the run as failed.
        """
        if self._is_open:
            self._close(exit_code)

    def say_next(self) -> None:
        """Print the command that uploads an offline run, unless it was not to announce anything."""
        if self._announce and self.mode == "offline" and (command := sync_command(self.directory, self.run_id)):
            print(f"next: {command}")

    def _open(self, mode: str, reason: str) -> None:
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_code=not self._wandb_init["save_code"],
            init_timeout=INIT_TIMEOUT,
            finish_timeout=UPLOAD_TIMEOUT,
            finish_timeout_raises=True,
        )
        options = {name: value for name, value in self._wandb_init.items() if name != "anonymous"}
        options["resume"] = "allow" if self._resume and mode == "online" else None
        run = wandb.init(**options, mode=cast(Any, mode), reinit="finish_previous", settings=settings)
        self._experiment, self._is_open, self.mode = run, True, mode
        self._sent = run.starting_step - 1
        if mode != "disabled":
            supersede(self.directory, run.id, by=Path(run.settings.sync_dir))
        if self._announce:
            print(f"wandb: {mode}" + (f", {run.url}" if mode == "online" else f" ({reason})"))

    def _close(self, exit_code: int) -> None:
        self._send(read_metrics(self.directory / "metrics.csv"))
        for step in sorted(self._media):
            self._experiment.log(self._media[step], step=max(step, self._sent), commit=True)
        self._experiment.summary.update(self._summary)
        self._is_open = False
        try:
            self._experiment.finish(exit_code=exit_code)
        except TimeoutError:
            self._open("offline", f"the upload was not finished after {UPLOAD_TIMEOUT:g} s")
            self._close(exit_code)

    def _send(self, rows: Iterable[Row]) -> None:
        for row in rows:
            step = int(row["step"])
            if step <= self._sent:
                continue
            for at in sorted(at for at in self._media if self._sent < at < step):
                self._experiment.log(self._media.pop(at), step=at, commit=True)
            values: dict[str, Any] = {name: value for name, value in row.items() if name != "step"}
            for at in [at for at in self._media if at <= step]:
                values |= self._media.pop(at)
            self._experiment.log(values, step=step, commit=True)
            self._sent = step
