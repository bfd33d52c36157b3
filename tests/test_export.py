"""The command: a trained run leaves as a model that says what the run says of the test set."""

import json
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
from omegaconf import DictConfig

from src.config.errors import UserError
from src.export import export
from src.runs.load import load_run
from src.runs.record import read_sequences
from src.train import train

Compose = Callable[..., DictConfig]


@pytest.fixture
def run(quick: Compose, tmp_path: Path) -> Path:
    train(quick("trainer.max_epochs=1", "model.hidden_size=8", f"paths.run_dir={tmp_path / 'runs' / 'run'}"))
    return tmp_path / "runs" / "run"


def test_the_model_names_the_classes_that_the_run_named(run: Path, compose: Compose) -> None:
    path = export(compose(f"run={run}", config_name="export"))
    assert path == run / "model.onnx"
    model = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    split = load_run(run).data.splits["test"]
    batch = split[torch.arange(len(split))]
    (logits,) = model.run(None, {"input": batch.x.numpy(), "lengths": batch.lengths.numpy()})
    assert (logits.argmax(-1) == read_sequences(run, "test")["prediction"]).all()
    facts = model.get_modelmeta().custom_metadata_map
    assert len(json.loads(facts["classes"])) == 9
    assert facts["id"] == json.loads((run / "result.json").read_text())["id"]


def test_nothing_is_written_that_was_not_checked(run: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.exporting.check.TOLERANCE", 1e-12)
    monkeypatch.setattr("src.exporting.check.ROUNDING", 0)
    with pytest.raises(UserError, match=r"differs from the run by .*, more than 1e-12: nothing was written"):
        export(compose(f"run={run}", f"output={run / 'other.onnx'}", config_name="export"))
    assert not (run / "other.onnx").exists()


def test_what_is_no_run_is_refused(tmp_path: Path, run: Path, compose: Compose) -> None:
    with pytest.raises(UserError, match=r"has no config\.yaml"):
        export(compose(f"run={tmp_path}", config_name="export"))
    (run / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(UserError, match=r"There is no checkpoint .*best\.ckpt"):
        export(compose(f"run={run}", config_name="export"))
