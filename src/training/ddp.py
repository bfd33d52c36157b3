"""Distributed training inside a Hydra job: the other processes start from the job's own saved config.

Lightning would start them with this process's command line, which in a multirun is the whole sweep.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

ENVIRONMENT = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
# Run by its path, it finds the same package wherever it starts: the working folder may hold another src.
COMMAND = Path(__file__).resolve().parents[2] / "gatebench.py"


class JobDDP(DDPStrategy):
    """DDP whose further processes run ``gatebench train`` on this run's ``config.yaml``; see `join`."""

    job: tuple[Path, str | None]

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        if self.cluster_environment.creates_processes_externally:
            return  # Slurm has started them, as tasks of this job
        self._launcher = _JobLauncher(self, self.cluster_environment, self.num_processes, self.num_nodes)


class _JobLauncher(_SubprocessScriptLauncher):
    def __init__(self, strategy: JobDDP, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.strategy = strategy

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        cluster = self.cluster_environment
        world = self.num_processes * self.num_nodes
        values = (cluster.main_address, cluster.main_port, cluster.node_rank(), cluster.local_rank(), world)
        os.environ |= dict(zip(ENVIRONMENT, map(str, values), strict=True))
        self.procs = []
        for rank in range(1, self.num_processes):
            command = other_process(*self.strategy.job)
            self.procs.append(subprocess.Popen(command, env={**os.environ, "LOCAL_RANK": str(rank)}))


def tasks() -> int:
    """How many processes like this one Slurm has started for this job; 1 outside Slurm."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def other_process(directory: Path, checkpoint: str | None) -> list[str]:
    """The command of a process that joins the run in ``directory``."""
    quoted = "null" if checkpoint is None else "'" + checkpoint.replace("'", "\\'") + "'"
    directory = directory.resolve()
    return [
        *(sys.executable, str(COMMAND), "train", "--config-path", str(directory), "--config-name", "config"),
        *(f"paths.run_dir='{directory}'", f"ckpt={quoted}", "trainer.enable_progress_bar=false"),
        *(f"hydra.run.dir='{directory}'", "hydra.output_subdir=null", "hydra/job_logging=none"),
    ]


def join(trainer: pl.Trainer, directory: Path, checkpoint: str | None) -> None:
    """Tell a distributed trainer which run its further processes join; nothing for any other trainer."""
    if isinstance(trainer.strategy, JobDDP):
        trainer.strategy.job = (directory, checkpoint)


def leave() -> None:
    """Undo what a distributed fit left in this process, so that the next job of a multirun starts clean."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
        for name in ENVIRONMENT:
            os.environ.pop(name, None)
