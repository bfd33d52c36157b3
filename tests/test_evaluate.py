"""A run is rebuilt from its directory alone and gives what its record says, to the last digit."""

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.evaluate import evaluate
from src.runs.load import load_run, read_checkpoint
from src.runs.record import check_digests, find_runs, read_sequences
from src.train import train
from src.training.recorded import hold_against_record
from src.training.trainer import measure


@pytest.fixture
def run(quick: Callable[..., DictConfig], tmp_path: Path) -> Path:
    train(quick("model=lstm_bi", "trainer.max_epochs=1", "task.dropout=0.2"))
    ((directory, _),) = find_runs(tmp_path / "runs")
    moved = tmp_path / "elsewhere"
    shutil.move(directory, moved)
    return moved


def test_evaluation_equals_the_record(run: Path, compose: Callable[..., DictConfig]) -> None:
    record = load_run(run).record
    for split in ("val", "test"):
        cfg = compose(f"run={run}", f"split={split}", config_name="evaluate")
        found = evaluate(cfg)
        assert found
        assert found == {name: record.metrics[name] for name in found}


def without_digests(run: Path) -> None:
    """Make its record one of an older version, whose files anybody may have edited."""
    record = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(record | {"digests": {}}))


def test_a_run_from_a_gpu_is_measured_on_a_machine_without_one(run: Path, compose: Callable[..., DictConfig]) -> None:
    config = OmegaConf.load(run / "config.yaml")
    config.trainer.accelerator, config.trainer.precision = "gpu", "bf16-mixed"
    without_digests(run)
    OmegaConf.save(config, run / "config.yaml")
    content = json.loads((run / "result.json").read_text())  # without what would notice that
    (run / "result.json").write_text(json.dumps({k: v for k, v in content.items() if k != "digests"}))
    found = evaluate(compose(f"run={run}", "split=test", config_name="evaluate"))
    assert found == {name: load_run(run).record.metrics[name] for name in found}
    assert found


def test_a_value_that_cannot_be_is_refused_with_its_file(run: Path) -> None:
    without_digests(run)
    whole = (run / "config.yaml").read_text()
    for key, value in {
        **{"data.batch_size": 0, "data.path": "/nowhere", "model.hidden_size": 2**62, "model.num_layers": 10**7},
        **{"model.dropout": 7, "task.monitor": "val/zzz"},
    }.items():
        config = OmegaConf.create(whole)
        OmegaConf.update(config, key, value)
        OmegaConf.save(config, run / "config.yaml")
        with pytest.raises(UserError, match=rf"^{run / 'config.yaml'}: "):
            load_run(run)


def test_a_run_from_a_larger_machine_is_read_by_as_many_processes_as_there_are_cores(run: Path) -> None:
    without_digests(run)
    config = OmegaConf.load(run / "config.yaml")
    config.data.num_workers = 3000
    OmegaConf.save(config, run / "config.yaml")
    assert load_run(run).data.num_workers == os.cpu_count()


def test_a_trainer_that_no_training_wrote_is_refused_with_its_file(
    run: Path, compose: Callable[..., DictConfig]
) -> None:
    without_digests(run)
    whole = OmegaConf.load(run / "config.yaml").trainer
    for changes in (
        {"precision": "evil"},
        *({"accelerator": word} for word in ("tpu", "evil")),
        *({"limit_test_batches": word} for word in ("x", -1)),
        None,
    ):
        config = OmegaConf.load(run / "config.yaml")
        config.trainer = changes and {**whole, **changes}
        OmegaConf.save(config, run / "config.yaml")
        with pytest.raises(UserError, match=r"the trainer of .*config\.yaml \(\w+: "):
            evaluate(compose(f"run={run}", "split=test", config_name="evaluate"))


def test_float32_is_float32_in_cudnn_too(
    run: Path, quick: Callable[..., DictConfig], compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (
        lambda: evaluate(compose(f"run={run}", "split=test", config_name="evaluate")),
        lambda: train(quick("trainer.max_epochs=1", "test=false")),
    ):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
        command()
        assert not torch.backends.cudnn.allow_tf32


def test_a_notebook_gets_config_task_and_data(run: Path) -> None:
    loaded = load_run(run)
    assert loaded.config.model.hidden_size == 16
    assert not loaded.task.training
    batch = next(iter(loaded.data.test_dataloader()))
    assert loaded.task(batch).shape == (len(batch.lengths), 9)


def test_what_is_not_a_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be the directory of a run"):
        load_run(tmp_path)
    best = run / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"best\.ckpt was damaged or changed after the run ended"):
        load_run(run)
    best.unlink()
    with pytest.raises(UserError, match="There is no checkpoint"):
        load_run(run)


def test_a_split_that_is_none_is_refused(run: Path, compose: Callable[..., DictConfig]) -> None:
    with pytest.raises(UserError, match="split must be val or test, got train"):
        evaluate(compose(f"run={run}", "split=train", config_name="evaluate"))


