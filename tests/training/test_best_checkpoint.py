"""Which epoch's weights are kept, where epochs are equal in the metric that is monitored."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from src.training.callbacks import BestCheckpoint, LastCheckpoint


class Scripted(pl.LightningModule):
    """A network whose validation metrics are what a script says, epoch by epoch."""

    def __init__(self, acc: list[float], loss: list[float]) -> None:
        super().__init__()
        self.acc, self.loss, self.layer = acc, loss, torch.nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.layer(batch).sum()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/acc", self.acc[self.current_epoch])
        self.log("val/loss", self.loss[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def best_epoch(folder: Path, acc: list[float], loss: list[float], epochs: int, monitor: str = "val/acc") -> int:
    """The epoch whose weights are kept after so many epochs, going on from ``last.ckpt`` where there is one."""
    last = folder / "last.ckpt"
    best = BestCheckpoint(
        folder,
        "best",
        monitor,
        mode="max" if monitor == "val/acc" else "min",
        save_weights_only=True,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[best, LastCheckpoint(last, 0.0)],
    )
    data = DataLoader(torch.ones(2, 1))  # type: ignore[arg-type]
    path = str(last) if last.exists() else None
    trainer.fit(Scripted(acc, loss), data, data, ckpt_path=path, weights_only=False if path else None)
    return int(torch.load(folder / "best.ckpt", weights_only=False)["epoch"])


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
@pytest.mark.parametrize("stop", [None, 1, 2, 3])
@pytest.mark.parametrize(
    ("acc", "loss", "epoch"),
    [
        ([0.5, 0.9, 0.9, 0.9], [1.0, 0.5, 0.4, 0.6], 2),  # equal accuracy, smaller loss
        ([0.9, 0.9, 0.9, 0.5], [0.4, 0.5, 0.4, 0.1], 0),  # the first of epochs that are equal in both
        ([0.9, 0.8, 0.9, 0.91], [0.5, 0.1, 0.4, 9.0], 3),  # accuracy comes first
    ],
)
def test_among_equal_epochs_the_smallest_loss_wins_after_a_stop_too(
    tmp_path: Path, acc: list[float], loss: list[float], epoch: int, stop: int | None
) -> None:
    if stop:
        best_epoch(tmp_path, acc, loss, stop)
    assert best_epoch(tmp_path, acc, loss, len(acc)) == epoch


def test_where_the_loss_is_monitored_the_first_of_equals_is_kept(tmp_path: Path) -> None:
    assert best_epoch(tmp_path, [0.1, 0.2, 0.3], [0.5, 0.4, 0.4], 3, "val/loss") == 1
