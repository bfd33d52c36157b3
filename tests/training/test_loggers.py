import math
from pathlib import Path

import pytest

from src.config.errors import UserError
from src.runs.metrics_file import last_row, read_metrics
from src.training.loggers import MetricsCSV


def drop_seconds(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_calls_with_one_step_share_a_row_and_columns_come_by_first_appearance(tmp_path: Path) -> None:
    csv = MetricsCSV(tmp_path)
    csv.log_metrics({"train/loss": 0.5, "epoch": 0}, step=1)
    csv.log_metrics({"train/loss": 0.25, "epoch": 0}, step=3)
    csv.log_metrics({"val/acc": 0.75, "epoch": 0}, step=3)
    csv.log_metrics({"train/loss": 0.125, "epoch": 1}, step=5)
    csv.log_metrics({"test/acc": 1, "epoch": 2}, step=6)
    header = (tmp_path / "metrics.csv").read_text().splitlines()[0]
    assert header == "step,epoch,seconds,train/loss,val/acc,test/acc"
    assert drop_seconds(csv.rows) == [
        {"step": 1, "epoch": 0, "train/loss": 0.5},
        {"step": 3, "epoch": 0, "train/loss": 0.25, "val/acc": 0.75},
        {"step": 5, "epoch": 1, "train/loss": 0.125},
        {"step": 6, "epoch": 2, "test/acc": 1},
    ]
    seconds = [row["seconds"] for row in csv.rows]
    assert seconds == sorted(seconds)
    assert last_row(csv.path) == csv.rows[-1]


def test_floats_come_back_exactly(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-300, 5e-324, -1 / 3, 1e22, math.inf, -math.inf, 2.0**53 + 2, -0.0]
    csv = MetricsCSV(tmp_path)
    for step, value in enumerate(values):
        csv.log_metrics({"x": value, "n": step}, step)
    csv.log_metrics({"x": math.nan}, len(values))
    back = [row["x"] for row in csv.rows]
    assert [float(v).hex() for v in back[:-1]] == [v.hex() for v in values]
    assert math.isnan(back[-1])
    assert all(type(row["x"]) is float for row in csv.rows)
    assert all(type(row["n"]) is int for row in csv.rows[:-1])


def test_a_shorter_value_replaces_a_longer_one_in_the_last_row(tmp_path: Path) -> None:
    csv = MetricsCSV(tmp_path)
    csv.log_metrics({"x": 1 / 3}, 0)
    csv.log_metrics({"x": 0.5}, 0)
    assert [row["x"] for row in csv.rows] == [0.5]


def test_each_call_is_in_the_file_when_it_returns(tmp_path: Path) -> None:
    csv = MetricsCSV(tmp_path)
    for step in range(4):
        csv.log_metrics({"x": step / 7}, step)
        assert [row["x"] for row in read_metrics(csv.path)] == [i / 7 for i in range(step + 1)]


def test_resume_drops_what_will_be_made_again_and_the_clock_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("src.training.loggers.time.monotonic", lambda: now)
    csv = MetricsCSV(tmp_path)
    csv.log_graph(None)  # type: ignore[arg-type]  # Lightning's sign that the fit begins
    for step in range(6):
        now += 1
        csv.log_metrics({"epoch": step // 2, "x": step / 3}, step)
    assert [row["seconds"] for row in csv.rows] == [1, 2, 3, 4, 5, 6]

    now = 5000.0
    again = MetricsCSV(tmp_path)
    again.resume(4)
    assert [row["step"] for row in again.rows] == [0, 1, 2, 3]
    again.log_graph(None)  # type: ignore[arg-type]
    now += 0.5
    again.log_metrics({"epoch": 2, "x": 9.0}, 4)
    assert again.rows[-1] == {"step": 4, "epoch": 2, "seconds": 4.5, "x": 9.0}


def test_a_torn_last_line_is_left_out_and_the_file_goes_on_after_it(tmp_path: Path) -> None:
    csv = MetricsCSV(tmp_path)
    csv.log_metrics({"x": 0.5}, 0)
    csv.log_metrics({"x": 0.25}, 1)
    whole = csv.path.read_bytes()
    for length in range(len(whole)):
        csv.path.write_bytes(whole[:length])
        rows = read_metrics(csv.path)
        assert drop_seconds(rows) == [{"step": 0, "x": 0.5}][: max(whole[:length].count(b"\n") - 1, 0)]
    again = MetricsCSV(tmp_path)
    again.log_metrics({"x": 0.125}, 1)
    assert drop_seconds(again.rows) == [{"step": 0, "x": 0.5}, {"step": 1, "x": 0.125}]


def test_a_broken_line_inside_is_a_mistake_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,seconds,x\n0,0,0.5,1.0\n1,0\n2,0,0.7,1.0\n")
    with pytest.raises(UserError, match="line 3: expected 4"):
        read_metrics(tmp_path / "metrics.csv")


@pytest.mark.parametrize("step", ["", "nan", "1.5"])
def test_a_line_without_a_step_is_a_mistake_that_names_it(step: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(f"step,epoch,seconds,x\n0,0,0.5,1.0\n{step},0,0.7,1.0\n")
    with pytest.raises(UserError, match=f"line 3: expected a whole number as step, got \\['{step}', "):
        MetricsCSV(tmp_path).resume(1)


def test_two_writers_one_after_the_other(tmp_path: Path) -> None:
    """A fit in a forked process writes; the parent's object then logs the test."""
    parent, child = MetricsCSV(tmp_path), MetricsCSV(tmp_path)
    parent.log_graph(None)  # type: ignore[arg-type]
    for step in range(3):
        child.log_metrics({"train/loss": 1 / (step + 1)}, step)
    parent.log_metrics({"test/acc": 0.5}, 3)
    assert drop_seconds(parent.rows) == [
        {"step": 0, "train/loss": 1.0},
        {"step": 1, "train/loss": 0.5},
        {"step": 2, "train/loss": 1 / 3},
        {"step": 3, "test/acc": 0.5},
    ]


def test_steps_run_forward_and_columns_of_ours_are_not_metrics(tmp_path: Path) -> None:
    csv = MetricsCSV(tmp_path)
    csv.log_metrics({"x": 1.0}, 5)
    with pytest.raises(UserError, match=r"step 3 came after step 5 \(with val/loss\)"):
        csv.log_metrics({"val/loss": 1.0}, 3)
    with pytest.raises(UserError, match="'seconds'"):
        csv.log_metrics({"seconds": 1.0}, 6)
    assert [row["step"] for row in csv.rows] == [5]


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_fit_with_lightning_validation_test_and_resume(tmp_path: Path) -> None:
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.callbacks import ModelCheckpoint
    from torch.utils.data import DataLoader

    class Line(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            loss = self.layer(batch).pow(2).mean()
            self.log("train/loss", loss)
            self.log("train/mean", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: torch.Tensor, index: int) -> None:
            self.log("val/loss", self.layer(batch).pow(2).mean())

        def test_step(self, batch: torch.Tensor, index: int) -> None:
            self.log("test/loss", self.layer(batch).pow(2).mean())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 1e-3)

    def loader() -> DataLoader:
        return DataLoader(torch.arange(12.0).reshape(4, 3), batch_size=1)

    def trainer(directory: Path, epochs: int) -> pl.Trainer:
        return pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=[MetricsCSV(directory)],
            log_every_n_steps=2,
            callbacks=[ModelCheckpoint(directory / "checkpoints", save_last=True, monitor="val/loss")],
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    def model() -> Line:
        torch.manual_seed(0)
        return Line()

    whole = trainer(tmp_path / "whole", 3)
    whole.fit(model(), loader(), loader())
    whole.test(whole.model, loader(), verbose=False)
    rows = MetricsCSV(tmp_path / "whole").rows
    assert [(row["step"], row["epoch"]) for row in rows] == [
        (1, 0), (3, 0), (5, 1), (7, 1), (9, 2), (11, 2), (12, 3),
    ]  # fmt: skip
    assert set(rows[1]) == {"step", "epoch", "seconds", "train/loss", "train/mean", "val/loss"}
    assert set(rows[-1]) == {"step", "epoch", "seconds", "test/loss"}

    half = tmp_path / "half"
    trainer(half, 2).fit(model(), loader(), loader())
    step = torch.load(half / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    stray = MetricsCSV(half)
    stray.log_metrics({"train/loss": -1.0, "epoch": 2}, step=step)  # logged after the checkpoint, then killed
    resumed = trainer(half, 3)
    resumed.logger.resume(step)
    resumed.fit(model(), loader(), loader(), ckpt_path=half / "checkpoints" / "last.ckpt")
    resumed.test(resumed.model, loader(), verbose=False)
    assert drop_seconds(MetricsCSV(half).rows) == drop_seconds(rows)
