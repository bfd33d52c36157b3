"""What all tasks share: encoder, network and head, the loss by sequence, metrics by one set of names."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Description
from src.recurrent import StackedRNN, count_parameters
from src.tasks.budget import Budget
from src.tasks.encoder import Encoder
from src.tasks.sequences import SequenceTable
from src.tasks.tbptt_state import TBPTTState

SPLITS = ("train", "val", "test")
State = Any  # a tensor or nested tuples of tensors; the network knows


@dataclass(frozen=True)
class Losses:
    """What a task says of a batch.

    Args:
        loss: (batch,) summed over each sequence's steps, in nats (or squared units), padding never counted.
        count: (batch,) how many predictions the sum is over.
        prediction: one number (or a row of numbers) per sequence where the task has one, else None.
        target: what the prediction is compared with.
        sums: (batch,) further sums over each sequence's steps, by the names in the task's :attr:`Task.counted`.
    """

    loss: Tensor
    count: Tensor
    prediction: Tensor | None = None
    target: Tensor | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)


class Task(pl.LightningModule):
    """Encoder -> recurrent network -> head, with the loss of one kind of task.

    A subclass sets ``self.head`` in ``__init__`` and implements :meth:`losses`; it may add metrics in
    :meth:`make_metrics` and :meth:`update_metrics`. ``split/loss`` is always there: the mean over predictions (pooled:
    sum of all losses over number of all predictions), also under the task's own name, :attr:`loss_name`. A figure that
    is a ratio of sums (accuracy over steps, ...) needs no metric: name its sums in :attr:`counted`, give them in
    :meth:`losses` and divide them in :meth:`summary`; they are pooled like the loss and kept for every sequence.

    Args:
        description: the data set's description.
        network: from the number of input features to a recurrent network (``model`` in the config); see
            docs/contract in the README for what a network must do.
        optimizer: from parameters to an optimizer.
        scheduler: from an optimizer to a learning-rate scheduler, or None.
        embedding_size: features of a token's embedding.
        dropout: on what the head reads.
        monitor: the metric by which the best epoch is chosen, e.g. ``val/nll``.
        mode: ``min`` or ``max``.

    Raises:
        UserError: when the network looks ahead and the data forbid it, or the data are not of the task's kind.
    """

    loss_name = "loss"
    counted: tuple[str, ...] = ()

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
        mode: str = "min",
    ) -> None:
        super().__init__()
        self.description = description
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.monitor, self.mode = monitor, mode
        self.encoder = Encoder(description, embedding_size)
        self.network: Any = network(input_size=self.encoder.output_size)  # any network that keeps to the contract
        refuse_looking_ahead(self.network, description)
        self.dropout = nn.Dropout(dropout)
        self.metrics = nn.ModuleDict()
        for split in SPLITS:
            self.metrics[split + "_"] = nn.ModuleDict(self.make_metrics())
        self.sums = {split: PooledLoss(self.counted) for split in SPLITS}
        self.tables: dict[str, SequenceTable] = {}
        self.carries = {training: TBPTTState() for training in (True, False)}
        self._clipped: list[Tensor] = []  # one bool for each update of the epoch, where gradients are clipped
        self.budget: Budget | None = None  # the one by which the network's width was solved

    # ------------------------------------------------------------------------------------------- for subclasses

    def losses(self, batch: Batch) -> Losses:
        """The loss of every sequence of a batch."""
        raise NotImplementedError

    def make_metrics(self) -> dict[str, nn.Module]:
        """Torchmetrics by name, made once for each split; updated in :meth:`update_metrics`."""
        return {}

    def update_metrics(self, metrics: nn.ModuleDict, batch: Batch, losses: Losses) -> None:
        """Feed the metrics of one split."""

    def summary(self, sums: PooledLoss) -> dict[str, float]:
        """Figures of a split made from its pooled loss, by name (bits per character, perplexity, ...)."""
        return {}

    def reduce(self, losses: Losses) -> Tensor:
        """The training loss: per prediction, over the batch."""
        return losses.loss.sum() / losses.count.sum()

    def run(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """(output of the network (batch, time, output_size), final state) for a batch.

        Rows that go on from the last batch start from its state, unless one is given.
        """
        carry = self.carries[self.training] if batch.starts is not None and state is None else None
        if carry is not None:
            state = carry.before(batch, self.network)
        output, state = self.network(self.encoder(batch.x), state, lengths=batch.lengths)
        if carry is not None:
            carry.after(batch, state)
        return output, state

    # -------------------------------------------------------------------------------------------- for Lightning

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer says, and note whether there was something to clip: ``train/clipped`` is the share."""
        if gradient_clip_val:
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            norm = nn.utils.get_total_norm(gradients, 2.0 if gradient_clip_algorithm in (None, "norm") else math.inf)
            self._clipped.append(norm > gradient_clip_val)  # stays on its device, so that a GPU need not wait
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch's training loss; logged as ``train/loss``."""
        losses = self.losses(batch)
        loss = self.reduce(losses)
        self._note("train", batch, losses)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch in the metrics of ``val``."""
        self._note("val", batch, self.losses(batch))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch in the metrics of ``test``."""
        self._note("test", batch, self.losses(batch))

    def _note(self, split: str, batch: Batch, losses: Losses) -> None:
        self.sums[split].add(losses)
        self.update_metrics(self.metrics[split + "_"], batch, losses)  # type: ignore[arg-type]
        if split != "train":
            self.tables.setdefault(split, SequenceTable()).add(batch.rows, losses)

    def _log_split(self, split: str) -> None:
        sums = self.sums[split]
        sums.gather()
        if not sums.count:
            return
        values = {f"{split}/loss": sums.mean, f"{split}/{self.loss_name}": sums.mean}
        values |= {f"{split}/{name}": value for name, value in self.summary(sums).items()}
        for name, metric in self.metrics[split + "_"].items():  # type: ignore[operator]
            values[f"{split}/{name}"] = float(metric.compute())
            metric.reset()
        if split == "train" and self._clipped:
            values["train/clipped"] = float(torch.stack(self._clipped).double().mean())
            self._clipped = []
        leaked = getattr(getattr(self.trainer, "datamodule", None), "leaked", {}).get(split)
        if split == "test" and leaked:
            values[f"test/{self.loss_name}_unleaked"] = self.tables["test"].mean_without(leaked)
        sums.reset()
        # float64 all the way: Lightning would round plain floats to float32.
        exact = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
        self.log_dict(exact, on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_end(self) -> None:
        """Step a plateau scheduler: Lightning would do it after the epoch's checkpoint is written."""
        for config in self.trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                config.scheduler.step(self.trainer.callback_metrics[self.monitor])  # type: ignore[arg-type]

    def on_validation_epoch_start(self) -> None:
        """Forget the sequences of the last validation."""
        self.tables.pop("val", None)

    def on_validation_epoch_end(self) -> None:
        """Log ``train/`` (the mean over the epoch's predictions, each under the weights of its time) and ``val/``.

        Both here, at the end of the epoch's validation, so that they share a row and are in the file before the epoch's
        checkpoint is.
        """
        self._log_split("train")
        self._log_split("val")

    def on_test_epoch_start(self) -> None:
        """Forget the sequences of the last test."""
        self.tables.pop("test", None)

    def on_test_epoch_end(self) -> None:
        """Log ``test/``."""
        self._log_split("test")

    def count_parameters(self) -> dict[str, int]:
        """How many parameters there are, by what they are for.

        Returns:
            ``recurrent`` (the network without encoder and head), ``effective`` (the same, two bias vectors that only
            ever add up counted as one), ``total`` (everything that is trained).
        """
        recurrent = sum(p.numel() for p in self.network.parameters())
        counts = {"recurrent": recurrent, "effective": recurrent}
        if isinstance(self.network, StackedRNN):
            counts = count_parameters(self.network)
        return counts | {"total": sum(p.numel() for p in self.parameters())}

    def configure_optimizers(self) -> Any:
        """Optimizer and scheduler as configured; a scheduler that needs a metric gets :attr:`monitor`."""
        optimizer = self.make_optimizer(self.parameters())
        if self.make_scheduler is None:
            return optimizer
        scheduler = self.make_scheduler(optimizer)
        config = {"scheduler": scheduler, "monitor": self.monitor}
        if isinstance(scheduler, ReduceLROnPlateau):
            config["frequency"] = sys.maxsize  # never by Lightning: see on_train_epoch_end
        return {"optimizer": optimizer, "lr_scheduler": config}


class PooledLoss:
    """Sum of losses over number of predictions, in float64, over batches and processes.

    Args:
        counted: the names of further sums that every batch brings.
    """

    def __init__(self, counted: tuple[str, ...] = ()) -> None:
        self.counted = counted
        self.reset()

    def reset(self) -> None:
        """Start again at nothing."""
        self._parts: list[Tensor] = []
        self.loss, self.count = 0.0, 0.0
        self.further = dict.fromkeys(self.counted, 0.0)

    def add(self, losses: Losses) -> None:
        """Count a batch (kept on its device until it is asked for, so that a GPU need not wait)."""
        columns = [losses.loss, losses.count, *(losses.sums[name] for name in self.counted)]
        self._parts.append(torch.stack([column.detach().double().sum() for column in columns]))

    def gather(self) -> None:
        """Add up what was counted, over all processes."""
        totals = torch.tensor([self.loss, self.count, *self.further.values()], dtype=torch.float64)
        if self._parts:
            totals += torch.stack(self._parts).sum(0).cpu()
        self._parts = []
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
            totals = totals.to("cuda" if distributed.get_backend() == "nccl" else "cpu")
            distributed.all_reduce(totals)
        self.loss, self.count, *further = totals.tolist()
        self.further = dict(zip(self.counted, further, strict=True))

    @property
    def mean(self) -> float:
        """Loss per prediction."""
        return self.loss / self.count

    def share(self, name: str) -> float:
        """One of the further sums per prediction, e.g. accuracy from the number of predictions that were right."""
        return self.further[name] / self.count


class LooksAhead(UserError):
    """A bidirectional network where the prediction at a step may not look past it."""


def refuse_looking_ahead(network: nn.Module, description: Description) -> None:
    """Refuse a bidirectional network where the prediction at a step may not look past it.

    Raises:
        LooksAhead: in one sentence, before training.
    """
    if description.causal and getattr(network, "num_directions", 1) > 1:
        raise LooksAhead(
            "A bidirectional network cannot be trained on this data set: the prediction at step t may not look past "
            "step t, and its backward direction would read the answer; take the one-directional model instead "
            "(e.g. model=gru for model=gru_bi)."
        )
