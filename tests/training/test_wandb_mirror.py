import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from src.config.errors import UserError
from src.train import train
from src.training.loggers import MetricsCSV
from src.training.wandb_folders import offline_folders, sync_command, sync_folders
from src.training.wandb_mirror import WandbMirror
from tests.standin.wandb_server import KEY, WandbServer

WANDB = str(Path(sys.executable).with_name("wandb"))


class Job:
    """What a training does with the two loggers, without the training."""

    def __init__(self, directory: Path, run_id: str = "run1", resume_at: int | None = None, **options: Any) -> None:
        self.csv = MetricsCSV(directory)
        if resume_at is not None:
            self.csv.resume(resume_at)
        self.mirror = WandbMirror(directory, "bench", run_id, resume=resume_at is not None, **options)
        self.mirror.begin(self.csv.rows)

    def train(self, *steps: int) -> "Job":
        for step in steps:
            self.log({"train/loss": 1 / (step + 3), "epoch": step // 3}, step)
            if step % 3 == 2:
                self.log({"val/acc": step / 7, "epoch": step // 3}, step)
        return self

    def log(self, metrics: dict[str, float], step: int) -> None:
        for logger in (self.csv, self.mirror):
            logger.log_metrics(metrics, step)
            logger.save()

    def finish(self, exit_code: int = 0) -> None:
        self.mirror.finish(exit_code)


def of_csv(rows: list[dict]) -> list[dict]:
    return [{"_step": row["step"], **{k: v for k, v in row.items() if k != "step"}} for row in rows]


def of_wandb(rows: list[dict]) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in ("_timestamp", "_runtime")} for row in rows]


def read_offline(folder: Path) -> list[dict]:
    """The history of an offline folder as wandb's own reader sees it."""
    records = subprocess.run(
        [WANDB, "leet", "inspect", "--json", str(folder)], capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in records.stdout.splitlines()]
    return of_wandb([record["history"]["item"] for record in found if record["type"] == "history"])


def sync(directory: Path) -> str:
    command = sync_command(directory)
    assert command is not None
    done = subprocess.run([WANDB, *command.split()[1:]], capture_output=True, text=True, check=True)
    return done.stderr


def test_online_run_holds_the_rows_of_the_csv(tmp_path: Path, server: WandbServer, capfd: Any) -> None:
    job = Job(
        tmp_path, name="first", group="study", job_type="train", tags=("a", "b"), config={"model": {"hidden_size": 3}}
    )
    assert job.mirror.mode == "online"
    job.mirror.summary({"parameters/effective": 42})
    job.train(*range(6))
    job.mirror.summary({"val/acc": 0.9375})
    job.finish(3)
    run = server.runs["run1"]
    assert of_wandb(server.history("run1")) == of_csv(job.csv.rows)
    assert run.config["model"] == {"hidden_size": 3}
    assert (run.project, run.attributes["groupName"], run.attributes["jobType"]) == ("bench", "study", "train")
    assert (run.attributes["tags"], run.attributes["displayName"]) == (["a", "b"], "first")
    assert run.summary["parameters/effective"] == 42
    assert run.summary["val/acc"] == 0.9375, "a summary that is set wins over the last row"
    assert run.exit_code == 3
    said = capfd.readouterr()
    assert said.out == f"wandb: online, {server.url}/standin/bench/runs/run1\n"
    assert said.err == ""


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_no_file_of_a_run_holds_the_key(
    mode: str, server: WandbServer, quick: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    run = tmp_path / "runs" / "one"
    train(quick("trainer.max_epochs=1", "logger=wandb", f"paths.run_dir={run}"))
    files = [path for path in run.rglob("*") if path.is_file()]
    assert any("wandb" in path.parts for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_the_command_that_uploads_stands_below_the_results(
    quick: Callable[..., DictConfig], tmp_path: Path, capfd: Any
) -> None:
    run = tmp_path / "runs" / "one"
    train(quick("trainer.max_epochs=1", "logger=wandb", "logger.mode=offline", f"paths.run_dir={run}"))
    lines = [line for line in capfd.readouterr().out.splitlines() if line.strip()]
    assert lines[-2].startswith("next: wandb sync ")
    assert Path(lines[-1]).resolve() == run.resolve()
    assert sum("wandb sync" in line for line in lines) == 1


def test_a_run_that_failed_says_how_to_upload_it(
    quick: Callable[..., DictConfig], tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("src.training.trainer.fit", fail)
    run = tmp_path / "runs" / "one"
    with pytest.raises(RuntimeError, match="no memory"):
        train(quick("logger=wandb", "logger.mode=offline", f"paths.run_dir={run}"))
    assert f"next: wandb sync {run}" in capfd.readouterr().out


def test_offline_file_equals_the_csv_and_sync_brings_every_step_once(
    tmp_path: Path, server: WandbServer, capfd: Any
) -> None:
    job = Job(tmp_path, mode="offline").train(*range(6))
    job.mirror.summary({"test/acc": 0.5})
    job.finish()
    (folder,) = sync_folders(tmp_path)
    job.mirror.say_next()
    assert capfd.readouterr().out == f"wandb: offline (logger.mode)\nnext: wandb sync {folder}\n"
    assert read_offline(folder) == of_csv(job.csv.rows)
    assert server.runs == {}
    sync(tmp_path)
    assert of_wandb(server.history("run1")) == of_csv(job.csv.rows)
    assert server.runs["run1"].received == list(range(6))
    assert server.runs["run1"].summary["test/acc"] == 0.5
    assert sync_command(tmp_path) is None, "nothing waits after the sync"


def test_two_jobs_in_a_process_are_two_runs(tmp_path: Path, server: WandbServer) -> None:
    first = Job(tmp_path / "1", "one").train(0, 1)
    first.finish()
    second = Job(tmp_path / "2", "two").train(0, 1, 2)
    second.finish()
    third = Job(tmp_path / "3", "three").train(0)  # never finished: its process went on after an error
    fourth = Job(tmp_path / "4", "four").train(5)
    fourth.finish()
    assert {name: [row["_step"] for row in server.history(name)] for name in ("one", "two", "four")} == {
        "one": [0, 1],
        "two": [0, 1, 2],
        "four": [5],
    }
    assert third.mirror.version == "three"


def test_online_resume_goes_on_in_the_same_run(tmp_path: Path, server: WandbServer) -> None:
    Job(tmp_path, config={"seed": 1}).train(*range(5)).finish(1)
    job = Job(tmp_path, resume_at=3, config={"seed": 1}).train(3, 4, 5, 6)  # steps 3 and 4 are on the server already
    job.finish()
    run = server.runs["run1"]
    assert run.received == list(range(7))
    seen = [{k: v for k, v in row.items() if k != "seconds"} for row in of_wandb(server.history("run1"))]
    assert seen == [{k: v for k, v in row.items() if k != "seconds"} for row in of_csv(job.csv.rows)]
    assert run.exit_code == 0


def test_offline_then_online_sends_everything_and_retires_the_folder(tmp_path: Path, server: WandbServer) -> None:
    Job(tmp_path, mode="offline").train(*range(5)).finish(1)
    job = Job(tmp_path, resume_at=3).train(3, 4, 5)
    job.finish()
    assert server.runs["run1"].received == list(range(6))
    assert of_wandb(server.history("run1")) == of_csv(job.csv.rows)
    assert sync_folders(tmp_path) == []
    assert len(offline_folders(tmp_path)) == 1


def test_online_then_offline_ends_with_every_step_once(tmp_path: Path, server: WandbServer) -> None:
    Job(tmp_path).train(*range(5)).finish(1)
    job = Job(tmp_path, resume_at=3, mode="offline").train(3, 4, 5)
    job.finish()
    sync(tmp_path)
    assert of_wandb(server.history("run1")) == of_csv(job.csv.rows)


def test_media_go_with_the_row_of_their_step(tmp_path: Path, server: WandbServer) -> None:
    import wandb

    job = Job(tmp_path).train(0, 1)
    job.mirror.log_metrics({"gates": wandb.Html("now")})
    job.mirror.log_metrics({"late": wandb.Html("between two rows")}, step=2)
    job.train(3)
    job.mirror.log_metrics({"last": wandb.Html("after the last row")}, step=9)
    job.finish()
    rows = {row["_step"]: row for row in server.history("run1")}
    assert sorted(rows) == [0, 1, 2, 3, 9]
    assert [step for step, row in rows.items() if "gates" in row] == [1]
    assert [step for step, row in rows.items() if "late" in row] == [2]
    assert [step for step, row in rows.items() if "last" in row] == [9]
    assert rows[1]["train/loss"] == 1 / 4


def test_numbers_past_the_csv_are_a_mistake(tmp_path: Path, no_wandb_account: Any) -> None:
    job = Job(tmp_path, mode="disabled").train(0)
    with pytest.raises(UserError, match="no row for step 7"):
        job.mirror.log_metrics({"train/loss": 1.0}, 7)
    with pytest.raises(UserError, match=r"must be one of auto, .*got 'nowhere'"):
        WandbMirror(tmp_path, "bench", "run1", mode="nowhere")


def test_a_server_that_refuses_the_run_leaves_it_offline(tmp_path: Path, server: WandbServer, capfd: Any) -> None:
    server.refuse = True
    job = Job(tmp_path).train(0, 1)
    job.finish()
    assert job.mirror.mode == "offline"
    assert "the server rejected the run" in capfd.readouterr().out
    assert read_offline(sync_folders(tmp_path)[0]) == of_csv(job.csv.rows)


def test_a_server_that_goes_away_costs_no_row(
    tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr("src.training.wandb_mirror.UPLOAD_TIMEOUT", 1.0)
    job = Job(tmp_path).train(0, 1)
    server.away = True
    job.train(2, 3, 4)
    job.finish()
    job.mirror.say_next()
    said = capfd.readouterr().out
    assert "wandb: offline (the upload was not finished after 1 s)" in said
    assert sync_command(tmp_path) in said
    server.away = False
    sync(tmp_path)
    assert of_wandb(server.history("run1")) == of_csv(job.csv.rows)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.training.test_wandb_mirror import Job

if (child := os.fork()) == 0:
    Job(Path(sys.argv[1], "offline"), "offline", mode="offline").train(*range(8))
    os.kill(os.getpid(), signal.SIGKILL)
assert os.waitpid(child, 0)[1] == signal.SIGKILL
Job(Path(sys.argv[1], "online"), "online", mode="online").train(*range(8))
signal.pause()
"""


def test_killed_runs_resume_with_every_step_once(
    tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process makes both runs, because its imports take seconds."""
    monkeypatch.setenv("WANDB__FILE_STREAM_TRANSMIT_INTERVAL", "0.1")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 120
    while "online" not in server.runs or len(server.runs["online"].received) < 7:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert server.runs["online"].received == list(range(7)), "the last row could still have grown"
    rows = {mode: MetricsCSV(tmp_path / mode).rows for mode in ("offline", "online")}
    assert [[row["step"] for row in rows[mode]] for mode in rows] == [list(range(8))] * 2, "no row is lost"

    (torn,) = offline_folders(tmp_path / "offline")
    job = Job(tmp_path / "offline", "offline", resume_at=6, mode="offline").train(6, 7, 8, 9)
    job.finish()
    (whole,) = sync_folders(tmp_path / "offline")
    assert offline_folders(tmp_path / "offline") == [torn, whole]
    assert (torn / "superseded-by").read_text() == whole.name + "\n"
    assert job.csv.rows[:6] == rows["offline"][:6]
    sync(tmp_path / "offline")
    run = server.runs["offline"]
    assert run.received == list(range(10))
    assert of_wandb(server.history("offline")) == of_csv(job.csv.rows)
    assert run.exit_code == 0
    subprocess.run([WANDB, "sync", "--yes"], cwd=tmp_path / "offline", check=True, capture_output=True)
    assert run.received == list(range(10)), "a bare `wandb sync` passes the superseded folder by"

    job = Job(tmp_path / "online", "online", resume_at=6).train(6, 7, 8, 9)
    job.finish()
    assert server.runs["online"].received == list(range(10))
    again = of_csv([*rows["online"][:7], *job.csv.rows[7:]])  # step 6 was made twice: the server has the first
    assert of_wandb(server.history("online")) == again
