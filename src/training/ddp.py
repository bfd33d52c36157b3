"""Distributed training inside a Hydra job: further processes start from the job's own saved config.

Lightning would start them with this process's command line, which in a multirun is the whole sweep, and would kill
this process when one of them dies, before the record can say so.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from src.config.errors import UserError
from src.config.overrides import override
from src.runs.record import RunRecord

ENVIRONMENT = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
# Running by path finds the same package anywhere; the working folder may have another src.
COMMAND = Path(__file__).resolve().parents[2] / "gatebench.py"
LINE = "GATEBENCH_LINE"  # the variable with the file descriptor that connects a further process to the first
PATIENCE = 20.0  # seconds in which the first process may notice by itself that another has died
LOST = re.compile(r"gloo|nccl|store|connection|broken pipe|socket", re.I)  # in exceptions when another process is gone


class OtherDied(UserError):
    """Another process of a distributed run has died."""


class JobDDP(DDPStrategy):
    """DDP whose further processes run ``gatebench train`` on this run's ``config.yaml``; see :func:`together`."""

    job: tuple[RunRecord, str | None]

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        if self.cluster_environment.creates_processes_externally:
            return  # Slurm has started them as tasks of this job
        self._launcher = _JobLauncher(self, self.cluster_environment, self.num_processes, self.num_nodes)


class _JobLauncher(_SubprocessScriptLauncher):
    def __init__(self, strategy: JobDDP, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.strategy, self.others, self.over = strategy, list[_Other](), threading.Event()

    def launch(self, function: Any, *args: Any, trainer: pl.Trainer | None = None, **kwargs: Any) -> Any:
        """Start the other processes, wait until all are ready, and continue together with them."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        self._call_children_scripts()
        while not all([other.joins() for other in self.others]):
            self.refuse_dead()
            time.sleep(0.05)
        assert trainer is not None
        trainer.callbacks.insert(0, _Alive(self))  # type: ignore[attr-defined]
        threading.Thread(target=self._observe, daemon=True, name="other-processes").start()
        return function(*args, **kwargs)

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        cluster = self.cluster_environment
        world = self.num_processes * self.num_nodes
        values = (cluster.main_address, cluster.main_port, cluster.node_rank(), cluster.local_rank(), world)
        os.environ |= dict(zip(ENVIRONMENT, map(str, values), strict=True))
        record, checkpoint = self.strategy.job
        command = other_process(record.directory, checkpoint)
        self.others = [_Other(rank, self.num_processes, command) for rank in range(1, self.num_processes)]
        self.procs = [other.process for other in self.others]

    def refuse_dead(self) -> None:
        """Report how another process died, naming the first one that failed.

        Raises:
            OtherDied: with that process's own message if it left one.
        """
        said = [why for other in self.others if (why := other.death()) is not None]
        if said:
            raise OtherDied(next((why for why in said if not LOST.search(why)), said[0]))

    def _observe(self) -> None:
        """End this process if it waits in vain for another that no longer exists, and cannot notice."""
        while not self.over.wait(0.2):
            if all(other.death() is None for other in self.others) or self.over.wait(PATIENCE):
                continue
            try:
                self.refuse_dead()
            except OtherDied as error:
                print(error, file=sys.stderr)
                self.strategy.job[0].end("failed", str(error))
            self.end(0.0)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)

    def end(self, seconds: float) -> None:
        """Give the other processes time to end by themselves, then kill them, and forget them."""
        self.over.set()
        for name in ENVIRONMENT if self.others else ():
            os.environ.pop(name, None)
        until = time.monotonic() + seconds
        for other in self.others:
            try:
                other.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                other.process.kill()
                other.process.wait()
            other.line.close()


class _Other:
    """A further process of this run: its stderr is passed through, except the last words of one that dies."""

    def __init__(self, rank: int, processes: int, command: list[str]) -> None:
        self.name = f"Process {rank} of {processes} (counted from 0)"
        self.line, theirs = socket.socketpair()
        self.line.setblocking(False)
        self.joined, self._words = False, deque[str]()
        environment = {**os.environ, "LOCAL_RANK": str(rank), LINE: str(theirs.fileno())}
        environment.pop("HYDRA_FULL_ERROR", None)  # it prints one sentence, and writes its trace to the run's directory
        self.process = subprocess.Popen(
            command, env=environment, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True, errors="replace"
        )
        theirs.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def joins(self) -> bool:
        """Return whether it has become ready to train."""
        if not self.joined:
            try:
                self.joined = self.line.recv(1) == b"+"
            except BlockingIOError:
                return False
        return self.joined

    def death(self) -> str | None:
        """Describe an abnormal end; None if it is running or has finished its work."""
        code = self.process.poll()
        if code is None or (code == 0 and self.joined):
            return None
        self._reader.join(2)
        words = [line for line in self._words if not line.startswith("Set HYDRA_FULL_ERROR=1")]
        if code == 1 and words:
            return f"{self.name} ended: {words[-1]}"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}" + ("." if code != -signal.SIGKILL else ": the machine may be out of memory.")

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in filter(str.strip, lines):
                self._words.append(line.strip())
                if len(self._words) > 2:
                    print(self._words.popleft(), file=sys.stderr)
        if self.process.wait() not in (1, -signal.SIGKILL):
            sys.stderr.writelines(f"{line}\n" for line in self._words)


class _Alive(pl.Callback):
    """Notices between batches that another process has died."""

    def __init__(self, launcher: _JobLauncher) -> None:
        self.launcher = launcher

    def on_train_batch_start(self, *_: Any) -> None:
        """Check, as before each validation batch."""
        self.launcher.refuse_dead()

    def on_validation_batch_start(self, *_: Any) -> None:
        """Look."""
        self.launcher.refuse_dead()


def tasks() -> int:
    """Return the number of processes that Slurm started for this job; 1 outside Slurm."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def other_process(directory: Path, checkpoint: str | None) -> list[str]:
    """Return the command of a process that joins the run in ``directory``, for the current folder."""
    here = str(directory.resolve())
    return [
        *(sys.executable, str(COMMAND), "train", "--config-path", here, "--config-name", "config"),
        *(override("paths.run_dir", here), override("ckpt", checkpoint), "trainer.enable_progress_bar=false"),
        *(override("hydra.run.dir", here), "hydra.output_subdir=null", "hydra/job_logging=none"),
    ]


@contextmanager
def together(trainer: pl.Trainer, record: RunRecord, checkpoint: str | None) -> Iterator[None]:
    """Train in the block together with the further processes of a distributed trainer; otherwise do nothing.

    State that a distributed fit leaves in this process is undone, so that the next job of a multirun starts clean.

    Raises:
        OtherDied: with its message.
    """
    if isinstance(trainer.strategy, JobDDP):
        trainer.strategy.job = (record, checkpoint)
    launcher = trainer.strategy.launcher
    if line := os.environ.get(LINE):
        _answer(socket.socket(fileno=int(line)))
    try:
        yield
    except RuntimeError as error:
        if isinstance(launcher, _JobLauncher) and LOST.search(str(error)):
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:  # the connection closes before the process ends
                launcher.refuse_dead()
                time.sleep(0.1)
        raise
    else:
        if isinstance(launcher, _JobLauncher):
            launcher.end(30.0)
    finally:
        if isinstance(launcher, _JobLauncher):
            launcher.end(0.0)
        _leave()


def _answer(line: socket.socket) -> None:
    """Tell the first process that this one is ready to train, and end when it ends."""
    line.send(b"+")

    def watch() -> None:
        line.recv(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="first-process").start()


def _leave() -> None:
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
