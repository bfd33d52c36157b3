"""A training job: its directory and record, its loggers, and how it ends."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from src.config.errors import UserError
from src.config.in_words import in_words
from src.config.instantiate import instantiate, plain
from src.config.names import OWN_FORMS, file_name
from src.config.own_source import note_imported
from src.config.places import output_directory, run_directory
from src.config.shell import choices, in_multirun, job_command, remove_with_log
from src.config.unread import as_read
from src.data.module import SequenceData
from src.files import NO_ROOM, DiskFull, remove_abandoned_below, write_atomically
from src.runs import machine
from src.runs.identity import RESULTS_VERSION, identity, sources_of
from src.runs.load import load_weights, read_checkpoint
from src.runs.record import (
    RunRecord,
    check_digests,
    find_runs,
    holds_run,
    is_held,
    point_latest,
    read_record,
    remove_shells,
    remove_unfinished_latest,
)
from src.runs.result import Backend, DataFacts, Parameters, RunResult, Status, StudyJob, WandbRun
from src.tasks.base import Task
from src.tasks.build import facts_of
from src.training.ddp import OtherDied, tasks
from src.training.divergence import Diverged
from src.training.further_loggers import nodes_of, open_logger, refuse_missing_packages
from src.training.loggers import MetricsCSV


class Job:
    """A context manager around one training run, which writes the run's record however it ends.

    Attributes:
        record: the run's directory and ``result.json``.
        checkpoint: the checkpoint to resume from; None: start from scratch.
        loggers: metrics.csv and, where configured, wandb and others; empty in a distributed run's further processes.
        main: whether this process writes (the first of a distributed run).
        ended: the record of the same run, if it had already finished in this directory.
        study_job: the job of a study that this run is, if any.
        machine_load: use of the machine by other processes since the run started.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg, self.config = cfg, plain(cfg)
        self.sources = sources_of(self.config)  # before the classes are imported, which the user may edit meanwhile
        self.main = int(getattr(rank_zero_only, "rank", 0)) == 0
        self.record = RunRecord(run_directory(cfg))
        self.checkpoint: str | None = None
        self._named: dict[str, Any] | None = None  # its content, if the command line names it
        self.loggers: list[Logger] = []
        self._wandb, self._further = nodes_of(self.config)
        refuse_missing_packages(self._further)
        self.choices = choices()
        self.ended: RunResult | None = None
        self.study_job = StudyJob(**node) if (node := self.config.get("study_job")) else None
        self._mirror: Any = None
        self.machine_load = machine.MachineLoad()
        if cfg.ckpt == "auto" and not self.study_job and tasks() > 1:
            raise UserError("ckpt=auto works for a single process, but Slurm has started several: use ckpt=PATH.")
        if cfg.ckpt not in (None, "auto"):
            # Refuse an unreadable checkpoint before anything starts.
            self._named = read_checkpoint(Path(cfg.ckpt), to_go_on=True)
            self.checkpoint = str(Path(cfg.ckpt).resolve())

    def __enter__(self) -> Job:
        if self.main:
            remove_unfinished_latest(Path(self.cfg.paths.runs_dir))
            if output_directory() == self.record.directory and not self.study_job:
                self.record.hold()  # locked while waiting for the data, to tell it from the folder of a killed process
        # If there may be an earlier run, this waits until the identity is known.
        if self.main and (self.study_job or not (self.cfg.ckpt == "auto" or holds_run(self.record.directory))):
            self._begin()
        return self

    def _begin(self, anew: bool = False, **facts: Any) -> None:
        self.record.begin(
            self.config,
            once=self.study_job is not None,
            anew=anew,
            id=(self.study_job and self.study_job.id) or secrets.token_hex(6),
            name=self.cfg.name or "-".join([*self._called().values(), f"seed{self.cfg.seed}"]),
            seed=self.cfg.seed,
            study_job=self.study_job,
            choices=self.choices,
            versions=machine.versions(),
            git=machine.git(),
            command=job_command(),
            results_version=RESULTS_VERSION,
            **facts,
        )

    def _called(self) -> dict[str, str]:
        """Return the names of model and data for display: files of the user's own by file name."""
        path = str(self.cfg.data.get("path") or "")
        own = self.choices.get("data") in OWN_FORMS and path
        return self.choices | ({"data": file_name(path)} if own else {})

    def identify(self, data: SequenceData, task: Task) -> None:
        """Fix the run's identity, now that data and network are known, and take up an unfinished run with it.

        Raises:
            UserError: the directory has another run, or the given checkpoint belongs to another network.
        """
        if self._named is not None:
            load_weights(task, self._named, Path(str(self.checkpoint)))
            self._named = None  # Lightning reads it again
        backend, reason = backend_of(task, self.cfg.trainer)
        precision = str(self.cfg.trainer.get("precision", "32-true"))
        if precision in ("16", "16-mixed") and not on_gpu(self.cfg.trainer):
            precision = "bf16-mixed"  # which Lightning substitutes
        if task.budget is not None:
            # The record has the width that was built; rebuilding the run solves to the same width or uses the
            # recorded measurement.
            self.config["model"]["hidden_size"] = task.budget.hidden_size
        note_imported(self.config, self.sources)
        read = as_read(self.config, facts_of(data.description))
        name = identity(read, backend=backend, precision=precision, data_checksum=data.checksum, sources=self.sources)
        if not self.main:
            # A further process started by Slurm looks for the checkpoint itself (ours get it in their command). The
            # main process cannot write another one before all of them have joined.
            earlier = None if self.cfg.overwrite else read_record(self.record.directory)
            self.ended = earlier if earlier and earlier.identity == name and earlier.ended_for_good else None
            self._resume(earlier, name)
            return
        if self.study_job:
            # An earlier attempt is resumed if its recorded identity is the same.
            if not self._resume(self.record.result, name):
                self.record.forget()
        elif not self.record.begun:
            self._take_place(name) if holds_run(self.record.directory) else self._take_up(name)
            if self.ended:
                return
        if task.budget is not None:
            self.record.write_config(self.config)
            self.record.note(budget=asdict(task.budget))
        sequences = {name: len(split) for name, split in data.splits.items()}
        self.record.note(
            identity=name,
            sources=self.sources,
            backend=Backend(backend, precision, reason),
            data=DataFacts(
                data.checksum, sequences, getattr(data, "name", None), data.split_seed, notes=dict(data.notes)
            ),
            declared=task.declared,
            baselines=data.baselines,
            val_baselines=data.val_baselines,
            parameters=Parameters(**task.count_parameters()),
            hardware=machine.hardware(),
        )

    def _resume(self, earlier: RunResult | None, name: str) -> bool:
        """Resume from the last checkpoint in the run's directory, if it is intact and belongs to the same run."""
        last = self.record.checkpoints / "last.ckpt"
        if self.checkpoint is not None:  # given on the command line
            return True
        if earlier is None or earlier.identity != name or not last.is_file():
            return False
        try:
            read_checkpoint(last, to_go_on=True)
        except UserError:
            logging.getLogger(__name__).warning("%s is damaged, so the run starts from scratch.", last)
            return False
        self.checkpoint = str(last.resolve())
        return True

    def _take_place(self, name: str) -> None:
        """Continue the run in this directory if it is the same, or replace it with ``overwrite=true``.

        Raises:
            UserError: the directory has another run.
        """
        here = self.record.directory
        if self.cfg.overwrite:
            if self.checkpoint is not None and Path(self.checkpoint).is_relative_to(here.resolve()):
                raise UserError(
                    f"overwrite=true would remove the run in {here}, to which ckpt={self.cfg.ckpt} belongs: drop one "
                    "of them."
                )
            self._begin(anew=True, identity=name)
            return
        earlier = read_record(here)
        if earlier is not None and earlier.identity == name:
            if earlier.ended_for_good:
                check_digests(here, earlier)
                self.ended = earlier
                return
            resumed = self._resume(earlier, name)
            self._begin(identity=name)
            if not resumed:
                self.record.forget()
        elif self.record.checkpoints.exists() or (here / "metrics.csv").exists():
            its = f"{earlier.name}, identity {earlier.identity}" if earlier else "without a result.json"
            if earlier and earlier.sources and earlier.sources != self.sources:
                its += ", from other source code of your class"
            raise UserError(
                f"{here} already has another run ({its}; this one would be {name}): set another paths.run_dir, or add "
                "overwrite=true to remove that run."
            )
        else:  # it failed before training started
            self._begin(anew=True, identity=name)

    def _take_up(self, name: str) -> None:
        """Move to the newest unfinished run with this identity, or start a new one if there is none.

        Runs of studies are left to them.
        """
        remove_abandoned_below(Path(self.cfg.paths.runs_dir))
        remove_shells(Path(self.cfg.paths.runs_dir))
        for directory, result in find_runs(Path(self.cfg.paths.runs_dir)):
            if result.identity == name and not result.study_job and result.status in ("interrupted", "failed"):
                self.record.leave()
                here = self.record.directory
                if output_directory() == here and not (here / "result.json").exists():  # which Hydra has just created
                    remove_with_log(here)
                self.record = RunRecord(directory)
                if not self._resume(result, name):
                    shutil.rmtree(self.record.checkpoints, ignore_errors=True)
                logging.getLogger(__name__).info("Resuming the unfinished run in %s", directory)
                break
        else:
            self._say_lost()
        # Together with the first record, so that the next start finds a run killed right afterwards.
        self._begin(identity=name)

    def _say_lost(self) -> None:
        """Report unfinished runs that cannot be resumed because their record is missing."""
        for last in sorted(Path(self.cfg.paths.runs_dir).rglob("checkpoints/last.ckpt")):
            if not (last.parents[1] / "result.json").is_file():
                words = "%s is missing, so the run there is not resumed; use ckpt=%s to resume it."
                logging.getLogger(__name__).warning(words, last.parents[1] / "result.json", last)

    def start_loggers(self) -> list[Logger]:
        """Open metrics.csv and, if configured, wandb and other loggers; a resumed run continues without a gap."""
        if not self.main or self.cfg.trainer.get("fast_dev_run"):
            return self.loggers
        csv = MetricsCSV(self.record.directory)
        kept: dict[str, Any] = read_checkpoint(Path(self.checkpoint)) if self.checkpoint else {"global_step": 0}
        rows = kept.get("callbacks", {}).get("LastCheckpoint", {}).get("metrics")
        csv.resume(int(kept["global_step"]), None if rows is None else rows.numpy().tobytes())
        self.loggers = [csv]
        if self._wandb is not None:
            self._start_wandb(csv)
        for name, node in self._further.items():
            self.loggers.append(open_logger(name, node, self.record, self.config, int(kept["global_step"])))
        return self.loggers

    def _start_wandb(self, csv: MetricsCSV) -> None:
        """Open the wandb run. WANDB_NAME and WANDB_RUN_ID apply to a single run, so not to the jobs of a sweep."""
        result, node = self.record.result, dict(self._wandb or {})
        lists = [as_list(node.get("tags")), as_list(self.config.get("tags"))]
        if job := self.study_job:  # study / data / model / seed, so that wandb's own pages group runs usefully
            node |= {"group": f"{job.study}/{job.data}", "job_type": job.phase}
            lists.append([job.study, job.data, job.model, job.arm])
        alone = os.environ if not (job or in_multirun()) else {}
        earlier = result.wandb.id if result.wandb else None
        self._mirror = instantiate(
            {**node, "tags": [tag for some in lists for tag in some]},
            directory=self.record.directory,
            run_id=earlier or alone.get("WANDB_RUN_ID") or result.id,
            name=self.cfg.name or alone.get("WANDB_NAME") or result.name,
            config={**self.config, "identity": result.identity},
            resume=result.attempts > 1,
            announce=not job,
        )
        self._mirror.begin(csv.rows)
        assert result.parameters is not None
        self._mirror.summary({f"parameters/{key}": value for key, value in asdict(result.parameters).items()})
        self.record.note(wandb=WandbRun(self._mirror.run_id, self._mirror.mode, self._mirror.url))
        self.loggers.append(self._mirror)

    def log(self, metrics: dict[str, float], epoch: int, step: int) -> None:
        """Add the best epoch's metrics to the record and wandb's summary, and test metrics also to metrics.csv.

        Their row has ``epoch`` and ``step``, the numbers of epochs and updates so far.
        """
        self.record.note(metrics=metrics)
        test = {name: value for name, value in metrics.items() if name.startswith("test/")}
        for logger in self.loggers if test else ():
            logger.log_metrics({"epoch": epoch, **test}, step)
        if self._mirror is not None:
            self._mirror.summary(metrics)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        status: Status = "finished" if error is None else "failed"
        if isinstance(error, Diverged):
            status = "diverged"
        elif isinstance(error, KeyboardInterrupt | SystemExit | SIGTERMException | DiskFull) or (
            isinstance(error, OSError) and error.errno in NO_ROOM  # raised inside a library
        ):
            status = "interrupted"
        try:
            if self._mirror is not None:
                self._mirror.finish(0 if error is None else 1)
            for logger in self.loggers:  # the test runs after Lightning has finalised the loggers
                if logger is not self._mirror and not isinstance(logger, MetricsCSV):
                    logger.finalize("success" if error is None else "failed")
        finally:
            if self.main and self.record.begun:
                facts = {"divergence": error.found} if isinstance(error, Diverged) else {}
                with suppress(DiskFull):  # the final record says the same, and a dead process is detected without it
                    self.record.note(memory=machine.peak_memory(), **facts)
                try:
                    self.record.end(status, None if error is None else in_words(error))
                except DiskFull:  # the record still says running, although no process is
                    self.record.leave()
                    if error is None:
                        raise
                if status == "finished":
                    point_latest(Path(self.cfg.paths.runs_dir), self.record.directory)
                if self._mirror is not None and error is not None and status != "diverged":  # else after the results
                    self._mirror.say_next()
                if status == "interrupted" and not self.study_job:  # a study reports it once
                    print("Interrupted: run the same command with ckpt=auto to resume.", file=sys.stderr)
            else:
                self.record.leave()
            if status == "failed" and (self.record.begun or not self.main) and not isinstance(error, OtherDied):
                trace_back = "".join(traceback.format_exception(error))
                with suppress(OSError, UserError):  # the original error matters more than the failure to record it
                    write_atomically(self.record.directory / "traceback.txt", lambda f: f.write(trace_back.encode()))
        return status == "diverged"


