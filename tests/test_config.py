"""Mistakes at the command line: one sentence, no stack trace, and fast where composition can find them."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.help import page
from src.config.in_words import MEANT, in_words
from src.config.instantiate import instantiate
from src.config.names import OWN_FORMS
from src.config.places import CONF
from src.config.rules import check
from src.config.schema import keys_of
from src.config.schema.commands import COMMANDS, EXAMPLES, POSITIONAL
from src.config.schema.entries import words
from src.config.shell import as_overrides, command, given_twice, quoted, wrong_line
from src.config.tuned import log_origins
from src.studies.jobs import Jobs
from src.studies.plan import read_plan
from src.train import main

ROOT = Path(__file__).resolve().parent.parent

FOUND_BY_COMPOSITION = {
    "model.hiden_size=3": "There is no key model.hiden_size (did you mean hidden_size?)",
    "task.strategy=recursive": "There is no key task.strategy in this config: it needs task=forecasting",
    "modle=gru": "There is no key modle (did you mean model?)",  # and not compare's mode
    "trainer.enable_checkpointing=false": "trainer.enable_checkpointing cannot be set: best.ckpt and last.ckpt are",
    "trainer.max_time=3": "trainer.max_time must be a mapping, or days, hours, minutes and seconds, as in 00:12",
    "optimizr=sgd": "There is no key optimizr (did you mean optimizer?)",
    "model.hidden_size=0": "must be a whole number of at least 1 and at most 65536, or a list of these, got 0.",
    "model gru": "model does not have the form KEY=VALUE, without spaces, as in model=gru.",
    "experiments=smoke study.pair=3": "There is no key study.pair in this study: to add one that its file lacks,",
    "seed=1,2": "seed=1,2 has several values: add -m to run each of them, as in -m seed=1,2;",
    "model=glob(*)": "model=glob(*) has several values: add -m to run each of them",
    "model.dropout=1.5": "model.dropout must be a number of at least 0 and below 1, got 1.5.",
    "seed=-1": "seed must be a whole number of at least 0, got -1.",
    "seed=[1": "an override must be KEY=VALUE",
    "data=uce": "There is no data=uce (did you mean ucr?); the choices are",
    "model=grub": "There is no model=grub (did you mean gru?)",
    "ckpt=nowhere.ckpt": "There is no checkpoint nowhere.ckpt",
    "model.retain_bias=0.5": "model.retain_bias has been renamed to model.keep_gate_bias.",
    "+model.retain_bias=0.5": "model.retain_bias has been renamed to model.keep_gate_bias.",
    "data.batch_size=2.5": "data.batch_size must be a whole number of at least 1, got 2.5.",
    "model.backend=fast": "model.backend must be one of auto, fused, torch, triton, reference, got fast.",
    "gru": "gru does not have the form KEY=VALUE (did you mean model=gru?).",
    "seed": "seed does not have the form KEY=VALUE, without spaces, as in model=gru.",
    "model=GRU": "There is no model=GRU (did you mean gru?)",
    "max_epochs=3": "There is no key max_epochs (did you mean trainer.max_epochs?).",
    "+max_epochs=3": "There is no key max_epochs (did you mean trainer.max_epochs?).",
    "epochs=3": "There is no key epochs (did you mean trainer.max_epochs?).",
    "learning_rate=0.1": "There is no key learning_rate (did you mean optimizer.lr?).",
    "hiden_size=3": "There is no key hiden_size (did you mean model.hidden_size?).",
    "batch_size=3": "There is no key batch_size (did you mean data.batch_size?).",
    "optimizer.learning_rate=0.1": "There is no key optimizer.learning_rate (did you mean optimizer.lr?).",
    "model.layers=2": "There is no key model.layers (did you mean model.num_layers?).",
    "trainer.gpus=1": "There is no key trainer.gpus (did you mean trainer.devices?).",
    "+foo=1": "There is no key foo, and no value refers to it as ${foo}.",
    "logger=[wandb,csvv]": "There is no logger=csvv (did you mean csv?); the choices are csv, mlflow",
    "data=csv data.path=a.csv data.resample=5": "data.resample must be a time interval such as 15min, 1h or 1D",
    "data=csv data.path=a.csv data.decimal=;": "data.decimal must be one of point, comma, ., ,, or null, got ;.",
    "data=csv data.path=a.csv data.target=a,b": "a list needs brackets, as in data.target=[a,b].",
    "data=csv data.target=[a": "'[a' is incomplete: an override must be KEY=VALUE",
    "foo=1": "There is no key foo; to add a key of your own, to which other values refer as ${foo}, use a plus",
    "data=urc": "There is no data=urc (did you mean ucr?)",
    "trainer.profiler=fast": "trainer.profiler must be one of simple, advanced, pytorch, xla, or null, got fast.",
    "trainer.max_epochs=0": "trainer.max_epochs must be a whole number of at least 1, or null, got 0.",
    "optimizer.lr=abc": "optimizer.lr must be a number above 0, got abc.",
    "optimizer.lr=nan": "optimizer.lr must be a number above 0, got NaN.",
    "task.pooling=first": "task.pooling must be one of last, mean, max, got first.",
    "test=yes": "test must be true or false, got yes.",
    "callbacks.early_stopping=3": "callbacks.early_stopping must be a mapping, got 3.",
    "callbacks.early_stopping.patience=-1": "early_stopping.patience must be a whole number of at least 0, got -1.",
    "trainer.limit_train_batches=-1": "trainer.limit_train_batches must be a whole number of at least 1, or",
    "data.seed=5": "data.seed must equal seed=0, because runs are paired by seed, got 5.",
    "data=seq_mnist data.by=column": "data.by must be pixel or row, got column.",
    "data=shakespeare data.level=line": "data.level must be char or word, or null, got line.",
    "data=csv data.path=a.csv data.missing=drop": "data.missing must be refuse or before, got drop.",
    "data=copy_memory data.length=0": "data.length must be a whole number of at least 1, got 0.",
    "data=copy_memory data.length=2.5": "data.length must be a whole number of at least 1, got 2.5.",
    "data=adding data.length=long": "data.length must be a whole number of at least 1, got long.",
    "data=adding data.sizes=[10,0,10]": "each a whole number of at least 1, with exactly three items, got [10, 0, 10]",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("override", FOUND_BY_COMPOSITION)
def test_a_mistake_is_answered_in_one_sentence(
    override: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", *override.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert FOUND_BY_COMPOSITION[override] in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["trainer=gpu"], "needs a CUDA device, but this machine has none: use trainer=cpu"),
        (["trainer.strategy=ddp_spawn"], "trainer.strategy=ddp_spawn is not supported: use trainer=ddp (GPUs)"),
        (["trainer.devices=2"], "trainer=ddp_cpu with trainer.devices=N for several processes"),
        (["data.name=JapaneseVowel"], "did you mean JapaneseVowels?"),
        (["model._target_=their.Network"], "their.Network could not be built"),
        (["ckpt=torn.ckpt"], "cannot be read (truncated, damaged or not a checkpoint)"),
        (["seed=1", "seed=2"], "seed is given twice on the command line"),
    ],
)
def test_a_mistake_that_needs_the_machine_is_answered_in_one_sentence(
    overrides: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], places: Path
) -> None:
    Path("torn.ckpt").write_bytes(b"PK\x03\x04torn")
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    monkeypatch.setattr(sys, "argv", ["train", "logger=csv", *overrides])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["load 1.csv"], "load 1.csv does not have the form KEY=VALUE (did you mean data=file data.path=load 1.csv?)."),
        (["data=load 1.csv"], "but load 1.csv is a file: use data=file data.path=load 1.csv."),
        (["data=csv", "data.path=load 1.csv", "data.target=b"], "is not a column of load 1.csv"),
        (["data=csv", "data.path=load 1.csv", "model.hidden_size=0"], "must be a whole number"),
        (["trainer.accelerator=cuda"], "needs a CUDA device"),
    ],
)
def test_a_start_that_is_refused_leaves_nothing(
    typed: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available() and "cuda" in words.lower():
        pytest.skip("there is one")
    Path("load 1.csv").write_text("time,load\n2024-01-01,1\n2024-01-02,2\n")
    monkeypatch.setattr(sys, "argv", ["train", *typed])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert words in capsys.readouterr().err
    assert not [path for path in Path().rglob("*") if path.name not in ("load 1.csv", "runs")]


@pytest.mark.usefixtures("here")
def test_a_start_that_is_refused_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the user's own that was named for the run."""
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep")
    monkeypatch.setattr(sys, "argv", ["train", "data=csv", "data.path=nowhere.csv", "paths.run_dir=mine"])
    with pytest.raises(SystemExit):
        main()
    assert Path("mine/notes.txt").read_text() == "keep"


