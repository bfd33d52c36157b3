"""Shared by all tasks: encoder, network and head, training hooks, and the metrics of each split."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.config.errors import UserError
from src.config.rules import check_arguments
from src.data.batches import Batch
from src.data.describe import Description, Tokens
from src.recurrent import StackedRNN, count_parameters
from src.tasks.losses import Losses, PooledSums, SequenceTable
from src.tasks.metrics import LOSS, Direction, Metric
from src.tasks.tbptt_state import State, TBPTTState

SPLITS = ("train", "val", "test")


class LooksAhead(UserError):
    """A bidirectional network where the prediction at a step must not use later steps."""


class Encoder(nn.Module):
    """Embeds tokens; real-valued features pass through unchanged.

    Attributes:
        output_size: output features per step.
    """

    def __init__(self, description: Description, embedding_size: int) -> None:
        super().__init__()
        tokens = isinstance(description.input, Tokens)
        self.embedding = nn.Embedding(description.input.vocabulary, embedding_size) if tokens else None  # type: ignore[union-attr]
        self.output_size = embedding_size if tokens else description.input.size  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, time) tokens or (batch, time, size) features to (batch, time, output_size)."""
        return x if self.embedding is None else self.embedding(x)


class Task(pl.LightningModule):
    """Encoder -> recurrent network -> head, with the loss of one kind of task.

    A subclass takes these arguments in addition to its own, sets ``self.head`` in ``__init__``, implements
    :meth:`losses` and declares its metrics. ``split/loss``, the mean over all predictions of a split, is always
    present, and again under the task's own name for it, which is the first metric it declares. A metric that is a plain
    ratio of sums over sequences only needs to be declared, with its sums returned by :meth:`losses`; they are also kept
    for every sequence. Other metrics are computed from the sums in :meth:`summary`, or by torchmetrics returned by
    :meth:`make_metrics`.

    Args:
        description: the data set's description.
        network: maps the number of input features to a recurrent network (``model`` in the config); docs/contract.md
            describes its interface.
        optimizer: maps parameters to an optimizer.
        scheduler: maps an optimizer to a learning-rate scheduler, or None.
        embedding_size: dimension of token embeddings.
        dropout: dropout on the input of the head.
        monitor: metric that selects the best epoch, e.g. ``val/nll``.
        mode: ``min`` or ``max``.

    Attributes:
        metrics_declared: metrics logged for each split in addition to ``loss``; narrowed in ``__init__`` if they depend
            on the data.
        neutral: sums of further logged ratios by name, for which neither direction is better.
        tables: by split, one row for each sequence of the last validation or test.

    Raises:
        UserError: the network is not causal but the data require it, or the data do not suit the task.
    """

    metrics_declared: tuple[Metric, ...] = ()
    neutral: Mapping[str, tuple[str, str]] = MappingProxyType({})
    head: Any

    def __new__(cls, *positional: Any, **arguments: Any) -> Task:
        """Check the arguments like values of a config.

        Raises:
            UserError: an argument is unknown or does not have the type of its key.
        """
        check_arguments("task", arguments, theirs=not cls.__module__.startswith("src."))
        return super().__new__(cls)

    def __init__(
        self,
        *,
        description: Description,
        network: Callable[..., nn.Module],
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any] | None = None,
        embedding_size: int = 64,
        dropout: float = 0.0,
        monitor: str,
        mode: Direction = "min",
    ) -> None:
        super().__init__()
        self.description = description
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.monitor, self.mode = monitor, mode
        self.encoder = Encoder(description, embedding_size)
        self.network: Any = network(input_size=self.encoder.output_size)  # see docs/contract.md
        for key, default, most, right in (
            ("output_size", None, sys.maxsize, "the number of output features per step"),
            ("num_directions", 1, 2, "1 or 2"),
        ):
            number = getattr(self.network, key, default)
            if not isinstance(number, Integral) or not 1 <= int(number) <= most:
                raise UserError(
                    f"{type(self.network).__name__} must have an attribute {key}, {right}, got {number}; see "
                    "docs/contract.md."
                )
        if description.causal and getattr(self.network, "num_directions", 1) > 1:
            raise LooksAhead(
                "A bidirectional network cannot be trained on this data set: the prediction at step t must not use "
                "later steps, which its backward direction reads; use a unidirectional model (e.g. model=gru for "
                "model=gru_bi)."
            )
        self.check_monitor("task", monitor, mode)
        self.dropout = nn.Dropout(dropout)
        self.metrics = nn.ModuleDict({f"{split}_": nn.ModuleDict(self.make_metrics()) for split in SPLITS})
        self.sums = {split: PooledSums(self.metrics_declared, self.neutral.values()) for split in SPLITS}
        self.tables: dict[str, SequenceTable] = {}
        self._said: dict[str, list[tuple[Tensor, Tensor]]] = {split: [] for split in SPLITS}  # for torchmetrics
        self.tbptt_states = {training: TBPTTState() for training in (True, False)}
        self._clipped: list[Tensor] = []  # one bool per update, if gradients are clipped
        self._validated = False  # in this epoch
        self.budget: Any = None  # see src/tasks/budget.py, if the width was solved from a budget

    # ------------------------------------------------------------------------------------------- for subclasses

    @classmethod
    def declares_all(cls) -> bool:
        """Return whether every metric of the class is declared: of a user's own, if it has ``metrics_declared``."""
        theirs = [kind for kind in cls.__mro__ if not kind.__module__.startswith("src.")]
        return cls not in theirs or any("metrics_declared" in vars(kind) for kind in theirs)

    @property
    def declared(self) -> dict[str, Metric]:
        """The metrics logged for each split, by name: ``loss``, the task's own name for it, and others."""
        return {metric.name: metric for metric in (LOSS, *self.metrics_declared)}

    def check_monitor(self, group: str, monitor: str, mode: str) -> None:
        """Check that the metric required by ``group`` exists in this task, with the right direction.

        Raises:
            UserError: the task has no such metric, or the mode is wrong.
        """
        name = monitor.partition("/")[2]
        metric = self.declared.get(name)
        if metric is None and self.declares_all() and monitor != "train/clipped":
            some = ", ".join(f"val/{other}" for other in self.declared)
            raise UserError(f"{group}.monitor must be one of {some}, or a train/ metric, got {monitor}.")
        if metric is not None and mode != metric.direction:
            raise UserError(f"{group}.mode must be {metric.direction} for {monitor}, got {mode}.")

    @property
    def loss_name(self) -> str:
        """The task's own name for its loss."""
        return (*self.metrics_declared, LOSS)[0].name

    def losses(self, batch: Batch) -> Losses:
        """Return the loss of every sequence in a batch."""
        raise NotImplementedError

    def make_metrics(self) -> dict[str, nn.Module]:
        """Return torchmetrics by name, created once per split; they receive each sequence's prediction and target."""
        return {}

    def summary(self, sums: PooledSums) -> dict[str, float]:
        """Return metrics computed from a split's sums other than as a plain ratio, by name (perplexity, ...)."""
        return {}

    def reduce(self, losses: Losses) -> Tensor:
        """Return the training loss: the mean per prediction over the batch."""
        return losses.loss.sum() / losses.count.sum()

    def run(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """Return the network's output (batch, time, output_size) and final state for a batch.

        Rows that continue from the last batch start from its state, unless one is given.
        """
        tbptt = self.tbptt_states[self.training] if batch.starts is not None and state is None else None
        if tbptt is not None:
            state = tbptt.before(batch, self.network)
        output, state = self.network(self.encoder(batch.x), state, lengths=batch.lengths)
        if tbptt is not None:
            tbptt.after(batch, state)
        return output, state

    def forward(self, batch: Batch) -> Any:
        """Return the head's output at every step, (batch, time, ...)."""
        output, _ = self.run(batch)
        return self.head(self.dropout(output))

    # -------------------------------------------------------------------------------------------- for Lightning

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raise an error: a checkpoint has only weights, and the network is defined by the run's directory.

        Raises:
            UserError: always; the message names the right function.
        """
        directory = Path(str(checkpoint_path)).parent.parent
        raise UserError(
            f"A task must be rebuilt from its run's directory, which defines network and data: "
            f'gatebench.load_run("{directory}").task has the weights of its best.ckpt.'
        )

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients as configured, and record whether they were clipped: ``train/clipped`` is the fraction."""
        if gradient_clip_val:
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            norm = nn.utils.get_total_norm(gradients, 2.0 if gradient_clip_algorithm in (None, "norm") else math.inf)
            self._clipped.append(norm > gradient_clip_val)  # stays on its device, to avoid synchronising a GPU
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the training loss of a batch, logged as ``train/loss``."""
        losses = self.losses(batch)
        loss = self.reduce(losses)
        self._note("train", batch, losses)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch to the metrics of ``val``."""
        self._note("val", batch, self.losses(batch))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch to the metrics of ``test``."""
        self._note("test", batch, self.losses(batch))

    def _note(self, split: str, batch: Batch, losses: Losses) -> None:
        self.sums[split].add(losses)
        if self.metrics[split + "_"] and losses.prediction is not None and losses.target is not None:
            self._said[split].append(
                (losses.prediction.detach(), losses.target)
            )  # counted at the end: counting synchronises
        if split != "train":
            self.tables.setdefault(split, SequenceTable()).add(batch.rows, losses)

    def _log_split(self, split: str) -> None:
        sums = self.sums[split]
        sums.gather()
        if not sums.totals["count"]:
            return
        plain = {m.name: sums.ratio(m) for m in self.declared.values() if m.factor == 1}
        figures = {name: value for name, value in plain.items() if value is not None} | self.summary(sums)
        figures |= {name: sums.totals[top] / sums.totals[bottom] for name, (top, bottom) in self.neutral.items()}
        values = {f"{split}/{name}": value for name, value in figures.items()}
        said, self._said[split] = self._said[split], []
        for name, metric in self.metrics[split + "_"].items():  # type: ignore[operator]
            metric.update(*(torch.cat(column) for column in zip(*said, strict=True)))
            values[f"{split}/{name}"] = float(metric.compute())
            metric.reset()
        if split == "train" and self._clipped:
            values["train/clipped"] = float(torch.stack(self._clipped).double().mean())
            self._clipped = []
        leaked = getattr(getattr(self.trainer, "datamodule", None), "leaked", {}).get(split)
        if split == "test" and leaked:
            values[f"test/{self.loss_name}_unleaked"] = self.tables["test"].mean_without(leaked)
        sums.reset()
        # Keep float64: Lightning would round plain floats to float32.
        exact = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
        self.log_dict(exact, on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_start(self) -> None:
        """Reset what was trained since the last validation."""
        self.sums["train"].reset()
        self._said["train"], self._clipped, self._validated = [], [], False

    def on_train_epoch_end(self) -> None:
        """Step a plateau scheduler, which Lightning would do after writing the epoch's checkpoint."""
        for config in self.trainer.lr_scheduler_configs if self._validated else ():
            if config.reduce_on_plateau:
                config.scheduler.step(self.trainer.callback_metrics[self.monitor])  # type: ignore[arg-type]

    def on_validation_epoch_start(self) -> None:
        """Reset the sequences of the last validation."""
        self.tables.pop("val", None)

    def on_validation_epoch_end(self) -> None:
        """Log ``train/`` (the mean over the epoch's predictions, each with the weights at that time) and ``val/``.

        Both are logged at the end of the epoch's validation, so that they share a row and are in the file before the
        epoch's checkpoint is. If an epoch has several validations, ``train/`` covers what was trained since the
        previous one. A validation after training belongs to no epoch, even after an unfinished one.
        """
        if self.trainer.state.fn == "fit":
            self._validated = not self.trainer.sanity_checking
            self._log_split("train")
        self._log_split("val")

    def on_test_epoch_start(self) -> None:
        """Reset the sequences of the last test."""
        self.tables.pop("test", None)

    def on_test_epoch_end(self) -> None:
        """Log ``test/``."""
        self._log_split("test")

    def count_parameters(self) -> dict[str, int]:
        """Count parameters by purpose.

        Returns:
            ``recurrent`` (the network without encoder and head), ``effective`` (the same, but two bias vectors that are
            only ever added together count as one), ``total`` (all trained parameters).
        """
        recurrent = sum(p.numel() for p in self.network.parameters())
        counts = {"recurrent": recurrent, "effective": recurrent}
        if isinstance(self.network, StackedRNN):
            counts = count_parameters(self.network)
        return counts | {"total": sum(p.numel() for p in self.parameters())}

    def configure_optimizers(self) -> Any:
        """Return optimizer and scheduler as configured; a scheduler that needs a metric gets :attr:`monitor`."""
        optimizer = self.make_optimizer(self.parameters())
        if self.make_scheduler is None:
            return optimizer
        scheduler = self.make_scheduler(optimizer)
        config = {"scheduler": scheduler, "monitor": self.monitor}
        if isinstance(scheduler, ReduceLROnPlateau):
            config["frequency"] = sys.maxsize  # never stepped by Lightning: see on_train_epoch_end
        return {"optimizer": optimizer, "lr_scheduler": config}