def as_list(given: Any) -> list[str]:
    """Return a list from a config value that may be a single word: ``tags=a`` and ``tags=[a]`` are the same."""
    return [] if given is None else [str(each) for each in given] if isinstance(given, list) else [str(given)]


def settled(cfg: DictConfig) -> dict[str, float] | None:
    """Return the result of a study's job that needs no training here; None if it does, as does any run of its own.

    The result is the metrics of a finished run, or empty for one that another process is training.
    """
    if not cfg.get("study_job"):
        return None
    directory = run_directory(cfg)
    result = read_record(directory)
    if result is not None and result.ended_for_good:
        return result.metrics
    busy = is_held(directory) or (result is not None and result.status == "running")
    if busy and int(getattr(rank_zero_only, "rank", 0)) == 0:
        logging.getLogger(__name__).info("Another process is training %s; skipping it.", directory)
        return {}
    return None


def weights_dtype(trainer: Mapping[str, Any]) -> torch.dtype:
    """Return the dtype in which a trainer's precision stores weights: float32 for the mixed ones.

    >>> weights_dtype({"precision": "64-true"}), weights_dtype({"precision": "bf16-mixed"})
    (torch.float64, torch.float32)
    """
    names = {"64": torch.float64, "64-true": torch.float64, "16-true": torch.float16, "bf16-true": torch.bfloat16}
    return names.get(str(trainer.get("precision")), torch.float32)


def on_gpu(trainer: Mapping[str, Any]) -> bool:
    """Return whether a trainer computes on a GPU."""
    accelerator = trainer.get("accelerator", "cpu")
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())


def backend_of(task: Task, trainer: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return what runs the recurrence, and why it is not the first choice; a user's own network returns its class."""
    network, dtype = task.network, weights_dtype(trainer)
    if not hasattr(network, "resolved_backend"):
        return type(network).__name__, None
    device = "cuda" if on_gpu(trainer) else "cpu"
    return network.resolved_backend(device, dtype), network.backend_reason(device, dtype)
