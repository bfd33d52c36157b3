"""What all tasks share: encoder, network and head, the training loop's hooks, and the metrics of each split."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
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
from src.tasks.tbptt_state import TBPTTState

SPLITS = ("train", "val", "test")
State = Any  # a tensor or nested tuples of tensors; the network knows


class LooksAhead(UserError):
    """A bidirectional network where the prediction at a step may not look past it."""


class Encoder(nn.Module):
    """An embedding of so many features for tokens; features go through as they are.

    Attributes:
        output_size: features per step that come out.
    """

    def __init__(self, description: Description, embedding_size: int) -> None:
        super().__init__()
        tokens = isinstance(description.input, Tokens)
        self.embedding = nn.Embedding(description.input.vocabulary, embedding_size) if tokens else None  # type: ignore[union-attr]
        self.output_size = embedding_size if tokens else description.input.size  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time) tokens or (batch, time, size) features to (batch, time, output_size)."""
        return x if self.embedding is None else self.embedding(x)


class Task(pl.LightningModule):
    """Encoder -> recurrent network -> head, with the loss of one kind of task.

    A subclass takes these arguments beside its own, sets ``self.head`` in ``__init__``, implements :meth:`losses` and
    declares its metrics. ``split/loss``, the mean over all predictions of a split, is always there, and again under the
    task's own name for it, which is the first metric that it declares. A metric that is a plain ratio of sums over
    sequences only needs to be declared, and its sums to be given by :meth:`losses`; they are kept for every sequence
    too. Any other is made from the sums in :meth:`summary`, or by torchmetrics that :meth:`make_metrics` gives.

    Args:
        description: the data set's description.
        network: from the number of input features to a recurrent network (``model`` in the config); see
            docs/contract.md for what a network must do.
        optimizer: from parameters to an optimizer.
        scheduler: from an optimizer to a learning-rate scheduler, or None.
        embedding_size: features of a token's embedding.
        dropout: on what the head reads.
        monitor: the metric by which the best epoch is chosen, e.g. ``val/nll``.
        mode: ``min`` or ``max``.

    Attributes:
        metrics_declared: what the task logs of each split beside ``loss``; where the data decide, it is narrowed in
            ``__init__``.
        neutral: by name the sums of further ratios, which are logged and good neither small nor large.
        tables: by split, one line for each sequence of the last validation or test.

    Raises:
        UserError: when the network looks ahead and the data forbid it, or the data are not of the task's kind.
    """

    metrics_declared: tuple[Metric, ...] = ()
    neutral: Mapping[str, tuple[str, str]] = MappingProxyType({})
    head: Any

    def __new__(cls, *positional: Any, **arguments: Any) -> Task:
        """Refuse what no config could give either.

        Raises:
            UserError: names the argument, what it must be and the value that came.
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
        self.network: Any = network(input_size=self.encoder.output_size)  # any network that keeps to the contract
        if description.causal and getattr(self.network, "num_directions", 1) > 1:
            raise LooksAhead(
                "A bidirectional network cannot be trained on this data set: the prediction at step t may not look "
                "past step t, and its backward direction would read the answer; take the one-directional model "
                "instead (e.g. model=gru for model=gru_bi)."
            )
        self.check_monitor("task", monitor, mode)
        self.dropout = nn.Dropout(dropout)
        self.metrics = nn.ModuleDict({f"{split}_": nn.ModuleDict(self.make_metrics()) for split in SPLITS})
        self.sums = {split: PooledSums(self.metrics_declared, self.neutral.values()) for split in SPLITS}
        self.tables: dict[str, SequenceTable] = {}
        self._said: dict[str, list[tuple[Tensor, Tensor]]] = {split: [] for split in SPLITS}  # for the torchmetrics
        self.tbptt_states = {training: TBPTTState() for training in (True, False)}
        self._clipped: list[Tensor] = []  # one bool for each update, where gradients are clipped
        self._validated = False  # in this epoch
        self.budget: Any = None  # of src/tasks/budget.py, where the network's width was solved by one

    # ------------------------------------------------------------------------------------------- for subclasses

    @property
    def declared(self) -> dict[str, Metric]:
        """What is logged of each split, by name: ``loss``, the task's own name for it, its other metrics."""
        return {metric.name: metric for metric in (LOSS, *self.metrics_declared)}

    def check_monitor(self, group: str, monitor: str, mode: str) -> None:
        """Refuse a metric that this task does not have, or one whose better side is the other; ``group`` asks for it.

        Raises:
            UserError: says which metrics there are, or what the mode must be.
        """
        name = monitor.partition("/")[2]
        metric = self.declared.get(name)
        if metric is None and type(self).__module__.startswith("src.") and monitor != "train/clipped":
            some = ", ".join(f"val/{other}" for other in self.declared)
            raise UserError(f"{group}.monitor must be one of {some}, or of train/, got {monitor}.")
        if metric is not None and mode != metric.direction:
            raise UserError(f"{group}.mode must be {metric.direction} for {monitor}, got {mode}.")

    @property
    def loss_name(self) -> str:
        """The task's own name for its loss."""
        return (*self.metrics_declared, LOSS)[0].name

    def losses(self, batch: Batch) -> Losses:
        """The loss of every sequence of a batch."""
        raise NotImplementedError

    def make_metrics(self) -> dict[str, nn.Module]:
        """Torchmetrics by name, made once for each split; they are fed each sequence's prediction and target."""
        return {}

    def summary(self, sums: PooledSums) -> dict[str, float]:
        """Metrics of a split made from its sums otherwise than as a plain ratio, by name (perplexity, ...)."""
        return {}

    def reduce(self, losses: Losses) -> Tensor:
        """The training loss: per prediction, over the batch."""
        return losses.loss.sum() / losses.count.sum()

    def run(self, batch: Batch, state: State = None) -> tuple[Tensor, State]:
        """(output of the network (batch, time, output_size), final state) for a batch.

        Rows that go on from the last batch start from its state, unless one is given.
        """
        tbptt = self.tbptt_states[self.training] if batch.starts is not None and state is None else None
        if tbptt is not None:
            state = tbptt.before(batch, self.network)
        output, state = self.network(self.encoder(batch.x), state, lengths=batch.lengths)
        if tbptt is not None:
            tbptt.after(batch, state)
        return output, state

    def forward(self, batch: Batch) -> Any:
        """What the head says at every step, (batch, time, ...)."""
        output, _ = self.run(batch)
        return self.head(self.dropout(output))

    # -------------------------------------------------------------------------------------------- for Lightning

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *arguments: Any, **keywords: Any) -> NoReturn:
        """Not possible: a checkpoint holds weights, and the run's directory says what network they are of.

        Raises:
            UserError: names what does it.
        """
        directory = Path(str(checkpoint_path)).parent.parent
        raise UserError(
            f"A task is rebuilt from the directory of its run, which knows network and data: "
            f'gatebench.load_run("{directory}").task has the weights of its best.ckpt.'
        )

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
        if self.metrics[split + "_"] and losses.prediction is not None and losses.target is not None:
            self._said[split].append((losses.prediction.detach(), losses.target))  # counted at the end: counting waits
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
        # float64 all the way: Lightning would round plain floats to float32.
        exact = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
        self.log_dict(exact, on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_start(self) -> None:
        """Forget what the last epoch has trained since it was last validated."""
        self.sums["train"].reset()
        self._said["train"], self._clipped, self._validated = [], [], False

    def on_train_epoch_end(self) -> None:
        """Step a plateau scheduler: Lightning would do it after the epoch's checkpoint is written."""
        for config in self.trainer.lr_scheduler_configs if self._validated else ():
            if config.reduce_on_plateau:
                config.scheduler.step(self.trainer.callback_metrics[self.monitor])  # type: ignore[arg-type]

    def on_validation_epoch_start(self) -> None:
        """Forget the sequences of the last validation."""
        self.tables.pop("val", None)

    def on_validation_epoch_end(self) -> None:
        """Log ``train/`` (the mean over the epoch's predictions, each under the weights of its time) and ``val/``.

        Both here, at the end of the epoch's validation, so that they share a row and are in the file before the epoch's
        checkpoint is; where an epoch has several, ``train/`` is of what was trained since the one before. A validation
        after training has no epoch, whatever an unfinished one left.
        """
        if self.trainer.state.fn == "fit":
            self._validated = not self.trainer.sanity_checking
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
