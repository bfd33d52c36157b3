"""A run read back from its directory alone: config, task with its weights, data."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.in_words import one_line
from src.config.instantiate import plain
from src.config.names import public_names
from src.config.places import CONF, register_resolvers
from src.config.rules import check_values
from src.config.schema import keys_of
from src.config.trust import check_received
from src.data.batches import Split
from src.data.module import SequenceData
from src.runs.config_file import checked, read_resolved
from src.runs.record import check_digests, read_record
from src.runs.result import RunResult
from src.tasks.base import Task
from src.tasks.build import build

# What the trainer goes on from, beside the weights.
STATE = ("global_step", "epoch", "loops", "callbacks", "optimizer_states", "lr_schedulers")
REMOVED = "removed.txt"  # stands among a run's checkpoints in place of those that its study has removed


@dataclass(frozen=True, repr=False)
class Run:
    """A run in memory."""

    directory: Path
    config: DictConfig  # as it was trained with; paths to data are this machine's
    record: RunResult
    task: Task  # with the weights of the checkpoint, in evaluation mode
    data: SequenceData

    def __repr__(self) -> str:
        """Where it lies and what it is, in a line: its parts print themselves."""
        data = self.record.choices.get("data", type(self.data).__name__)
        loss = f"test/{self.task.loss_name}"
        said = f", {loss} {self.record.metrics[loss]:.4g}" if loss in self.record.metrics else ""
        return f"<Run {self.directory}: {self.model} on {data}, {self.record.status}{said}>"

    @property
    def model(self) -> str:
        """The name of the model's config, by which pictures choose its colour; without one, of the network's class."""
        return model_name(self.record, self.task)

    def split(self, name: str, rows: Sequence[int] = ()) -> Split:
        """A split of the data in which all of ``rows`` are there.

        Raises:
            UserError: there is no such split or sequence.
        """
        _ = self.data.description  # reads the data
        if name not in self.data.splits:
            raise UserError(f"split={name} is unknown: it must be one of {', '.join(self.data.splits)}.")
        here = len(self.data.splits[name])
        for row in rows:
            if not 0 <= row < here:
                raise UserError(f"sequence={row} is not there: the {name} split of this run has 0 to {here - 1}.")
        return self.data.splits[name]


def model_name(record: RunResult | None, task: Task) -> str:
    """:attr:`Run.model` of a run that is not loaded, from its record and its task."""
    return (record and record.model) or type(task.network).__name__.lower()


def load_run(
    directory: str | Path,
    checkpoint: str = "best",
    *,
    read_data: bool = True,
    trust: str | Sequence[str] | None = None,
    exact: bool = False,
) -> Run:
    """Rebuild a run from its directory alone, which may come from a stranger: nothing in it is run as code.

    Without ``read_data`` the data module knows what it fitted on train, from the checkpoint (``best`` or ``last``), and
    can read new files; a named data set is read all the same. ``trust`` names modules of the user's own whose classes
    the run's config may name (:mod:`src.config.trust`). The weights are in float32, or, ``exact``, in float64 where
    they were trained in that.

    Raises:
        UserError: when it is not a run's directory, its config or checkpoint is missing, damaged or another one than
            when the run ended, or its config names a class that is neither GateBench's nor trusted.
    """
    directory = Path(directory)
    config, record = read_config(directory, trust or ()), read_record(directory)
    if record is None:
        raise UserError(f"{directory} holds no result.json: it must be the directory of a run.")
    check_digests(directory, record, "config.yaml")
    weights = directory / "checkpoints" / f"{checkpoint}.ckpt"
    if weights.is_file():  # where it is not, its reader knows why
        check_digests(directory, record, f"checkpoints/{checkpoint}.ckpt")
    kept = read_checkpoint(weights)
    try:
        parts = {name: node for name, node in plain(config).items() if name in ("model", "data")}
        check_values(parts, "evaluate", {n: k for n, k in keys_of().items() if n.partition(".")[0] in parts})
        data, task = build(config, None if read_data else kept)
    except UserError as error:
        raise UserError(f"{directory / 'config.yaml'}: {error}") from error
    except Exception as error:  # whatever a file of an older run, which has no digest, makes of it
        raise UserError(
            f"The run cannot be rebuilt from {directory / 'config.yaml'} and {weights}, which do not belong together "
            f"or are damaged ({type(error).__name__}: {one_line(str(error))})."
        ) from error
    if exact and str(OmegaConf.select(config, "trainer.precision")).startswith("64"):
        task.double()
    load_weights(task, kept, weights)
    return Run(directory, config, record, task.eval(), data)


def read_config(directory: Path, trust: str | Sequence[str] | None = None) -> DictConfig:
    """A run's resolved config, with this machine's places for data where the run's own are not here.

    ``trust`` as in :func:`load_run`; None where nothing is going to be built from it.

    Raises:
        UserError: when there is no ``config.yaml``, or it names a class that is neither GateBench's nor trusted.
    """
    path = directory / "config.yaml"
    if not path.exists() and not path.is_symlink():
        raise UserError(f"{directory} holds no config.yaml: it must be the directory of a run, e.g. run=runs/2026-...")
    content = read_resolved(path)
    if trust is not None:  # before anything in it is looked up
        check_received(content, str(path), trust)
    config = OmegaConf.create(public_names(checked(content, path)))
    assert isinstance(config, DictConfig)
    if "seed" in (data := config.get("data", {})) and "split_seed" not in data:
        data.split_seed = data.seed  # as older runs were split
    register_resolvers()
    here = OmegaConf.load(CONF / "paths" / "default.yaml")
    for key in ("data_dir", "cache_dir"):
        if key in data and not Path(str(data[key])).exists():
            data[key] = OmegaConf.select(here, key)
    if isinstance(workers := data.get("num_workers"), int):  # of another machine; it changes no number
        data.num_workers = min(workers, os.cpu_count() or 1)
    return config


def read_checkpoint(path: Path, *, to_go_on: bool = False) -> dict[str, Any]:
    """The tensors and plain containers of a checkpoint (nothing is unpickled that could run code).

    Raises:
        UserError: when the file is missing, truncated, or no checkpoint of this project; or, ``to_go_on``, lacks what a
            training goes on from.
    """
    if not path.is_file() and (path.parent / REMOVED).is_file():
        raise UserError(
            f"The weights of {path.parent.parent} were removed when its study had chosen among its trials "
            "(study.keep_weights=true keeps them): take a final run of the study, or train this one again by the "
            "command in its result.json."
        )
    if not path.is_file():
        raise UserError(f"The checkpoint {path} does not exist: give the path of a .ckpt file of a run.")
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not look at the checksums
            if (record := archive.testzip()) is not None:
                raise ValueError(f"{record} is not what was written")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"The checkpoint {path} cannot be read (truncated, damaged or not a checkpoint): take the run's other one, "
            f"best.ckpt or last.ckpt, or train again."
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise UserError(f"{path} is not a checkpoint of a run: it holds no state_dict.")
    if to_go_on and (missing := [key for key in STATE if key not in checkpoint]):
        last = path.with_name("last.ckpt")
        where = f"ckpt={last}, beside it," if last.is_file() and last != path else "the last.ckpt of a run"
        raise UserError(
            f"{path} holds weights alone (no {missing[0]}), as a best.ckpt does for measuring and predicting: training "
            f"goes on from {where} which holds the state of the optimizer as well."
        )
    return checkpoint


def load_weights(task: Task, kept: dict[str, Any], path: Path) -> None:
    """Put a checkpoint's weights into a task.

    Raises:
        UserError: they are those of another network.
    """
    try:
        task.load_state_dict(kept["state_dict"])
    except Exception as error:  # torch raises whatever the strange content happens to hit
        raise UserError(f"{path} holds the weights of another network ({one_line(str(error))[:200]}).") from error