@pytest.mark.parametrize(
    "line",
    [
        "train model.hidden_size=0",
        *[f"train data={own} data.path=nothing" for own in OWN_FORMS],
        *[f"{command} run=nothing" for command in ("evaluate", "explain", "export", "generate")],
        "predict run=nothing data.path=nothing",
        "compare study=nothing",
        "verify study=nothing",
    ],
)
def test_a_mistake_that_is_seen_without_torch_does_not_import_it(line: str) -> None:
    """Which is why it is answered in a second."""
    command, *words = line.split()
    program = (
        f"import sys; sys.argv = {[command, *words]}; from src.{command} import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 1\n"
        "heavy = {'torch', 'pytorch_lightning', 'wandb'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


@pytest.mark.usefixtures("here")
def test_the_trace_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(sys, "argv", ["train", "model.hidden_size=0"])
    with pytest.raises(UserError):
        main()


def test_a_missing_value_is_named() -> None:
    with pytest.raises(UserError, match=r"run must be given, as in run=VALUE"):
        check(OmegaConf.create({"run": "???"}))


def test_a_list_of_widths_is_a_width_for_each_layer() -> None:
    check(OmegaConf.create({"model": {"hidden_size": [4, 8]}}))
    with pytest.raises(UserError, match="or a list of these"):
        check(OmegaConf.create({"model": {"hidden_size": [4, 0]}}))


def test_a_class_of_the_users_own_brings_whatever_keys_it_likes() -> None:
    theirs = {"_target_": "their.Network", "hidden_size": "wide", "bias": 3}
    check(OmegaConf.create({"model": theirs, "data": {"_target_": "their.Data", "path": ["a", "b"], "length": None}}))
    with pytest.raises(UserError, match=r"model\.hidden_size must be"):
        check(OmegaConf.create({"model": {**theirs, "_target_": "src.recurrent.GRU"}}))
    with pytest.raises(UserError, match=r"model\.budget must be a whole number"):  # ours, whatever the network
        check(OmegaConf.create({"model": {**theirs, "budget": 0}}))


def test_a_seed_of_the_data_alone_is_refused_and_the_runs_own_is_not() -> None:
    check(OmegaConf.create({"seed": 5, "data": {"seed": 5}}))
    with pytest.raises(UserError, match=r"data\.seed must equal seed=0"):
        check(OmegaConf.create({"seed": 0, "data": {"seed": 5}}))


@pytest.mark.parametrize("seed", [0, 5])
def test_a_study_cannot_give_the_data_a_seed_either(
    seed: int, compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    primary = {"models": ["gru", "lstm"], "metric": "test/acc", "margin": 0.02}
    plan = read_plan(
        {"name": "x", "question": "?", "models": {"gru": {}, "lstm": {}}, "data": {"ucr": {"data.seed": seed}}}
        | {"primary": primary}
    )
    jobs = Jobs(plan, lambda overrides: compose(*overrides), tmp_path)
    with pytest.raises(UserError, match=r"data\.seed must equal seed"):
        jobs.job("final", "gru", "ucr", "main", 1, {})


def test_help_beside_another_option_is_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["status", "--cfg", "job", "study=smoke", "--help"])
    import_module("src.status").main()
    assert "study=smoke" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_the_keys_of_a_command(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    import_module(f"src.{name}").main()
    lines = capsys.readouterr().out.splitlines()
    assert f"python -m src.{name}" in lines[0]
    raw = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    keys = set(raw) - {"defaults", "hydra"}
    assert keys <= {line.partition("=")[0].partition(".")[0] for line in lines}
    for line, below in pairwise(lines):
        if (key := keys_of(name).get(line.partition("=")[0])) is not None and line.startswith(tuple(keys)):
            assert below == f"      {key.help}: {words(key.kind)}"


def test_what_other_libraries_call_a_key_is_one_of_ours() -> None:
    assert set(MEANT.values()) <= keys_of().keys()


def test_every_example_of_help_is_of_keys_that_are_there() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()
    assert POSITIONAL.keys() <= COMMANDS.keys()
    for name, lines in EXAMPLES.items():
        for line in lines:
            overrides = as_overrides(shlex.split(line.partition("   ")[0]), name)
            assert wrong_line(overrides, name) is None, line
            keys = {word.partition("=")[0] for word in overrides if "=" in word}
            assert keys <= {*keys_of(name), "experiments"}, line


def test_a_file_with_an_equals_sign_is_an_argument_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("meter #3 = north.csv", "threads=3"):
        Path(name).touch()
    assert as_overrides(["runs/a", "meter #3 = north.csv"], "predict") == [
        "run='runs/a'",
        "data.path='meter #3 = north.csv'",
    ]
    assert as_overrides(["runs/a", "threads=3"], "predict") == ["run='runs/a'", "threads=3"]


@pytest.mark.parametrize(
    ("command_", "typed", "read"),
    [
        ("evaluate", ["runs/a", "split=val"], ["run='runs/a'", "split=val"]),
        ("predict", ["runs/a", "my file,1.csv"], ["run='runs/a'", "data.path='my file,1.csv'"]),
        ("predict", ["data.path=a.csv", "runs/a"], ["data.path=a.csv", "run='runs/a'"]),
        ("compare", ["smoke", "margin=0.1"], ["study='smoke'", "margin=0.1"]),
        ("evaluate", ["runs/a", "runs/b"], ["run='runs/a'", "runs/b"]),
        ("train", ["-m", "seed=1", "--cfg", "job"], ["seed=1", "--cfg", "job"]),
        ("evaluate", ["--cfg", "job", "runs/a"], ["--cfg", "job", "run='runs/a'"]),
    ],
)
def test_arguments_without_a_key_stand_for_the_first_keys(command_: str, typed: list[str], read: list[str]) -> None:
    assert as_overrides(typed, command_) == read


def test_help_and_config_in_a_folder_with_an_environment_in_it(tmp_path: Path) -> None:
    """Hydra searches the working folder where it holds experiments/; help must not walk through what else is there."""
    (tmp_path / "experiments").mkdir()
    for k in range(300):
        (tmp_path / ".venv" / f"p{k}").mkdir(parents=True)
        for name in "abcdefgh":
            (tmp_path / ".venv" / f"p{k}" / f"{name}.yaml").touch()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for arguments in (["--help"], ["-m", "experiments=smoke", "--cfg", "job"]):
        words_ = [sys.executable, "-m", "src.train", *arguments]
        done = subprocess.run(words_, cwd=tmp_path, capture_output=True, text=True, env=env, timeout=120)
        assert done.returncode == 0, done.stderr
        assert ("study:" in done.stdout) if "-m" in arguments else ("model.hidden_size=" in done.stdout)
    cut = subprocess.run(
        f"{shlex.quote(sys.executable)} -m src.train --help | head -1",
        shell=True, cwd=tmp_path, capture_output=True, text=True, env=env, timeout=120,
    )  # fmt: skip
    assert (cut.stdout, cut.stderr) == ("Train a recurrent network: python -m src.train model=gru_bi.\n", "")


def test_help_is_of_the_choices_made_and_needs_no_torch() -> None:
    program = (
        "import sys; sys.argv = ['train', 'data=csv', 'seed=3', '--help']; from src.train import main; main()\n"
        "heavy = {'torch', 'pytorch_lightning', 'wandb'} & set(sys.modules); assert not heavy, heavy"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60, capture_output=True, text=True
    )
    lines = said.stdout.splitlines()
    assert {"data.path=??? *", "data.missing=refuse", "seed=3", "model=gru", "+optimizer.fused="} <= set(lines)
    assert "data.by=pixel" not in lines
    assert "      missing values: report an error, or repeat the previous value: refuse or before" in lines


def test_the_page_of_keys_is_up_to_date() -> None:
    assert (ROOT / "docs" / "config.md").read_text() == page(), "write it again: python -m src.config.help"


@pytest.mark.parametrize(
    ("command", "config", "words"),
    [
        ("compare", {"mode": "up"}, "mode must be min or max, or null, got up"),
        ("compare", {"margin": {"ucr": -1}}, "margin must be a number of at least 0, or a mapping, or null"),
        ("evaluate", {"split": "train"}, "split must be val or test, got train"),
        ("explain", {"split": "exam"}, "split must be one of train, val, test, got exam"),
        ("train", {"task": {"reduction": "sum"}}, "reduction must be per_step or per_sequence, got sum"),
        ("train", {"task": {"strategy": "both"}}, "strategy must be direct or recursive, got both"),
        ("train", {"task": {"mixtures": 0}}, "mixtures must be a whole number of at least 1, got 0"),
        ("train", {"model": {"hidden_size": [4, 0]}}, r"hidden_size must be .* or a list of these, got \[4, 0\]"),
        (
            "train",
            {"tags": ["a", True]},
            r"tags must be a list, each text, or non-empty text, got \[\"a\", true\]",
        ),
    ],
)
def test_a_value_out_of_its_range_is_said(command: str, config: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        check(OmegaConf.create(config), command)


def test_booleans_are_no_numbers() -> None:
    with pytest.raises(UserError):
        check(OmegaConf.create({"seed": True}))


@pytest.mark.usefixtures("here")
def test_a_width_beside_a_budget(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "model.hidden_size=8", "model.budget=900"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith("model.budget sets the width, so model.hidden_size cannot be set")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("overrides", "sentences"),
    [
        (["data=ucr"], ["optimizer.lr=0.005, tuned for data=ucr with adam."]),
        (["optimizer=sgd"], ["optimizer.lr=0.1, the default of optimizer=sgd; none was tuned for data=ucr."]),
        (["optimizer=sgd", "optimizer.lr=0.3"], ["optimizer.lr=0.3, from the command line."]),
        (
            ["data=nottingham"],
            [
                "optimizer.lr=0.0005, tuned for data=nottingham with rmsprop.",
                "optimizer.weight_decay=0.0001, tuned for data=nottingham with rmsprop.",
            ],
        ),
    ],
)
def test_the_log_says_where_the_settings_of_the_optimizer_come_from(
    overrides: list[str], sentences: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", *overrides])
    command("train", log_origins)
    assert capsys.readouterr().out.splitlines() == sentences


@pytest.mark.usefixtures("here")
def test_a_sweep_over_optimizers_gives_each_its_own_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "-m", "optimizer=adam,sgd", "data=ucr,copy_memory"])
    command("train", lambda cfg: print("lr", cfg.optimizer.lr))
    rates = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("lr ")]
    assert rates == ["0.005", "0.001", "0.1", "0.1"]


def test_given_twice() -> None:
    assert given_twice(["run=a", "run=b"]) == "run"
    assert given_twice(["-m", "seed=0,1", "model=gru"]) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="a/b") as caught:
        (tmp_path / "a" / "b").mkdir()
    said = f"{tmp_path}/a/b cannot be read or written (Not a directory): give another path."
    assert in_words(caught.value) == said


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_a_setting_of_the_data_of_a_run_is_changed_by_training_again(compose, name: str) -> None:
    """It said that data.missing needs data=csv, to which a command that reads a run has no choice."""
    with pytest.raises(Exception, match="Could not override") as caught:
        compose("data.missing=before", config_name=name)
    said = f"{name} takes data.missing from its run: to change it, train again with data.missing=VALUE."
    assert in_words(caught.value, name) == said


