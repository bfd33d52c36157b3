"""The dashboard as JSON: every panel asks for what a run of a study has logged, and only for runs of that study."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from src.config.errors import UserError
from src.dashboard import dashboard
from src.figures.palette import style
from src.runs.record import find_runs
from src.train import train
from tests.standin.wandb_server import ENTITY, KEY, WandbServer
from tests.training.conftest import no_wandb_account as no_wandb_account  # a fixture

pytest.importorskip("wandb_workspaces")

Compose = Callable[..., DictConfig]
PLAN = {
    "name": "pilot",
    "models": {"gru": {}, "lstm": {}},
    "data": {"ucr": {}, "adding": {}},
    "tuning": {"draws": {"optimizer.lr": {"low": 1e-4, "high": 3e-2, "number": 4}, "model.dropout": [0.0, 0.2]}},
    "primary": {"models": ["gru", "lstm"], "metric": {"default": "test/nll", "adding": "test/mse"}, "margin": 0.05},
}


@pytest.fixture
def ask(compose: Compose, tmp_path: Path) -> Compose:
    """``ask("only=[ucr]")`` gives the config of ``python -m src.dashboard study=pilot only=[ucr]``."""
    study = tmp_path / "runs" / "pilot"
    study.mkdir(parents=True)
    (study / "study.json").write_text(json.dumps({"schema": 1, "name": "pilot", "plan": PLAN, "plan_hash": "0" * 16}))
    given = ("study=pilot", f"paths.runs_dir={study.parent}")
    return lambda *overrides: compose(*given, *overrides, config_name="dashboard")


@pytest.fixture
def built(ask: Compose, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What is written to a file."""

    def build(*overrides: str) -> dict[str, Any]:
        dashboard(ask(f"json={tmp_path / 'pilot.json'}", *overrides))
        content: dict[str, Any] = json.loads((tmp_path / "pilot.json").read_text())
        return content

    return build


