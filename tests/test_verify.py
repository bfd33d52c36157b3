"""Published runs are made again from their records alone; a number that somebody changed is named."""

import hashlib
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from src.analysis.collect import collect
from src.analysis.pack import write_pack
from src.analysis.run import Run
from src.config.errors import UserError
from src.config.places import CONF, register_resolvers
from src.runs.result import Backend, DataFacts, Git, read_result, sealed
from src.runs.typed_json import replaced, write_json
from src.train import train
from src.verify import again, compared, overrides_of, spreads, verify

MODELS = ("gru", "lstm")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two final runs on a generated file, trained as by a command line."""
    home = tmp_path_factory.mktemp("made")
    (home / "a.txt").write_text("the cat sat on the mat. " * 40)
    register_resolvers()
    for model in MODELS:
        job = f"{{study: tiny, phase: final, model: {model}, data: text, arm: main, id: {model}}}"
        line = (
            *("model.hidden_size=4", "trainer.max_epochs=1", "logger=csv", "trainer.enable_progress_bar=false"),
            *("data=text", "data.chunk=16", "data.batch_size=2", f"data.path={home / 'a.txt'}", f"model={model}"),
        )
        places = (f"paths.run_dir={home / 'tiny' / model}", f"paths.runs_dir={home}")
        with pytest.MonkeyPatch.context() as patch, initialize_config_dir(str(CONF), version_base="1.3"):
            patch.setattr(sys, "argv", ["train.py", *line, *places])
            train(hydra_compose("train", overrides=[*line, *places, f"study_job={job}"]))
    return home


@pytest.fixture
def asked(compose: Callable[..., DictConfig], tmp_path: Path) -> Callable[..., DictConfig]:
    return lambda *line: compose(*line, f"paths.runs_dir={tmp_path}", config_name="verify")


def edit(path: Path, **changes: Any) -> None:
    """As somebody would who also knows how a record is sealed."""
    record = read_result(path)
    assert record is not None
    write_json(path, sealed(replaced(record, **changes)))


def content(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_it_names_the_run_whose_record_was_altered(
    made: Path, asked: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    record = made / "tiny" / "lstm" / "result.json"
    before, metrics = record.read_bytes(), dict(read_result(record).metrics)  # type: ignore[union-attr]
    edit(record, metrics=metrics | {"test/nll": metrics["test/nll"] - 1e-9})
    there = content(made)
    try:
        with pytest.raises(
            UserError, match=r"^1 run could not be confirmed; the first is \S*lstm: test/nll is "
        ) as error:
            verify(asked(f"study={made / 'tiny'}", "k=5", "seed=3"))
        assert content(made) == there
    finally:
        record.write_bytes(before)
    assert "the machine is of the same kind; 1 of" in str(error.value)
    said = capsys.readouterr().out
    assert "tiny: 2 of 2 final runs, seed=3" in said
    assert re.search(r"gru: bitwise equal\n", said)
    assert "1 differs" in said


def test_it_makes_the_runs_of_a_pack_again(made: Path, asked: Callable[..., DictConfig], tmp_path: Path) -> None:
    """With the place of the file on this machine, which no pack holds."""
    write_pack(collect([made / "tiny"], "study"), tmp_path / "pack")
    (one,) = verify(asked(f"study={tmp_path / 'pack'}", "k=1", f"data.path={made / 'a.txt'}"))
    assert one.outcome == "bitwise equal"
    assert one.run.model in MODELS


def test_a_run_that_cannot_be_made_is_not_confirmed(made: Path, tmp_path: Path) -> None:
    (run, _) = collect([made / "tiny"], "study").runs
    gone = replace(run, command=["train.py", "data=text", f"data.path={tmp_path / 'gone.txt'}"])
    one = again(gone, tmp_path / "new", {}, {}, ())
    assert one.outcome == "failed"
    assert "gone.txt" in one.said
    assert "(made by " in one.said


def test_a_record_of_another_version_names_its_commit_and_a_damaged_one_itself(
    made: Path, asked: Callable[..., DictConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "tiny", tmp_path / "tiny")
    for model in MODELS:
        git = Git("0123456789abcdef0123456789abcdef01234567", clean=True)
        edit(tmp_path / "tiny" / model / "result.json", results_version=1, git=git)
    with pytest.raises(UserError, match=r"^Nothing could be confirmed; .*: git checkout 0123456789abcdef") as error:
        verify(asked("study=tiny"))
    assert "results version 1, this code has 2: made by commit 0123456789" in str(error.value)
    lstm = tmp_path / "tiny" / "lstm" / "result.json"
    lstm.write_text(lstm.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(UserError, match=r"^1 run could not be confirmed; the first is .*lstm.*its own digest differs"):
        verify(asked("study=tiny"))
    said = capsys.readouterr().out
    assert "tiny: 1 of 1 final run," in said
    assert "unreadable" in said


def published(*values: float, cpu: str = "A") -> list[Run]:
    return [
        Run(
            id=str(seed), seed=seed, status="finished", model="gru", data_name="x", metrics={"test/nll": value},
            hardware={"cpu": cpu, "threads": 1}, versions={"python": "3", "torch": "2", "numpy": "2"},
            backend=Backend("fused", "32-true"), data=DataFacts(checksum="c"),
        )
        for seed, value in enumerate(values)
    ]  # fmt: skip


def test_bits_on_the_same_kind_of_machine_and_a_spread_over_seeds_elsewhere() -> None:
    runs = published(1.00, 1.01, 1.02)  # SD 0.01
    room = spreads(runs[0], runs)
    assert room == {"test/nll": pytest.approx(0.05)}
    assert spreads(runs[0], runs[:2]) == {"test/nll": pytest.approx(0.05)}  # 5 % of the value
    assert spreads(runs[0], published(2.0, 2.0, 2.0)) == {"test/nll": pytest.approx(1e-3)}

    def outcome(value: float, **changes: Any) -> str:
        new = replace(runs[0], metrics={"test/nll": value}, **changes)
        return compared(runs[0], new, room)[0]

    other: dict[str, Any] = {"hardware": {"cpu": "B", "threads": 1}}
    assert [outcome(value) for value in (1.0, 1.0 + 1e-12)] == ["bitwise equal", "differs"]
    assert [outcome(value, **other) for value in (1.0, 1.049, 1.051)] == [*["within the tolerance"] * 2, "differs"]
    assert outcome(1.01, versions={"python": "3", "torch": "3", "numpy": "2"}) == "within the tolerance"
    assert outcome(1.01, backend=Backend("torch", "32-true")) == "within the tolerance"
    assert outcome(1.01, hardware={"cpu": "A", "threads": 1, "gpu": "H"}) == "within the tolerance"
    assert outcome(1.0, data=DataFacts(checksum="d")) == outcome(1.0, status="diverged") == "differs"
    assert outcome(float("nan"), **other) == "differs"
    endless = published(float("inf"))
    assert spreads(endless[0], endless) == {"test/nll": 0.0}  # any number is that far from infinity


@pytest.mark.parametrize(
    "word",
    ["model._target_=os.system", "+callbacks.x={_target_:os.system}", "+a.b._partial_=true", "model.x=${oc.env:X}"],
)
def test_a_received_command_runs_no_code(word: str) -> None:
    (run,) = published(1.0)
    with pytest.raises(UserError, match="the command of 0"):
        overrides_of(replace(run, command_line=f"python -m src.train data=text {word}"), ())


def test_a_command_leads_nowhere_but_to_its_result() -> None:
    (run,) = published(1.0)
    with pytest.raises(UserError, match="has no record of its command"):
        overrides_of(run, ())
    line = (
        "python -m src.train model=gru --config-dir=/x hydra.run.dir=/x hydra/launcher=ray paths.runs_dir=/x "
        "logger=wandb ckpt=/x overwrite=true name=x data.batch_size=4 '~callbacks.early_stopping' "
        "model.budget_tolerance=0.05 "
        "optimizer._target_=torch.optim.Adam"
    )
    assert overrides_of(replace(run, command_line=line), ()) == [
        *("model=gru", "data.batch_size=4", "~callbacks.early_stopping", "model.budget_tolerance=0.05"),
        "optimizer._target_=torch.optim.Adam",
    ]
    assert overrides_of(replace(run, command_line="python -m src.train model._target_=mine.Net"), "mine") != []