@pytest.mark.parametrize(
    ("group", "content", "said"),
    [
        (
            "experiments",
            "study:\n  models:\n    mgu: {}\n    mgu: {}\n",
            "line 5, has the key mgu a second time in the same",
        ),
        ("model", "kind: gru\nkind: lstm\n", "line 3, has the key kind a second time in the same"),
        ("model", "kind: [gru\n", "line 3, cannot be read as YAML: expected ',' or ']'"),
    ],
)
def test_a_file_that_is_not_valid_yaml_is_named_with_its_line(
    compose: Callable[..., DictConfig], tmp_path: Path, group: str, content: str, said: str
) -> None:
    (tmp_path / group).mkdir()
    (tmp_path / group / "mine.yaml").write_text(f"# @package _global_\n{content}")
    with pytest.raises(yaml.YAMLError) as caught:
        compose(f"{'+' * (group != 'model')}{group}=mine", f"hydra.searchpath=[file://{tmp_path}]")
    assert in_words(caught.value).startswith(f"{tmp_path}/{group}/mine.yaml, {said}")


@pytest.mark.parametrize(
    "ask",
    [lambda: torch.empty(2**52), lambda: torch.empty(2**62, 2**62), lambda: np.zeros(2**48), lambda: np.arange(2**62)],
)
def test_want_of_memory_is_said_in_words(ask: Callable[[], object]) -> None:
    with pytest.raises((RuntimeError, ValueError, MemoryError)) as caught:
        ask()
    said = r"Out of memory for this config \(.*\): reduce .* sizes\."
    assert re.fullmatch(said, in_words(caught.value))


def test_instantiate_passes_objects_through_untouched() -> None:
    thing = object()
    built = instantiate({"_target_": "builtins.dict", "a": 1}, b=thing)
    assert built == {"a": 1, "b": thing}


def test_instantiate_puts_a_refusal_into_words() -> None:
    with pytest.raises(UserError, match="invalid literal"):
        instantiate({"_target_": "builtins.int"}, "x")


@pytest.mark.parametrize(
    "name", ["a=b", "a,b", "a#b", "a~b", "a b", "aü", "~a", "it's", "a(1)", "a{1}", "a\\b", "a:b", "a;b", "a%b", "a&b"]
)
def test_a_path_needs_no_quotes_of_its_own(tmp_path, monkeypatch, name):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    monkeypatch.chdir(tmp_path)
    Path(f"{name}.csv").touch()
    (override,) = OverridesParser.create().parse_overrides([quoted(f"data.path={name}.csv")])
    assert str(override.value()) == f"{name}.csv"
    assert not override.is_sweep_override()


def test_a_path_that_is_a_sweep_or_quoted_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for argument in ("data.path=a.csv,b.csv", "data.path='a b.csv'", "data.path=${paths.data_dir}/x y", "tags=a b"):
        assert quoted(argument) == argument