def panels(workspace: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The panels' settings by section."""
    sections = workspace["spec"]["section"]["panelBankConfig"]["sections"]
    return {section["name"]: [panel["config"] for panel in section["panels"]] for section in sections}


def test_it_shows_learning_tuning_and_cost(built: Callable[..., dict[str, Any]]) -> None:
    workspace = built()
    assert (workspace["displayName"], workspace["project"], workspace["entity"]) == ("pilot", "gatebench", "")
    shown = panels(workspace)
    assert list(shown) == ["Learning curves", "Tuning", "Quality against cost"]
    curves = [(p["xAxis"], p["metrics"], p["groupAgg"], p["groupArea"]) for p in shown["Learning curves"]]
    assert ("epoch", ["val/nll"], "mean", "minmax") in curves
    assert ("seconds", ["val/mse"], "mean", "minmax") in curves
    assert len(curves) == 6
    parallel = [c["accessor"] for c in shown["Tuning"][0]["columns"]]
    assert parallel == [
        "config:optimizer.value.lr",
        "config:model.value.dropout",
        "config:model.value.hidden_size",
        "summary:parameters/effective",
        "summary:val/nll",
    ]
    assert shown["Tuning"][0]["columns"][0]["log"] is True
    assert shown["Tuning"][0]["columns"][1]["log"] is False
    costs = [(p["xAxis"], p["yAxis"]) for p in shown["Quality against cost"]]
    assert ("summary:parameters/effective", "summary:test/nll") in costs
    assert ("summary:seconds", "summary:test/mse") in costs


def test_it_holds_the_runs_of_the_study_in_groups_with_the_projects_colours(
    built: Callable[..., dict[str, Any]],
) -> None:
    section = built()["spec"]["section"]
    (runs,) = section["runSets"]
    (condition,) = runs["filters"]["filters"]
    assert (condition["key"]["name"], condition["op"]) == ("group", "IN")
    assert condition["value"] == ["pilot/ucr", "pilot/adding"]
    assert [key["name"] for key in runs["grouping"]] == ["group", "jobType", "study_job.value.model"]
    colours = section["customRunColors"]
    assert len(colours) == 2 * 3 * 2
    assert {c for key, c in colours.items() if "%22gru%22" in key} == {style("gru").colour}
    assert {c for key, c in colours.items() if "%22lstm%22" in key} == {style("lstm").colour}


def test_it_can_be_about_some_data_sets(built: Callable[..., dict[str, Any]]) -> None:
    workspace = built("only=[adding]", "entity=team", "project=mine")
    assert (workspace["project"], workspace["entity"]) == ("mine", "team")
    (condition,) = workspace["spec"]["section"]["runSets"][0]["filters"]["filters"]
    assert condition["value"] == ["pilot/adding"]
    assert "nll" not in json.dumps(panels(workspace))


def test_what_is_written_is_what_the_package_reads(built: Callable[..., dict[str, Any]]) -> None:
    from wandb_workspaces.workspaces import Workspace
    from wandb_workspaces.workspaces.internal import View

    workspace = built()
    again = Workspace._from_model(View.model_validate(workspace))
    assert [section.name for section in again.sections] == list(panels(workspace))
    assert again.name == "pilot"


def asked_for(workspace: dict[str, Any]) -> dict[str, set[str]]:
    """Every key that a panel, the filter or the grouping asks for: of the history, the summary, the config."""
    named: dict[str, set[str]] = {"history": set(), "summary": set(), "config": set()}
    for config in [config for configs in panels(workspace).values() for config in configs]:
        if "metrics" in config:
            named["history"] |= {config["xAxis"], *config["metrics"]}
        keys = [config[axis] for axis in ("xAxis", "yAxis") if ":" in config.get(axis, "")]
        for key in keys + [column["accessor"] for column in config.get("columns", [])]:
            place, _, name = key.partition(":")
            named[place].add(name)
    grouping = workspace["spec"]["section"]["runSets"][0]["grouping"]
    named["config"] |= {key["name"] for key in grouping if key["section"] == "config"}
    return named


def test_a_run_of_a_study_has_logged_whatever_a_panel_asks_for(
    quick: Compose, built: Callable[..., dict[str, Any]], no_wandb_account: pytest.MonkeyPatch
) -> None:
    study_job = {
        "study": "pilot",
        "phase": "final",
        "model": "gru",
        "data": "ucr",
        "arm": "main",
        "id": "0123456789abcdef",
    }
    words = ",".join(f"{key}:'{value}'" for key, value in study_job.items())
    cfg = quick(f"study_job={{{words}}}", "logger=wandb", "logger.mode=offline", "trainer.max_epochs=1")
    train(cfg)
    ((directory, _),) = find_runs(Path(cfg.paths.runs_dir))
    (folder,) = (directory / "wandb").glob("offline-run-*")
    reader = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(folder)]
    lines = subprocess.run(reader, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    history = {key for r in records if r["type"] == "history" for key in r["history"]["item"]}
    text = json.dumps([r for r in records if r["type"] in ("run", "config", "summary")])
    asked = asked_for(built("only=[ucr]"))
    assert asked["history"] == {"epoch", "seconds", "val/nll", "train/nll"}
    assert asked["history"] <= history
    for name in asked["summary"]:
        assert f'"{name}"' in text or name in history, name
    for name in asked["config"]:
        top, _, inner = name.partition(".value.")
        assert re.search(rf'"{top}".*{inner}', text), name
    assert '"pilot/ucr"' in text, "the group that the filter names"


def test_without_a_login_it_says_what_to_do(ask: Compose, no_wandb_account: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"needs a wandb login: run `wandb login`, or write to a file with json=FILE\."):
        dashboard(ask())


def test_a_study_that_is_not_there(ask: Compose) -> None:
    cfg = ask()
    cfg.study = "other"
    with pytest.raises(UserError, match=r"There is no study .*other; available studies: pilot\."):
        dashboard(cfg)


def test_a_data_set_that_the_study_has_not(ask: Compose) -> None:
    with pytest.raises(UserError, match="shakespeare is not a data set of pilot, which has ucr, adding"):
        dashboard(ask("only=[shakespeare]", "json=x.json"))


def test_a_missing_package_is_said(ask: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "wandb_workspaces"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(UserError, match=r"install it with pip install -e '\.\[report\]' in GateBench's clone"):
        dashboard(ask("json=x.json"))


class Views(WandbServer):
    """The stand-in, which takes workspaces too."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[dict[str, Any]] = []

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertView" in query:
            self.saved.append(variables)
            return {"upsertView": {"view": {"id": "v1", "name": variables["name"]}, "inserted": True}}
        if "GetDefaultEntity" in query:
            return {"viewer": {"id": "1", "entity": ENTITY}}
        return super().graphql(query, variables)


@pytest.fixture
def views(no_wandb_account: pytest.MonkeyPatch) -> Iterator[Views]:
    import wandb

    with Views() as server:
        no_wandb_account.setenv("WANDB_BASE_URL", server.url)
        no_wandb_account.setenv("WANDB_API_KEY", KEY)
        yield server
        wandb.teardown()


def test_it_is_saved_for_who_is_logged_in(
    ask: Compose, built: Callable[..., dict[str, Any]], views: Views, capsys: pytest.CaptureFixture[str]
) -> None:
    dashboard(ask())
    (saved,) = views.saved
    assert (saved["entityName"], saved["projectName"], saved["displayName"]) == (ENTITY, "gatebench", "pilot")
    assert panels({"spec": json.loads(saved["spec"])}) == panels(built())
    assert f"/{ENTITY}/gatebench?nw=" in capsys.readouterr().out


def test_a_server_that_refuses_is_said_in_one_sentence(ask: Compose, views: Views) -> None:
    views.refuse = True
    with pytest.raises(UserError, match=r"wandb rejected the dashboard \(.*\): write it to a file with json=FILE\."):
        dashboard(ask())
