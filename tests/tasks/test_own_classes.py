"""Whole modules of Lightning's in the place of a network, a data set or a run: they work, or the contract is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.runs.load import load_run
from src.runs.record import find_runs
from src.tasks import SequenceClassification
from src.tasks.build import build, build_task
from src.train import train

Compose = Callable[..., DictConfig]

DATA = '''
import numpy as np, pytorch_lightning as pl, torch
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.module import SequenceData
from src.tasks import SequenceClassification
from src.tasks.metrics import Metric

class Noise(SequenceData):
    """Whether noise has a positive mean."""

    def __init__(self, *, sequences, **keywords):
        super().__init__(**keywords)
        self.sequences = sequences

    def read(self):
        rng = np.random.default_rng(self.split_seed)
        for name in ("train", "val", "test"):
            x = torch.tensor(rng.standard_normal((self.sequences, 5, 2)) + rng.choice([-1, 1], (self.sequences, 1, 1)))
            y = (x.mean((1, 2)) > 0).long()
            self.splits[name] = FlatSplit(x.flatten(0, 1), torch.full((self.sequences,), 5), y)
        self.checksum = f"noise {self.sequences} {self.split_seed}"
        return Description(Features(2), Classes(("low", "high")), per_step=False, varying_length=False, causal=False)

class Brier(SequenceClassification):
    metrics_declared = (*SequenceClassification.metrics_declared, Metric("brier", "min", "", "squares", "count"))

class Silent(SequenceClassification):
    pass

class Whole(pl.LightningDataModule):
    pass

class Module(pl.LightningModule):
    pass
'''
OWN = """
# @package _global_
defaults: [/task: auto, /data/base@data]
data:
  _target_: their_classes.Noise
  sequences: 60
"""


@pytest.fixture
def own(compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    """Configs with ``data=mine`` of the user's own folder."""
    (tmp_path / "their_classes.py").write_text(DATA)
    (tmp_path / "configs" / "data").mkdir(parents=True)
    (tmp_path / "configs" / "data" / "mine.yaml").write_text(OWN.lstrip())
    monkeypatch.syspath_prepend(str(tmp_path))
    options = (
        "data=mine", "model.hidden_size=4", "data.batch_size=4", "trainer.max_epochs=4", "logger=csv",
        "optimizer.lr=0.05", "trainer.enable_progress_bar=false", f"hydra.searchpath=[file://{tmp_path / 'configs'}]",
    )  # fmt: skip
    return lambda *more: compose(*options, *more)


def test_a_metric_that_the_users_own_task_does_not_declare_is_refused_before_training(own: Compose) -> None:
    for task in ("Brier", "Silent"):
        data, _ = build(cfg := own("task=classification", f"task._target_=their_classes.{task}"))
        assert data.description.output.size == 2
        cfg.task.monitor = "val/briar"
        if task == "Silent":  # may log what it does not declare
            assert build_task(cfg, data.description).monitor == "val/briar"
            continue
        words = r"task\.monitor must be one of .*val/f1, val/brier, or a train/ metric, got val/briar\."
        with pytest.raises(UserError, match=words):
            build_task(cfg, data.description)


def test_a_data_set_of_the_users_own_trains_and_its_task_predicts(own: Compose, tmp_path: Path) -> None:
    assert train(own())["test/acc"] > 0.7
    ((directory, record),) = find_runs(tmp_path / "runs")
    assert record.data.sequences == {"train": 60, "val": 60, "test": 60}
    run = load_run(directory, trust="their_classes")
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    said = trainer.predict(run.task, run.data.test_dataloader())
    assert sum(len(batch) for batch in said) == 60
    with pytest.raises(UserError, match=rf'gatebench\.load_run\("{directory}"\)\.task has the weights'):
        SequenceClassification.load_from_checkpoint(directory / "checkpoints" / "best.ckpt")


def test_modules_of_lightnings_own_kind_are_refused_with_the_contract(own: Compose) -> None:
    cfg = own()
    cfg.data = OmegaConf.create({"_target_": "their_classes.Whole"})
    with pytest.raises(UserError, match=r"must be a SequenceData.*docs/contract\.md.*a LightningDataModule"):
        train(cfg)
    cfg = own()
    cfg.model = OmegaConf.create({"_target_": "their_classes.Module"})
    with pytest.raises(
        UserError, match=r"Module is a LightningModule, but must be the recurrent network.*contract\.md"
    ):
        train(cfg)


def test_a_best_checkpoint_says_where_training_goes_on_from(own: Compose, tmp_path: Path) -> None:
    train(own("trainer.max_epochs=1"))
    ((directory, _),) = find_runs(tmp_path / "runs")
    with pytest.raises(UserError, match=rf"resume training from ckpt={directory}/checkpoints/last\.ckpt"):
        train(own(f"ckpt={directory / 'checkpoints' / 'best.ckpt'}"))
