"""A disk that fills up while a run trains: one sentence, nothing lost, and the same command goes on."""

import builtins
import errno
import multiprocessing
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.files import DiskFull, write_atomically
from src.runs.load import read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import find_runs
from src.train import train
from src.training.checkpoint_files import WholeFiles

TINY = (
    "data=adding", "data.length=6", "data.sizes=[40,16,16]", "data.batch_size=8", "model.hidden_size=4",
    "trainer.max_epochs=4", "logger=csv", "trainer.enable_progress_bar=false", "callbacks.last.every_seconds=0",
    "ckpt=auto",
)  # fmt: skip
Compose = Callable[..., DictConfig]


class Full:
    """A file on a disk that has room for so many bytes more."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def __enter__(self) -> "Full":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, content: Any) -> int:
        self.file.write(bytes(content)[: self.room])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill_up(monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    """From the ``at``-th time on that a file of this name is written, there is no room for it."""
    real, calls = builtins.open, iter(range(1, 1000))

    def opened(path: Any, mode: str = "r", *rest: Any, **keywords: Any) -> Any:
        file = real(path, mode, *rest, **keywords)
        if set("wx+") & set(mode) and Path(path).name.lstrip(".").startswith(name) and next(calls) >= at:
            return Full(file, 100)
        return file

    monkeypatch.setattr(builtins, "open", opened)


def rows_of(directory: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(directory / "metrics.csv")]


@pytest.mark.parametrize(
    ("name", "at"),
    [("last.ckpt", 2), ("best.ckpt", 2), ("metrics.csv", 4), ("test.npz", 1), ("result.json", 6)],
)
def test_a_full_disk_interrupts_and_the_same_command_goes_on(
    name: str, at: int, compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(compose(*TINY, f"paths.runs_dir={tmp_path / 'a'}"))
    cfg = compose(*TINY, f"paths.runs_dir={tmp_path / 'b'}")
    with monkeypatch.context() as patched:
        fill_up(patched, name, at)
        with pytest.raises(DiskFull) as told:
            train(cfg)
    assert f"/{name} (No space left on device)" in str(told.value)
    ((a, _),), ((b, record),) = find_runs(tmp_path / "a"), find_runs(tmp_path / "b")
    assert record.status == "interrupted"
    assert not [file for file in b.rglob(".*") if file.name != ".lock"]  # no half-written file
    for file in b.rglob("*.ckpt"):
        read_checkpoint(file)
    assert train(cfg) == expected
    assert rows_of(a) == rows_of(b)
    ((_, record),) = find_runs(tmp_path / "b")
    assert (record.status, record.attempts) == ("finished", 2)


def train_with_limit(config: str, limit: int) -> None:
    """Train in this process, none of whose files may be longer than the limit; say how it ended by the exit code."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        train(DictConfig(OmegaConf.load(config)))
    except DiskFull:
        os._exit(7)
    os._exit(0)


def in_a_process(target: Callable[..., None], *arguments: Any) -> int | None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["src.train", "src.training.job", "src.training.outcome", "src.training.trainer"])
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def test_a_file_that_may_not_grow_any_longer_is_one_too(compose: Compose, tmp_path: Path) -> None:
    """The operating system refuses in the middle of the write, as it does on a full disk."""
    cfg = compose(*TINY, f"paths.runs_dir={tmp_path / 'b'}")
    OmegaConf.save(cfg, tmp_path / "config.yaml", resolve=True)
    assert in_a_process(train_with_limit, str(tmp_path / "config.yaml"), 13_000) == 7
    ((directory, record),) = find_runs(tmp_path / "b")
    assert record.status == "interrupted"
    assert "There is no space left for" in str(record.error)
    assert "last.ckpt (File too large)" in str(record.error)
    assert not (directory / "checkpoints" / "last.ckpt").exists()
    assert train(cfg)
    ((_, record),) = find_runs(tmp_path / "b")
    assert record.status == "finished"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_the_end_of_a_run_whose_error_cannot_be_kept(
    number: int, compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised as a library that writes itself would; want of room interrupts, and what was raised stays the error."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    fill_up(monkeypatch, "traceback.txt", 1)
    monkeypatch.setattr("src.train.log_origins", fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        train(compose(*TINY, f"paths.runs_dir={tmp_path}"))
    ((_, record),) = find_runs(tmp_path)
    assert record.status == ("interrupted" if number == errno.ENOSPC else "failed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_is_full_to_the_last_byte(
    small_disk: Path, compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the record can be written: it says what it said, and the run is seen to be interrupted."""
    from src.training.callbacks import LastCheckpoint

    expected = train(compose(*TINY, f"paths.runs_dir={tmp_path / 'a'}"))
    cfg = compose(*TINY, f"paths.runs_dir={small_disk / 'runs'}")
    real = LastCheckpoint.on_train_epoch_end

    def fill(self: LastCheckpoint, trainer: Any, task: Any) -> None:
        if trainer.current_epoch == 2:
            with suppress(OSError), open(small_disk / "ballast", "wb", buffering=0) as ballast:
                while True:
                    ballast.write(bytes(4096))
        real(self, trainer, task)

    with monkeypatch.context() as patched:
        patched.setattr(LastCheckpoint, "on_train_epoch_end", fill)
        with pytest.raises(DiskFull, match="No space left on device"):
            train(cfg)
    ((directory, record),) = find_runs(small_disk / "runs")
    assert record.status == "interrupted"
    assert read_checkpoint(directory / "checkpoints" / "last.ckpt")["epoch"] == 1
    (small_disk / "ballast").unlink()
    assert train(cfg) == expected


def test_a_checkpoint_is_written_in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where temporary files go, which may be another disk: a move from there copies, and can be cut off."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    seen = []
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append((Path(a).parent, Path(b))), real(a, b)))
    path = tmp_path / "folder" / "x.ckpt"
    WholeFiles().save_checkpoint({"state_dict": {"w": torch.ones(3)}}, path)
    assert seen == [(path.parent, path)]
    assert torch.equal(read_checkpoint(path)["state_dict"]["w"], torch.ones(3))


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("no folder")
    with pytest.raises(OSError, match="exists"):
        write_atomically(tmp_path / "folder" / "x", lambda out: out.write(b"x"))