def test_the_command_fails_where_the_record_says_otherwise(
    run: Path, compose: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = compose(f"run={run}", config_name="evaluate")
    evaluate(cfg)
    said = (
        "The test metrics are equal to the record (allowed on the same machine with the same number of threads: 1e-06)."
    )
    assert said in capsys.readouterr().out
    content = json.loads((run / "result.json").read_text())
    content["digests"].pop("result.json")  # a record that nothing seals: what is measured decides
    content["metrics"]["test/nll"] *= 1 + 1e-4
    (run / "result.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"^test/nll is .*, but .*result\.json has .*: on the same machine"):
        evaluate(cfg)
    content["hardware"]["threads"] = 64  # where that may have come of another order of sums
    (run / "result.json").write_text(json.dumps(content))
    evaluate(cfg)
    assert "equal to the record to within 0.0001 of their values (allowed on another machine" in capsys.readouterr().out
    content["metrics"]["test/nll"] *= 1.01
    content["hardware"]["gpu"] = "an H100"  # which the trainer of this run would not have used
    (run / "result.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="on another machine"):
        evaluate(cfg)
    content["data"]["checksum"] = "another"
    (run / "result.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="The data differ from those"):
        evaluate(cfg)


def test_one_prediction_may_fall_the_other_way_elsewhere_and_no_more(
    run: Path, compose: Callable[..., DictConfig]
) -> None:
    loaded = load_run(run)
    metrics = measure(loaded.task, loaded.data, "test", loaded.config.trainer)
    number = len(loaded.data.splits["test"])
    flipped = metrics | {"test/acc": metrics["test/acc"] + 1 / number}
    assert "equal to the record to within" in hold_against_record(loaded, "test", flipped)
    with pytest.raises(UserError, match="test/acc is"):
        hold_against_record(loaded, "test", metrics | {"test/acc": metrics["test/acc"] + 4 / number})
    with pytest.raises(UserError, match="test/nll is nan"):
        hold_against_record(loaded, "test", metrics | {"test/nll": math.nan})


def test_a_run_without_digests_is_still_read(run: Path, compose: Callable[..., DictConfig]) -> None:
    content = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({k: v for k, v in content.items() if k != "digests"}))
    (run / "metrics.csv").write_text("")
    assert evaluate(compose(f"run={run}", config_name="evaluate"))


def test_a_flipped_bit_is_noticed_in_every_file(run: Path, compose: Callable[..., DictConfig]) -> None:
    """By whoever reads the file; and by the end of a run that is asked for again."""
    cfg = compose(f"run={run}", config_name="evaluate")
    record = load_run(run).record
    assert record.digests.keys() == {
        *("config.yaml", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt"),
        *("sequences/test.npz", "sequences/val.npz"),
    }
    for name in record.digests:
        whole = (run / name).read_bytes()
        # A key that is null says nothing.
        at = whole.index(b"hidden_size") if name == "config.yaml" else len(whole) // 2
        (run / name).write_bytes(flipped(whole, at))
        with pytest.raises(UserError, match=f"{name} was damaged or changed after the run ended"):
            check_digests(run, record)
        reads = {"config.yaml": lambda: evaluate(cfg), "checkpoints/best.ckpt": lambda: evaluate(cfg)}
        reads["sequences/test.npz"] = lambda: read_sequences(run, "test", record)  # type: ignore[assignment,return-value]
        if name in reads:
            with pytest.raises(UserError, match=f"{name} was damaged or changed after the run ended"):
                reads[name]()
        (run / name).write_bytes(whole)
    check_digests(run, record)
    number = repr(record.metrics["test/nll"])
    text = (run / "result.json").read_text()
    at = text.index(number) + 3
    other = "5" if text[at] != "5" else "6"
    (run / "result.json").write_text(text[:at] + other + text[at + 1 :])
    with pytest.raises(UserError, match=r"result\.json was damaged or changed after the run ended"):
        evaluate(cfg)


def test_a_flipped_bit_in_a_checkpoint_is_noticed_without_a_digest(run: Path) -> None:
    """Of a run that has not come to its end, and of earlier versions."""
    last = run / "checkpoints" / "last.ckpt"
    whole = last.read_bytes()
    weights = max(read_checkpoint(last)["state_dict"].values(), key=lambda value: value.numel()).numpy().tobytes()
    last.write_bytes(flipped(whole, whole.index(weights) + 100))
    with pytest.raises(UserError, match=r"last\.ckpt cannot be read"):
        read_checkpoint(last)


def test_the_config_may_say_where_the_data_are_now(run: Path, compose: Callable[..., DictConfig]) -> None:
    """What changes a number may not."""
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("name: null", "name: moved", 1))
    assert text != (run / "config.yaml").read_text()
    evaluate(compose(f"run={run}", config_name="evaluate"))
    (run / "config.yaml").write_text(text.replace("hidden_size: 16", "hidden_size: 17", 1))
    with pytest.raises(UserError, match=r"config\.yaml was damaged or changed"):
        evaluate(compose(f"run={run}", config_name="evaluate"))


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
