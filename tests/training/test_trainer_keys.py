"""Keys of Lightning's trainer, without a plus sign, and what each does to a training."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, open_dict

from src.config.errors import UserError
from src.config.instantiate import plain
from src.config.rules import check
from src.config.schema import keys_of
from src.evaluate import evaluate
from src.runs.identity import determining
from src.runs.load import read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import find_runs
from src.runs.result import RunResult
from src.tasks.base import Task
from src.train import train

Compose = Callable[..., DictConfig]
TINY = (
    "data=adding", "data.length=6", "data.sizes=[40,16,32]", "data.batch_size=8", "data.eval_batch_size=8",
    "model.hidden_size=4", "trainer.max_epochs=4", "logger=csv", "trainer.enable_progress_bar=false",
)  # fmt: skip


class Seen(pl.Callback):
    """What a training was given, by epoch: the rows of its batches, the batches of validation; and what was found."""

    def __init__(self) -> None:
        self.trained: list[list[list[int]]] = []
        self.validated: list[int] = []  # batches of each validation
        self.sanity = 0
        self.gradients: list[float] = []  # the largest at each update
        self.inference: set[bool] = set()  # when the test set is measured
        self.anomaly: set[bool] = set()
        self.deterministic: set[bool] = set()
        self.dtypes: set[torch.dtype] = set()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.trained.append([])

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.trained[-1].append(batch.rows.tolist())
        self.dtypes |= {batch.x.dtype}
        self.anomaly |= {torch.is_anomaly_enabled()}
        self.deterministic |= {torch.are_deterministic_algorithms_enabled()}

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.gradients.append(max(float(p.grad.abs().max()) for p in pl_module.parameters() if p.grad is not None))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.validated.append(0)

    def on_validation_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.sanity_checking:
            self.sanity += 1
        else:
            self.validated[-1] += 1


@dataclass
class Run:
    """A training that has ended."""

    seen: Seen
    directory: Path
    record: RunResult
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        """Batches of each epoch."""
        return [len(epoch) for epoch in self.seen.trained]


LAST: list[Seen] = []


def seen() -> Seen:
    LAST.append(Seen())
    return LAST[-1]


@pytest.fixture
def trained(compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    """``trained("trainer.max_epochs=2", ...)`` trains so."""
    real = Task.test_step

    def test_step(*arguments: Any) -> None:
        if LAST:
            LAST[-1].inference |= {torch.is_inference_mode_enabled()}
        real(*arguments)

    monkeypatch.setattr(Task, "test_step", test_step)

    def run(*overrides: str) -> Run:
        runs = tmp_path / str(len(list(tmp_path.iterdir())))
        given = {override.partition("=")[0] for override in overrides}
        base = [line for line in TINY if line.partition("=")[0] not in given]
        cfg = compose(*base, *overrides, f"paths.runs_dir={runs}")
        check(cfg)
        with open_dict(cfg):
            cfg.callbacks.seen = {"_target_": f"{__name__}.seen"}
        train(cfg)
        ((directory, record),) = find_runs(runs)
        assert record.status == "finished"
        return Run(
            LAST.pop(), directory, record, [r for r in read_metrics(directory / "metrics.csv") if "val/mse" in r]
        )

    yield run
    torch.use_deterministic_algorithms(False)


# Every key with what it does; of the run without any of them 4 epochs of 5 batches, each with 2 of validation.
EFFECTS: dict[str, Callable[[Run], bool]] = {
    "max_epochs=2": lambda r: r.sizes == [5, 5],
    "max_steps=12": lambda r: r.sizes == [5, 5, 2] and r.record.stop_reason == "max_steps",
    "max_time=00:00:01:00": lambda r: r.sizes == [5] * 4,
    "limit_train_batches=2": lambda r: r.sizes == [2] * 4,
    "limit_train_batches=0.6": lambda r: r.sizes == [3] * 4,
    "limit_val_batches=1": lambda r: r.seen.validated == [1] * 4 and r.record.data.notes["val/measured"] == 0.5,
    "limit_val_batches=0.5": lambda r: r.seen.validated == [1] * 4 and r.record.data.notes["val/measured"] == 0.5,
    "limit_test_batches=2": lambda r: r.record.data.notes["test/measured"] == 0.5,
    "limit_test_batches=0.25": lambda r: r.record.data.notes["test/measured"] == 0.25,
    "overfit_batches=1": lambda r: r.seen.trained == r.seen.trained[:1] * 4 and r.sizes == [1] * 4 == r.seen.validated,
    "overfit_batches=0.5": lambda r: (
        r.seen.trained == r.seen.trained[:1] * 4 and r.sizes == [2] * 4 and r.seen.validated == [1] * 4
    ),
    "val_check_interval=0.5": lambda r: r.seen.validated == [2] * 8 and [w["epoch"] for w in r.rows[:3]] == [0, 0, 1],
    "val_check_interval=1": lambda r: r.seen.validated == [2] * 20,
    "check_val_every_n_epoch=2": lambda r: r.seen.validated == [2, 2] and [w["epoch"] for w in r.rows] == [1, 3],
    "reload_dataloaders_every_n_epochs=1": lambda r: r.sizes == [5] * 4,
    "num_sanity_val_steps=1": lambda r: r.seen.sanity == 1,
    "num_sanity_val_steps=-1": lambda r: r.seen.sanity == 2,
    "accumulate_grad_batches=2": lambda r: len(r.seen.gradients) == 12 and r.record.timing.updates == 12,
    "gradient_clip_algorithm=value trainer.gradient_clip_val=0.001": lambda r: max(r.seen.gradients) > 0.001,
    "fast_dev_run=true": lambda r: r.sizes == [1] and r.record.best is None,
    "fast_dev_run=2": lambda r: r.sizes == [2],
    "profiler=simple": lambda r: bool(r.record.metrics),
    "inference_mode=false": lambda r: r.seen.inference == {False},
    "inference_mode=true": lambda r: r.seen.inference == {True},
    "detect_anomaly=true": lambda r: r.seen.anomaly == {True},
    "deterministic=true": lambda r: r.seen.deterministic == {True},
    "benchmark=true": lambda r: torch.backends.cudnn.benchmark,
    "num_nodes=1": lambda r: r.sizes == [5] * 4,
    "strategy=auto": lambda r: r.sizes == [5] * 4,
    "devices=1": lambda r: r.sizes == [5] * 4,
    "accelerator=cpu": lambda r: r.sizes == [5] * 4,
    "sync_batchnorm=true": lambda r: r.sizes == [5] * 4,
    "use_distributed_sampler=false": lambda r: r.sizes == [5] * 4,
    "enable_autolog_hparams=false": lambda r: r.sizes == [5] * 4,
    "enable_model_summary=true": lambda r: r.sizes == [5] * 4,
    "enable_progress_bar=true": lambda r: r.sizes == [5] * 4,
    "log_every_n_steps=1": lambda r: r.sizes == [5] * 4,
    "precision=64-true": lambda r: r.seen.dtypes == {torch.float64},
    "precision=bf16-true": lambda r: r.seen.dtypes == {torch.bfloat16},
    "precision=bf16-mixed": lambda r: r.seen.dtypes == {torch.float32},
    "precision=16-mixed": lambda r: r.record.backend is not None and r.record.backend.precision == "bf16-mixed",
    "precision=64": lambda r: r.seen.dtypes == {torch.float64},
    "min_epochs=4 callbacks.early_stopping.patience=0 optimizer.lr=1e-30": lambda r: r.sizes == [5] * 4,
    "min_steps=12 callbacks.early_stopping.patience=0 optimizer.lr=1e-30": lambda r: r.sizes == [5, 5, 2],
}  # fmt: skip


def test_every_key_is_tried() -> None:
    keys = {name.removeprefix("trainer.") for name in keys_of() if name.startswith("trainer.")}
    assert keys - {"gradient_clip_val"} == {line.partition("=")[0] for line in EFFECTS}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", EFFECTS)
def test_a_key_does_what_it_does_in_lightning(
    line: str, trained: Callable[..., Run], capfd: pytest.CaptureFixture[str]
) -> None:
    run = trained(*f"trainer.{line}".split())
    assert EFFECTS[line](run), (run.sizes, run.seen.validated, run.record.data.notes)
    if run.record.best is not None:
        hold(run, capfd)


def hold(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """The record is of the best validation, and a measurement from the directory alone gives the same."""
    best = run.record.best
    assert best is not None
    values = [row["val/mse"] for row in run.rows]
    row = run.rows[values.index(min(values))]
    assert (best.value, best.epoch) == (row["val/loss"], row["epoch"])
    assert best.is_last == (row is run.rows[-1])
    for name, value in row.items():
        if name.startswith("train/"):
            assert run.record.metrics[name] == value
    asked = {"run": str(run.directory), "ckpt": "best", "split": "test", "threads": 1, "trust": __name__}
    again = evaluate(DictConfig(asked))
    assert again == {name: run.record.metrics[name] for name in again}
    out, share = capfd.readouterr().out, run.record.data.notes.get("test/measured")
    assert (f"{share:.0%} of the" in " ".join(out.split())) if share else ("of the batches" not in out or "val" in out)


def test_a_key_that_is_null_is_no_part_of_the_identity(compose: Compose) -> None:
    kept = determining(plain(compose(*TINY)))["trainer"]
    assert kept.keys() <= {
        "_target_", "max_epochs", "max_steps", "gradient_clip_val", "precision", "deterministic", "accelerator",
        "num_sanity_val_steps", "enable_model_summary", "use_distributed_sampler", "devices",
    }  # fmt: skip
    given = determining(plain(compose(*TINY, "trainer.limit_val_batches=2", "trainer.profiler=simple")))["trainer"]
    assert given == kept | {"limit_val_batches": 2}


def test_a_plus_sign_is_no_fault(compose: Compose) -> None:
    """As it was typed when no file had these keys."""
    assert compose("+trainer.limit_train_batches=3").trainer.limit_train_batches == 3


@pytest.mark.parametrize("model", ["gru", "lstm", "rnn"])
def test_float64_is_that_of_pytorchs_own_network(model: str, trained: Callable[..., Run]) -> None:
    """Trained in it, the fused kernels and PyTorch's give the same to twelve digits; weights are kept in it."""
    ours, theirs = (
        trained(f"model={model}", f"model.backend={backend}", "trainer.precision=64-true")
        for backend in ("fused", "torch")
    )
    assert ours.record.metrics == pytest.approx(theirs.record.metrics, rel=1e-11)
    weights = read_checkpoint(ours.directory / "checkpoints" / "best.ckpt")["state_dict"]
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float64}
    single = trained(f"model={model}", "model.backend=torch")
    assert single.record.metrics != theirs.record.metrics
    assert single.record.metrics == pytest.approx(theirs.record.metrics, rel=1e-4)


