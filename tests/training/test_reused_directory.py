"""A directory that holds a run already: the same run goes on or is done, another is refused or removed, never mixed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.config.errors import UserError
from src.runs.load import read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import RunRecord, read_record
from src.runs.result import RunResult
from src.train import train
from src.training.callbacks import Watch
from tests.test_resume import interrupted

Compose = Callable[..., DictConfig]
EPOCHS = ("trainer.max_epochs=3", "callbacks.last.every_seconds=0")


def read(run: Path) -> RunResult:
    record = read_record(run)
    assert record is not None
    return record


def files(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture
def run(quick: Compose, tmp_path: Path) -> Path:
    """A finished run of a GRU, with what commands leave beside it, and a file of the user's own."""
    run = tmp_path / "run"
    train(quick(*EPOCHS, "test=true", f"paths.run_dir={run}"))
    for name in ("inside/units.csv", "predictions/a.csv", "generated/a.txt", "model.onnx", "wandb/x", "traceback.txt"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("of the old run")
    (run / "notes.txt").write_text("mine")
    return run


def test_another_run_is_refused_and_the_first_stays_as_it_was(run: Path, quick: Compose) -> None:
    before = files(run)
    for options in (["model=lstm"], ["seed=1"], ["model=lstm", "ckpt=auto"], ["test=false"]):
        with pytest.raises(UserError, match=r"already has another run \(seed0, identity .*add overwrite=true"):
            train(quick(*EPOCHS, *options, f"paths.run_dir={run}"))
        assert files(run) == before


def test_nothing_of_the_old_run_survives_where_it_is_overwritten(run: Path, quick: Compose, tmp_path: Path) -> None:
    old = read(run)
    other = ("model=lstm", "trainer.max_epochs=1", "test=false")
    alone = train(quick(*other, f"paths.run_dir={tmp_path / 'alone'}"))
    assert train(quick(*other, f"paths.run_dir={run}", "overwrite=true")) == alone
    new, undisturbed = read(run), read(tmp_path / "alone")
    assert files(run).keys() == files(tmp_path / "alone").keys() | {"notes.txt"}
    assert (run / "notes.txt").read_text() == "mine"
    assert new.id != old.id  # so that wandb has two runs
    assert (new.metrics, new.best, new.attempts) == (undisturbed.metrics, undisturbed.best, 1)
    assert new.identity == undisturbed.identity
    assert [row["step"] for row in read_metrics(run / "metrics.csv")] == [
        row["step"] for row in read_metrics(tmp_path / "alone" / "metrics.csv")
    ]


def test_the_same_run_is_not_trained_twice_unless_it_is_said(
    run: Path, quick: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    first, before = read(run), files(run)
    capsys.readouterr()
    assert train(quick(*EPOCHS, f"paths.run_dir={run}")) == first.metrics
    assert "This run is already finished; use overwrite=true to train it again." in capsys.readouterr().out
    assert files(run) == before
    assert train(quick(*EPOCHS, f"paths.run_dir={run}", "overwrite=true")) == first.metrics
    assert read(run).id != first.id
    weights = run / "checkpoints" / "best.ckpt"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"best\.ckpt was damaged or changed after the run ended"):
        train(quick(*EPOCHS, f"paths.run_dir={run}"))


@pytest.mark.parametrize("ckpt", ["null", "auto"])
def test_the_same_run_goes_on_where_it_was_interrupted(
    ckpt: str, run: Path, quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tmp_path / "cut"
    interrupted(monkeypatch, quick(*EPOCHS, f"paths.run_dir={cut}"), Watch, "on_train_epoch_start", at=3)
    epochs = []
    monkeypatch.setattr(Watch, "on_train_epoch_start", lambda self, trainer, task: epochs.append(trainer.current_epoch))
    assert train(quick(*EPOCHS, f"paths.run_dir={cut}", f"ckpt={ckpt}")) == read(run).metrics
    assert epochs == [2]
    assert read(cut).attempts == 2


def test_a_run_that_failed_before_it_was_known_leaves_the_directory_free(quick: Compose, tmp_path: Path) -> None:
    record = RunRecord(tmp_path / "run")
    record.begin({"seed": 0}, seed=0)
    record.end("failed", "There were no data.")
    assert train(quick("trainer.max_epochs=1", f"paths.run_dir={tmp_path / 'run'}"))
    assert read(tmp_path / "run").error is None


def test_a_record_that_cannot_be_read_is_kept_unless_it_is_overwritten(run: Path, quick: Compose) -> None:
    (run / "result.json").write_text("{")
    with pytest.raises(UserError, match=r"result\.json of a run, but cannot be read"):
        train(quick(*EPOCHS, f"paths.run_dir={run}"))
    (run / "result.json").unlink()
    with pytest.raises(UserError, match=r"already has another run \(without a result\.json"):
        train(quick(*EPOCHS, f"paths.run_dir={run}"))
    assert train(quick(*EPOCHS, f"paths.run_dir={run}", "overwrite=true"))


def test_the_checkpoint_that_is_gone_on_from_is_not_removed(run: Path, quick: Compose) -> None:
    last = run / "checkpoints" / "last.ckpt"
    with pytest.raises(UserError, match=": drop one"):
        train(quick(*EPOCHS, "seed=1", f"paths.run_dir={run}", "overwrite=true", f"ckpt={last}"))
    assert read_checkpoint(last)


def test_a_job_of_a_study_whose_identity_has_changed_begins_clean(quick: Compose, tmp_path: Path) -> None:
    """As where another backend runs it: what it had measured before is not in its record."""
    job = "study_job={study:s,phase:trial,model:gru,data:ucr,arm:main,id:'0123456789abcdef'}"
    place = f"paths.run_dir={tmp_path / 'run'}"
    record = RunRecord(tmp_path / "run")
    record.begin({"seed": 0}, seed=0, identity="another", metrics={"val/own": 0.5}, baselines={"old/nll": 1.0})
    record.end("failed", "why")
    (tmp_path / "run" / "sequences").mkdir()
    (tmp_path / "run" / "sequences" / "test.npz").write_text("of the old run")
    metrics = train(quick(job, "ckpt=auto", "trainer.max_epochs=1", "test=false", place))
    assert read(tmp_path / "run").metrics == metrics
    assert "old/nll" not in read(tmp_path / "run").baselines
    assert read(tmp_path / "run").attempts == 2
    assert not (tmp_path / "run" / "sequences" / "test.npz").exists()
