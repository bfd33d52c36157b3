"""A job's overrides give Hydra exactly the values that the plan says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.overrides import override
from src.config.shell import as_overrides
from src.studies.jobs import Jobs, files_digest
from src.studies.plan import read_plan
from src.training.ddp import other_process
from tests.studies.conftest import PLAN, parsed


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0.001, 3, "gru", "null", "1", "", "a b=c", "it's", '"quoted"', "C:\\data\\set", "ends in \\",
        "a\\'b", "a,b", "{a:1}", "[x", ["x", "it's", 1], {"a": ["b c", None], "b": {"c": False}},
    ],
)  # fmt: skip
def test_an_override_gives_its_value_back(value: Any) -> None:
    given = parsed([override("key", value), override("inside", {"list": [value]})])
    assert given == {"key": value, "inside": {"list": [value]}}


@pytest.mark.parametrize("path", ["/runs/plain", "/runs/it's", "/runs/a,b", "/ends in \\", "/a\\'b"])
def test_a_path_reaches_a_command_and_a_further_process_as_it_is(path: str) -> None:
    assert parsed(as_overrides([path], "evaluate")) == {"run": path}
    given = parsed(other_process(Path(path), path)[7:])
    assert {given[key] for key in ("paths.run_dir", "hydra.run.dir", "ckpt")} == {path}


def test_the_content_of_a_file_in_the_home_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    cfg, digests = OmegaConf.create({"data": {"path": "~/mine.csv"}}), {""}
    for content in ("x\n1\n", "x\n2\n"):
        (tmp_path / "mine.csv").write_text(content)
        digests.add(files_digest(cfg))
    assert len(digests) == 3


@pytest.mark.parametrize("splits", ["splits.csv", ["val.csv", "splits.csv"]])
def test_the_content_of_a_file_that_gives_the_splits_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: str | list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("x\n1\n")
    cfg, digests = OmegaConf.create({"data": {"path": "mine.csv", "splits": splits}}), set()
    for content in ("train\n", "test\n"):
        (tmp_path / "splits.csv").write_text(content)
        digests.add(files_digest(cfg))
    cfg.data.splits = [0.8, 0.1, 0.1]
    assert len(digests | {files_digest(cfg)}) == 3


TASKS = """
from src.tasks import SequenceClassification
from src.tasks.metrics import Metric

class Brier(SequenceClassification):
    metrics_declared = (*SequenceClassification.metrics_declared, Metric("brier", "min", "", "squares", "count"))

class Skill(SequenceClassification):
    metrics_declared = (*SequenceClassification.metrics_declared, Metric("skill", "max", "", "skill", "count"))

class Silent(SequenceClassification):
    pass
"""


@pytest.fixture
def jobs(compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Jobs]:
    """``jobs(metric, settings)``: of a study of one data set, possibly with a task of the user's own."""
    (tmp_path / "their_tasks.py").write_text(TASKS)
    (tmp_path / "load.csv").write_text("time,load\n" + "".join(f"2020-01-{day:02},{day}\n" for day in range(1, 31)))
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(metric: Any, settings: dict[str, Any], data: str = "ucr") -> Jobs:
        plan = read_plan(
            {**PLAN, "data": {data: {}}, "settings": settings, "primary": {**PLAN["primary"], "metric": metric}}
        )
        return Jobs(plan, lambda overrides: compose(*overrides), tmp_path / "runs")

    return made


OF_CSV = {"data.lookback": 3, "data.horizon": 1}


@pytest.mark.parametrize(
    ("metric", "settings", "data", "words"),
    [
        ("test/mse", {}, "ucr", "test/loss, test/nll, test/acc, test/f1 for ucr, got test/mse."),
        ({"default": "test/nll", "adding": "test/acc"}, {}, "adding", "test/mse, .* for adding, got test/acc."),
        ("test/acc", OF_CSV, "csv", "test/loss, test/mse, .* for csv, got test/acc."),
        ("test/briar", {"task._target_": "their_tasks.Brier"}, "ucr", "test/f1, test/brier for ucr, got test/briar."),
    ],
)  # fmt: skip
def test_a_metric_that_the_studys_task_does_not_have_is_refused_before_anything_is_written(
    jobs: Callable[..., Jobs], tmp_path: Path, metric: Any, settings: dict[str, Any], data: str, words: str
) -> None:
    more = {"data.path": str(tmp_path / "load.csv")} if data == "csv" else {}
    with pytest.raises(UserError, match=rf"study\.primary\.metric must be one of .*{words}"):
        jobs(metric, settings | more, data).check()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("task", "metric", "mode"), [("Brier", "brier", "min"), ("Skill", "skill", "max")])
def test_settings_are_chosen_by_the_metric_that_the_users_own_task_declares(
    jobs: Callable[..., Jobs], task: str, metric: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        made = jobs(f"test/{metric}", {"task._target_": f"their_tasks.{task}"})
        made.check()
    assert not caplog.text
    chosen = made.config("gru", "ucr", "main").task
    assert (chosen.monitor, chosen.mode) == (f"val/{metric}", mode)
    settings = parsed(made.job("final", "gru", "ucr", "main", 0, {"optimizer.lr": 0.1}).overrides)
    assert (settings["task.monitor"], settings["task.mode"]) == (f"val/{metric}", mode)


def test_how_to_choose_by_a_metric_that_the_users_own_task_does_not_declare_is_said_once(
    jobs: Callable[..., Jobs], caplog: pytest.LogCaptureFixture
) -> None:
    silent = {"task._target_": "their_tasks.Silent"}
    with caplog.at_level("INFO"):
        jobs("test/mine", silent).check()
        (told,) = (line.getMessage() for line in caplog.records)
        assert "settings on ucr are chosen by val/loss: to choose by val/mine, add task.monitor: val/mine" in told
        caplog.clear()
        advised = jobs("test/mine", {**silent, "task.monitor": "val/mine", "task.mode": "max"})
        advised.check()
    assert not caplog.text
    assert advised.config("gru", "ucr", "main").task.monitor == "val/mine"


def test_a_task_that_cannot_be_imported_is_found_before_a_study_starts(jobs: Callable[..., Jobs]) -> None:
    with pytest.raises(UserError, match=r"their_tasks\.Missing could not be built: .*Missing"):
        jobs("test/acc", {"task._target_": "their_tasks.Missing"}).check()