def test_reduced_precisions_are_near(trained: Callable[..., Run]) -> None:
    whole = trained().record.metrics["val/mse"]
    for precision, room in {"bf16-mixed": 1e-2, "bf16-true": 0.1}.items():
        assert trained(f"trainer.precision={precision}").record.metrics["val/mse"] == pytest.approx(whole, rel=room)


def test_clipping_by_value_is_not_that_by_norm(trained: Callable[..., Run]) -> None:
    norm = trained("trainer.gradient_clip_val=0.01")
    value = trained("trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value")
    assert norm.record.metrics["val/mse"] != value.record.metrics["val/mse"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("trainer.check_val_every_n_epoch=5", "max_epochs=4 ends before the first validation.* set it to 5 or more"),
        ("trainer.max_steps=4", "max_steps=4 ends before the first validation.* set it to 5 or more"),
        ("trainer.max_steps=7 trainer.check_val_every_n_epoch=2", "max_steps=7 ends before .* set it to 10 or more"),
        ("trainer.val_check_interval=9", "must be less than or equal to the number of the training batches"),
        ("trainer.limit_val_batches=0.1", r"0\.1 \* 2 < 1"),
    ],
)
def test_what_leaves_nothing_validated_is_refused(lines: str, words: str, trained: Callable[..., Run]) -> None:
    with pytest.raises(UserError, match=words):
        trained(*lines.split())


