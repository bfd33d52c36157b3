"""A run from end to end on real speech: what it learns, what it leaves behind, and that chance has streams."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.runs.load import load_run, read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import find_runs, read_sequences
from src.runs.result import Parameters, RunResult
from src.tasks.build import build
from src.train import train

Compose = Callable[..., DictConfig]


def only_run(cfg: DictConfig) -> tuple[Path, RunResult]:
    found = list(find_runs(Path(cfg.paths.runs_dir)))
    assert len(found) == 1
    return found[0]


def test_two_epochs_improve_on_chance_and_leave_a_whole_record(quick: Compose) -> None:
    cfg = quick("optimizer.lr=0.01", "seed=3")
    metrics = train(cfg)
    assert metrics["test/acc"] > 3 / 9
    assert metrics["test/nll"] < math.log(9)
    directory, record = only_run(cfg)
    assert record.status == "finished"
    assert record.metrics == metrics
    assert record.parameters == Parameters(recurrent=1440, effective=1408, total=1593)
    assert record.data.sequences == {"train": 216, "val": 54, "test": 370}
    assert record.baselines["majority/acc"] < 0.2
    assert record.timing.epochs == 2
    assert record.timing.seconds_per_epoch > 0
    assert record.timing.shared in (True, False, None)
    assert record.best.epoch in (0, 1)
    assert {"torch", "pytorch-lightning", "python"} <= record.versions.keys()
    assert record.backend.name
    assert len(record.identity) == 16
    assert record.memory.peak_rss_mb > 50
    assert not set("=,") & set(str(directory.name))
    rows = read_metrics(directory / "metrics.csv")
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert rows[-1]["test/acc"] == metrics["test/acc"]
    assert rows[record.best.epoch]["val/nll"] == pytest.approx(metrics["val/nll"], abs=1e-12)
    for split, number in (("val", 54), ("test", 370)):
        lines = read_sequences(directory, split)
        assert len(lines["row"]) == number
        assert lines["loss"].sum() / lines["count"].sum() == pytest.approx(metrics[f"{split}/nll"], abs=1e-6)
        assert (lines["prediction"] == lines["target"]).mean() == pytest.approx(metrics[f"{split}/acc"], abs=1e-6)


def test_fewer_updates_than_an_epoch_has_are_refused(quick: Compose) -> None:
    with pytest.raises(UserError, match=r"max_steps=26 ends before the first validation.* set it to 27 or more"):
        train(quick("trainer.max_steps=26"))


def test_the_test_set_stays_untouched_when_asked(quick: Compose) -> None:
    cfg = quick("test=false", "trainer.max_epochs=1")
    metrics = train(cfg)
    directory, record = only_run(cfg)
    assert not [name for name in {*metrics, *record.metrics} if name.startswith("test/")]
    assert not (directory / "sequences" / "test.npz").exists()


def test_the_same_command_twice_gives_the_same_bits_and_another_seed_does_not(quick: Compose) -> None:
    options = ("model.dropout=0.3", "model.num_layers=2", "trainer.max_epochs=1")
    first, second, other = train(quick(*options)), train(quick(*options)), train(quick(*options, "seed=1"))
    assert first == second
    assert first != other


def test_gru_and_lstm_of_a_seed_see_the_same_split_and_batches(quick: Compose) -> None:
    seen = []
    for model in ("gru", "lstm"):
        data, task = build(quick(f"model={model}"))
        loader = data.train_dataloader()
        loader.sampler.set_epoch(4)  # type: ignore[attr-defined]
        seen.append([batch.x for batch in loader])
        assert sum(p.numel() for p in task.parameters()) != 0
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def test_initial_weights_do_not_depend_on_what_was_drawn_before(quick: Compose) -> None:
    torch.manual_seed(1)
    first = build(quick())[1].state_dict()
    torch.manual_seed(2)
    second = build(quick())[1].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_checkpoint_holds_plain_tensors_and_containers(quick: Compose) -> None:
    cfg = quick("scheduler=plateau", "trainer.max_epochs=1", "callbacks.last.every_seconds=0")
    train(cfg)
    directory, _ = only_run(cfg)
    for name in ("best", "last"):
        assert read_checkpoint(directory / "checkpoints" / f"{name}.ckpt")["epoch"] == 0


def test_a_diverged_run_is_a_result_of_its_own_kind(quick: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = quick("optimizer=sgd", "optimizer.lr=1e38", "trainer.gradient_clip_val=null")
    assert train(cfg) == {}
    _, record = only_run(cfg)
    assert record.status == "diverged"
    assert "training loss (train/loss) is inf at step 1" in record.error
    assert record.metrics == {}
    assert "Diverged." in capsys.readouterr().out


def test_a_failed_run_says_why_in_its_record(quick: Compose) -> None:
    cfg = quick("data.name=NoSuchSet")
    with pytest.raises(UserError):
        train(cfg)
    _, record = only_run(cfg)
    assert record.status == "failed"
    assert record.error.startswith("data.name=NoSuchSet is not in the UCR/UEA archive")


@pytest.mark.parametrize("scheduler", ["none", "cosine", "step", "plateau"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_optimizers_and_schedulers_compose(scheduler: str, optimizer: str, quick: Compose) -> None:
    import pytorch_lightning as pl

    data, task = build(quick(f"optimizer={optimizer}", f"scheduler={scheduler}"))
    trainer = pl.Trainer(
        accelerator="cpu", fast_dev_run=True, enable_progress_bar=False, enable_model_summary=False, logger=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(task, datamodule=data)
    assert type(trainer.optimizers[0]).__name__.lower() == optimizer
    assert len(trainer.lr_scheduler_configs) == (scheduler != "none")


def test_a_network_of_the_users_own(quick: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The contract of docs/contract.md: any class that maps (input, state, lengths) to (output, state)."""
    (tmp_path / "their_networks.py").write_text(
        "import torch\n"
        "class Mean(torch.nn.Module):\n"
        "    num_directions = 1\n"
        "    def __init__(self, input_size, width):\n"
        "        super().__init__()\n"
        "        self.linear, self.output_size = torch.nn.Linear(input_size, width), width\n"
        "    def forward(self, input, state=None, lengths=None):\n"
        "        steps = torch.arange(1, input.shape[1] + 1)[None, :, None]\n"
        "        return torch.tanh(self.linear(input.cumsum(1) / steps)), None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    cfg = quick("optimizer.lr=0.02")
    cfg.model = OmegaConf.create({"_target_": "their_networks.Mean", "width": 8})
    metrics = train(cfg)
    directory, record = only_run(cfg)
    assert record.backend.name == "Mean"
    assert record.parameters.recurrent == 12 * 8 + 8
    assert load_run(directory, trust="their_networks").task.network.output_size == 8
    assert metrics["test/nll"] < math.log(9)


def test_wandb_offline_holds_what_metrics_csv_holds(quick: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    monkeypatch.setenv("WANDB_MODE", "offline")
    cfg = quick("logger=wandb", "tags=[mine]")
    metrics = train(cfg)
    directory, record = only_run(cfg)
    assert record.wandb.mode == "offline"
    (file,) = directory.glob("wandb/offline-run-*/run-*.wandb")
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect"]
    told = subprocess.run(
        [*command, "--json", str(file)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    records = [json.loads(line) for line in told.splitlines()]
    assert records
    text = json.dumps(records)
    for row in read_metrics(directory / "metrics.csv"):
        for name in ("val/nll", "train/loss", "test/acc"):
            if name in row:
                assert repr(row[name]) in text, name
    assert repr(metrics["test/f1"]) in text
    assert "mine" in text


def test_two_processes_train_together(compose: Compose, tmp_path: Path) -> None:
    """gloo, two processes: the second joins from the run's own config; nothing of an odd number of batches is lost.

    With weights that do not move every metric is that of one process, those of training included.
    """
    tiny = (
        "data=adding", "data.length=6", "data.sizes=[37,13,11]", "data.batch_size=8", "model.hidden_size=4",
        "trainer.max_epochs=1", "logger=csv", "trainer.enable_progress_bar=false", "optimizer.lr=1e-30",
    )  # fmt: skip
    train(compose(*tiny, f"paths.runs_dir={tmp_path / 'one'}"))
    train(compose(*tiny, "trainer=ddp_cpu", "trainer.max_epochs=1", f"paths.runs_dir={tmp_path / 'two'}"))
    ((_, one),), ((directory, two),) = find_runs(tmp_path / "one"), find_runs(tmp_path / "two")
    assert two.status == "finished"
    assert (one.timing.updates, two.timing.updates) == (5, 3)
    assert len(read_sequences(directory, "test")["row"]) == 11
    assert two.metrics.pop("train/clipped") == 1.0  # a share of the updates
    assert one.metrics.pop("train/clipped") == 0.8
    assert two.metrics == pytest.approx(one.metrics, rel=1e-12)
    import os

    assert "LOCAL_RANK" not in os.environ
    assert not torch.distributed.is_initialized()


def test_interruption_is_on_record(quick: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.tasks.classification import SequenceClassification

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SequenceClassification, "on_validation_epoch_end", interrupted)
    cfg = quick()
    with pytest.raises(SystemExit):
        train(cfg)
    assert only_run(cfg)[1].status == "interrupted"


def test_overfitting_takes_a_little_of_a_text_and_learns_it_by_heart(compose: Compose, tmp_path: Path) -> None:
    drawn = torch.randint(8, (20_000,), generator=torch.Generator().manual_seed(0)).tolist()
    (tmp_path / "noise.txt").write_text("".join("abcdefgh"[k] for k in drawn))
    cfg = compose(
        "debug=overfit", "data=text", f"data.path={tmp_path / 'noise.txt'}", "data.batch_size=2", "optimizer.lr=0.02",
        "model.hidden_size=64", "trainer.max_epochs=60", "logger=csv", "trainer.enable_progress_bar=false",
    )  # fmt: skip
    metrics = train(cfg)
    # Letters drawn by chance hold ln 8 = 2.08 nats each, but for who knows them.
    assert metrics["train/nll"] < 0.2
    assert metrics["val/nll"] > math.log(8)
