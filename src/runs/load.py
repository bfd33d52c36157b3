"""Read back a run from its directory alone: config, task with weights, data."""

from __future__ import annotations

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
from src.config.rules import check_values
from src.config.schema import keys_of
from src.data.batches import Split
from src.data.module import SequenceData
from src.runs.described import read_run
from src.runs.record import check_digests
from src.runs.result import RunResult
from src.tasks.base import Task
from src.tasks.build import build

# What the trainer needs to resume, besides the weights.
STATE = ("global_step", "epoch", "loops", "callbacks", "optimizer_states", "lr_schedulers")
REMOVED = "removed.txt"  # replaces a run's checkpoints that its study has removed


@dataclass(frozen=True, repr=False)
class Run:
    """A loaded run."""

    directory: Path
    config: DictConfig  # the training config, with this machine's data paths
    record: RunResult
    task: Task  # with the weights of the checkpoint, in evaluation mode
    data: SequenceData

    def __repr__(self) -> str:
        """Return its location and description in one line; its parts print themselves."""
        data = self.record.choices.get("data", type(self.data).__name__)
        loss = f"test/{self.task.loss_name}"
        said = f", {loss} {self.record.metrics[loss]:.4g}" if loss in self.record.metrics else ""
        return f"<Run {self.directory}: {self.model} on {data}, {self.record.status}{said}>"

    @property
    def model(self) -> str:
        """The name of the model's config, which selects its colour in figures, or else the network's class name."""
        return model_name(self.record, self.task)

    def split(self, name: str, rows: Sequence[int] = ()) -> Split:
        """Return a split of the data that contains all of ``rows``.

        Raises:
            UserError: the split or a sequence does not exist.
        """
        _ = self.data.description  # reads the data
        if name not in self.data.splits:
            raise UserError(f"split must be one of {', '.join(self.data.splits)}, got {name}.")
        here = len(self.data.splits[name])
        for row in rows:
            if not 0 <= row < here:
                raise UserError(f"sequence must be from 0 to {here - 1} in the {name} split of this run, got {row}.")
        return self.data.splits[name]


def model_name(record: RunResult | None, task: Task) -> str:
    """Return :attr:`Run.model` for a run that is not loaded, from its record and its task."""
    return (record and record.model) or type(task.network).__name__.lower()


def load_run(
    directory: str | Path,
    checkpoint: str = "best",
    *,
    read_data: bool = True,
    trust: str | Sequence[str] | None = None,
    exact: bool = False,
) -> Run:
    """Rebuild a run from its directory, which may come from a stranger: nothing in it is executed.

    Without ``read_data`` the data module has what was fitted on the training data, from the checkpoint (``best`` or
    ``last``), and can read new files; a built-in data set is read in any case. ``trust`` names modules of the user's
    own whose classes the config may name (:mod:`src.config.trust`). Weights are float32, or with ``exact`` float64 if
    trained in float64.

    Raises:
        UserError: the directory is not a run's; its config or checkpoint is missing, damaged or changed since the run
            ended; or its config names a class that is neither GateBench's nor trusted.
    """
    directory = Path(directory)
    config, record = read_run(directory, trust)
    weights = directory / "checkpoints" / f"{checkpoint}.ckpt"
    if weights.is_file():  # if it is missing, its reader explains why
        check_digests(directory, record, f"checkpoints/{checkpoint}.ckpt")
    kept = read_checkpoint(weights)
    try:
        parts = {name: node for name, node in plain(config).items() if name in ("model", "data")}
        check_values(parts, "evaluate", {n: k for n, k in keys_of().items() if n.partition(".")[0] in parts})
        data, task = build(config, None if read_data else kept)
    except UserError as error:
        raise UserError(f"{directory / 'config.yaml'}: {error}") from error
    except Exception as error:  # files of older runs have no digest and may fail in any way
        raise UserError(
            f"The run cannot be rebuilt from {directory / 'config.yaml'} and {weights}, which do not match or are "
            f"damaged ({type(error).__name__}: {one_line(str(error))})."
        ) from error
    if exact and str(OmegaConf.select(config, "trainer.precision")).startswith("64"):
        task.double()
    load_weights(task, kept, weights)
    return Run(directory, config, record, task.eval(), data)


def read_checkpoint(path: Path, *, to_go_on: bool = False) -> dict[str, Any]:
    """Return the tensors and plain containers of a checkpoint, without unpickling anything that could run code.

    Raises:
        UserError: the file is missing, truncated, or not a checkpoint of GateBench; or, with ``to_go_on``, lacks what
            resuming needs.
    """
    if not path.is_file() and (path.parent / REMOVED).is_file():
        raise UserError(
            f"The weights of {path.parent.parent} were removed after its study had chosen among its trials "
            "(study.keep_weights=true keeps them): use a final run of the study, or train this one again with the "
            "command in its result.json."
        )
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}: give the path of a run's .ckpt file.")
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not verify the checksums
            if (record := archive.testzip()) is not None:
                raise ValueError(f"{record} differs from what was written")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"The checkpoint {path} cannot be read (truncated, damaged or not a checkpoint): use the run's other one, "
            f"best.ckpt or last.ckpt, or train again."
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise UserError(f"{path} is not a checkpoint of a run: it has no state_dict.")
    if to_go_on and (missing := [key for key in STATE if key not in checkpoint]):
        last = path.with_name("last.ckpt")
        where = f"ckpt={last}" if last.is_file() and last != path else "the last.ckpt of a run"
        raise UserError(
            f"{path} has only weights (no {missing[0]}), for evaluation and prediction: resume training from "
            f"{where}, which has the state of the optimizer as well."
        )
    return checkpoint


def load_weights(task: Task, kept: dict[str, Any], path: Path) -> None:
    """Load a checkpoint's weights into a task.

    Raises:
        UserError: the weights belong to another network.
    """
    try:
        task.load_state_dict(kept["state_dict"])
    except Exception as error:  # invalid content makes torch raise anything
        raise UserError(f"{path} has the weights of another network ({one_line(str(error))[:200]}).") from error