def test_validation_in_the_middle_of_an_epoch_reaches_a_shorter_training(trained: Callable[..., Run]) -> None:
    run = trained("trainer.max_steps=2", "trainer.val_check_interval=2")
    assert (run.sizes, run.seen.validated) == ([2], [2])


@pytest.mark.parametrize("more", ["val_check_interval=0.5", "check_val_every_n_epoch=2", "precision=64-true"])
def test_a_run_that_goes_on_ends_as_an_undisturbed_one(
    more: str, trained: Callable[..., Run], compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (f"trainer.{more}", "scheduler=plateau", "scheduler.patience=0", "callbacks.last.every_seconds=0")
    whole = trained(*options)
    cfg = compose(*TINY, *options, "ckpt=auto", f"paths.runs_dir={tmp_path / 'cut'}")
    calls, real = iter(range(99)), pl.LightningModule.on_train_batch_end

    def stop(*arguments: Any) -> None:
        if next(calls) == 13:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr("src.tasks.base.Task.on_train_batch_end", stop)
    with pytest.raises(SystemExit):
        train(cfg)
    monkeypatch.undo()
    metrics = train(cfg)
    ((directory, record),) = find_runs(tmp_path / "cut")
    assert record.attempts == 2
    assert metrics == whole.record.metrics
    rows = [row for row in read_metrics(directory / "metrics.csv") if "val/mse" in row]
    assert [r | {"seconds": 0} for r in rows] == [r | {"seconds": 0} for r in whole.rows]
