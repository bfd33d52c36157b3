"""What nothing reads, and what no key may be, is refused: on a command line, in a sweep, in Python."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.flags import FLAGS
from src.config.instantiate import instantiate, plain
from src.config.own_files import LONGEST_LINE, refuse_long_lines
from src.config.rules import check
from src.config.schema import keys_of
from src.config.shell import given_twice, refuse_more_than_machine, refuse_taken_away, wrong_line
from src.config.unread import RULES, Facts, as_read, refuse_unread, unread
from src.data import CSV, Adding
from src.data.describe import Classes, Description, Features
from src.data.module import SequenceData
from src.runs.identity import identity
from src.tasks.build import check_monitors, say_unread
from src.tasks.metrics import Metric

ROOT = Path(__file__).resolve().parent.parent
Compose = Callable[..., DictConfig]
OWN = "data=csv data.path=x.csv"

UNREAD = {
    "model.chrono_steps=50": "model.initialisation=chrono",
    "model=rnn model.initialisation=chrono": "cells with a gate",
    "model=rnn model.keep_gate_bias=1.5": "cells with a gate",
    "model.budget_of=total": "a model.budget",
    "model.budget_tolerance=0.5": "a model.budget",
    "model.dropout=0.5": "networks with several layers",
    "model.residual=true": "networks with several layers",
    "data.train_steps=50": r"data read in chunks \(data.chunk\)",
    "data=seq_mnist data.permutation_seed=3": "data.permute=true",
    f"{OWN} data.task=classification data.lookback=10": "data.task=forecasting",
    f"{OWN} data.task=classification data.horizon=10": "data.task=forecasting",
    f"{OWN} data.task=regression data.season=7": "data.task=forecasting",
    f"{OWN} data.task=regression data.known=[holiday]": "data.task=forecasting",
    f"{OWN} data.task=classification data.static=size": "data.task=forecasting",
    f"{OWN} task=forecasting task.coverage=[0.9]": "a task.intervals",
    "data=npz data.path=x data.task=per_step data.lookback=10": "data.task=forecasting",
    "data=npz data.path=x data.task=forecasting data.standardise=false": "which always standardises",
    "data=wav_folder data.path=x data.task=classification data.window=30": "data.task=waveform",
    "data=wav_folder data.path=x data.task=classification data.hop=30": "data.task=waveform",
    "data=wav_folder data.path=x data.task=classification data.chunk=30": "data.task=waveform",
    "trainer.gradient_clip_val=null trainer.gradient_clip_algorithm=value": "a trainer.gradient_clip_val",
    "test=false trainer.limit_test_batches=3": "test=true",
    "logger=csv tags=[a]": "logger=wandb",
}
REFUSED = {
    "+experiment=example": r"There is no key experiment \(did you mean experiments\?\)\.",
    "+ckpt_path=X": r"There is no key ckpt_path \(did you mean ckpt\?\)\.",
    "+seed_everything=true": r"There is no key seed_everything \(did you mean seed\?\)\.",
    "+model.strngth=1": r"There is no key model\.strngth\.",
    "+model.hiden_size=1": r"There is no key model\.hiden_size \(did you mean hidden_size\?\)\.",
    "+data.by=row": "it needs data=seq_mnist",
    "+model.peepholes=true": "it needs model=lstm or model=lstm_chung",
    "+optimizer.alpha=0.5": "it needs optimizer=rmsprop",
    "+optimizer.nesterof=true": r"There is no key optimizer\.nesterof",
    "optimizer=sgd +optimizer.nesterof=true": r"\(did you mean nesterov\?\)",
    "optimizer=sgd +optimizer.nesterov=true +optimizer.dampening=0.5": "optimizer.nesterov=true needs",
    "optimizer=sgd optimizer.momentum=0 +optimizer.dampening=0.5": "optimizer.dampening needs",
    "+scheduler.gamma=0.5": "scheduler.gamma has no effect: scheduler=none has no keys",
    "+trainer.logger=true": "trainer.logger cannot be set: choose logger=wandb",
    "trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches must be a whole number of at least 1, or",
    "+trainer.acumulate_grad_batches=2": "did you mean accumulate_grad_batches",
    "+callbacks.mine=3": "callbacks.mine must be a mapping with a _target_, or null, got 3",
    "+callbacks.early_stopping.pacience=3": "did you mean patience",
    "+callbacks.lr={_target_:pytorch_lightning.callbacks.LearningRateMonitor,logging_interval:day}": "step or epoch",
    "+paths.foo=1": r"There is no key paths\.foo",
    "+logger.foo=1": r"There is no key logger\.foo",
    "+callbacks.last.foo=1": r"There is no key callbacks\.last\.foo",
    "trainer.deterministic=nonsense": "trainer.deterministic must be true or false, or warn, got nonsense",
    "trainer.precision=31": "trainer.precision must be one of 32-true",
    "trainer.devices=0": "trainer.devices must be a whole number of at least 1",
    "trainer.accelerator=abacus": "trainer.accelerator must be one of cpu, gpu",
    "trainer.max_epochs=null": "trainer.max_epochs=null would train forever",
    "trainer.max_steps=0": "trainer.max_steps must be -1, or a whole number of at least 1, got 0",
    "data.eval_batch_size=0": "data.eval_batch_size must be a whole number of at least 1",
    "data.pool=-3": "data.pool must be",
    "data.standardise=maybe": "data.standardise must be true or false, got maybe",
    "optimizer=sgd optimizer.momentum=5": "optimizer.momentum must be a number of at least 0 and below 1, got 5",
    "callbacks.early_stopping.patience=auto": "patience must be a whole number of at least 0, got auto",
    f"{OWN} data.season=-3": "data.season must be a whole number of at least 1, or null, got -3",
    f"{OWN} data.target=[load,load]": r"without repeats, or null, got \[\"load\", \"load\"\]",
    f"{OWN} data.separator=5": "data.separator must be one of comma, semicolon, tab, bar, space",
    f"{OWN} data.decimal=5": "data.decimal must be one of point, comma",
    f"{OWN} data.encoding=utf-9": "data.encoding must be an encoding",
    f"{OWN} data.splits=[0.5]": "with two or three items",
    "data=adding data.sizes=[1,2]": "with exactly three items",
    "model.batch_first=false": "model.batch_first must be true, got false",
    "model._target_=3": "model._target_ must be the name of a class, got 3",
    "ckpt=best": "There is no checkpoint best: ckpt must be auto or the path",
    f"model.hidden_size={2**62}": "model.hidden_size must be a whole number of at least 1 and at most 65536",
    "model.num_layers=10000000": "model.num_layers must be a whole number of at least 1 and at most 1000, got",
    f"data.batch_size={10**20}": r"data\.batch_size must be a whole number of at least 1, got 1\d*, which is too large",
    "optimizer.lr=1e300": r"optimizer\.lr must be a number above 0, got 1e\+300, which is too large",
    "threads=9999": "threads must be a whole number of at least 1 and at most 1024, got 9999",
    "study_job={a:1}": "study_job must be a mapping as set by a study",
    "paths.runs_dir=''": "paths.runs_dir must be non-empty text",
}


@pytest.mark.parametrize("line", UNREAD)
def test_what_nothing_reads_is_refused_where_it_is_typed_and_said_elsewhere(line: str, compose: Compose) -> None:
    cfg = compose(*line.split())
    check(cfg)
    (found,) = unread(plain(cfg))
    with pytest.raises(UserError, match=rf"{found.key}=.* has no effect here: it applies to .*{UNREAD[line]}"):
        refuse_unread([found], [found.key])
    assert refuse_unread([found], []) == [found.sentence]
    without = [override for override in line.split() if override.lstrip("+").partition("=")[0] != found.key]
    facts = {"backend": "torch", "precision": "32-true", "data_checksum": "c"}
    assert identity(plain(cfg), **facts) == identity(plain(compose(*without)), **facts)


def test_what_another_command_does_not_look_at_is_refused() -> None:
    both = unread({"run": "x", "study": "y", "split": "val", "solved_below": 0.5}, command="explain")
    assert [found.key for found in both] == ["run", "split"]
    (found,) = unread({"run": "x", "study": None, "solved_below": 0.5}, command="explain")
    assert found.sentence == "solved_below=0.5 has no effect here: it applies to study=NAME; drop it or set it to 0.1."
    with pytest.raises(UserError, match=r"paths\.data_dir has no effect on status: drop it\."):
        refuse_unread([], ["paths.data_dir"], "status")
    assert refuse_unread([], ["paths.data_dir"]) == []


def test_a_rule_is_about_a_key_of_its_command() -> None:
    from src.config.schema.arguments import OPTIMIZERS

    for command, rules in RULES.items():
        for rule in rules:
            name = rule.key.rpartition(".")[2]
            known = rule.key in keys_of(command) or name in OPTIMIZERS["SGD"]
            assert known, f"{command}: {rule.key}"


@pytest.mark.parametrize("line", REFUSED)
def test_what_was_accepted_in_silence_is_refused(line: str, compose: Compose) -> None:
    with pytest.raises(UserError, match=REFUSED[line]):
        check(compose(*line.split()))


@pytest.mark.parametrize("line", ["+mine=3 trainer.max_epochs=${mine}", "+paths.mine=/tmp data.split_seed=${seed}"])
def test_a_key_that_another_value_refers_to_is_read(line: str, compose: Compose) -> None:
    if "paths.mine" in line:
        with pytest.raises(UserError, match=r"There is no key paths\.mine"):
            check(compose(*line.split()))
        line += " paths.runs_dir=${paths.mine}"
    check(compose(*line.split()))


def test_a_config_without_anything_unread_says_nothing(compose: Compose) -> None:
    for line in (
        "",
        "model=gru_stacked model.dropout=0.5",
        "data=musedata data.train_steps=50",
        f"{OWN} data.lookback=9",
    ):
        assert not unread(plain(compose(*line.split())))


def test_what_is_read_is_in_the_identity(compose: Compose) -> None:
    facts = {"backend": "torch", "precision": "32-true", "data_checksum": "c"}

    def id_of(line: str) -> str:
        return identity(plain(compose(*line.split())), **facts)

    chrono = "model.initialisation=chrono model.chrono_steps="
    assert id_of(f"{chrono}50") != id_of(f"{chrono}60")


def test_what_the_data_leave_unread_is_known_once_they_are_read(
    compose: Compose, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = compose("task.embedding_size=32")
    real = Description(Features(12), Classes(("a", "b")), per_step=False, varying_length=True, causal=False)
    caplog.set_level("INFO")
    say_unread(cfg, real)  # of a sweep, or from a file
    assert "task.embedding_size=32 has no effect here: it applies to data of tokens" in caplog.text
    monkeypatch.setattr("src.tasks.build.typed_keys", lambda: {"task.embedding_size"})
    with pytest.raises(UserError, match=r"task\.embedding_size=32 has no effect here"):
        say_unread(cfg, real)
    facts = {"backend": "torch", "precision": "32-true", "data_checksum": "c"}
    ids = [identity(as_read(plain(c), Facts(tokens=False, forecasts=False)), **facts) for c in (cfg, compose())]
    assert ids[0] == ids[1]
    own = plain(compose(*OWN.split(), "data.lookback=9"))
    assert [found.key for found in unread(own, Facts(tokens=False, forecasts=False))] == ["data.lookback"]


@pytest.mark.parametrize(
    "line", ["++seed=1 seed=2", "+seed=1 seed=2", "~seed seed=2", "seed=1 ++seed=1", "~seed=0 seed=1"]
)
def test_no_sign_hides_that_a_key_is_given_twice(line: str) -> None:
    assert given_twice(line.split()) == "seed"


@pytest.mark.parametrize("argument", ["--seed=3", "-model=gru", "--model", "-x"])
def test_a_key_with_dashes_is_no_option(argument: str) -> None:
    assert f"Unknown option {argument}: keys are given without dashes" in str(wrong_line([argument, "gru"]))


def test_the_options_are_those_of_hydra() -> None:
    options = {option for action in get_args_parser()._actions for option in action.option_strings}
    assert options == {*FLAGS}


@pytest.mark.parametrize("line", ["~seed", "~threads=1", "~model", "~logger"])
def test_a_key_that_every_run_has_is_not_taken_away(line: str) -> None:
    key = line[1:].partition("=")[0]
    assert wrong_line([line]) == f"~{key} removes a key that every run needs: give it a value instead, {key}=VALUE."


def test_a_key_is_taken_away_from_a_class_of_the_users_own_alone(compose: Compose) -> None:
    keys = keys_of()
    for key in ("model.bias", "trainer.deterministic", "task.dropout", "data.batch_size"):
        with pytest.raises(UserError, match=rf"~{key} removes a key that every run needs"):
            refuse_taken_away(compose(f"~{key}"), [f"~{key}"], keys)
    for line in ("model._target_=their.Mean ~model.bias", "~callbacks.early_stopping"):
        refuse_taken_away(compose(*line.split()), line.split(), keys)


@pytest.mark.parametrize(
    "line",
    [
        *("~callbacks.early_stopping", "~data.chunk", "+callbacks.mine=null", "-m", "model=gru,lstm"),
        *("experiments=glob(*)", "model=their/net"),
    ],
)
def test_what_may_be_said_is_not_refused(line: str) -> None:
    assert wrong_line([line]) is None


@pytest.mark.parametrize("line", ["paths=[1,2,3]", "model=[gru]", "logger=''", "++model=gru", "optimizer={lr:1}"])
def test_a_choice_is_a_word(line: str) -> None:
    assert "must name a file in conf/" in str(wrong_line([line]))


def test_more_threads_than_cores_are_no_fault_but_thousands_are() -> None:
    refuse_more_than_machine(OmegaConf.create({"threads": 64, "data": {"num_workers": 64}}))
    for key, cfg in {
        "threads": {"threads": 1024},
        "data.num_workers": {"data": {"num_workers": 3000}},
        "trainer.devices": {"trainer": {"devices": 1000}},
    }.items():
        with pytest.raises(UserError, match=rf"{key} must be at most \d+ on this machine, which has \d+ cores?, got"):
            refuse_more_than_machine(OmegaConf.create(cfg))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: CSV(path="x.csv", lookback=0), "data.lookback must be a whole number of at least 1, got 0"),
        (lambda: CSV(path="x.csv", season=-3), "data.season must be a whole number of at least 1, or null, got -3"),
        (lambda: CSV(path="x.csv", missing="drop"), "data.missing must be refuse or before, got drop"),
        (lambda: CSV(path="x.csv", day_first="maybe"), "data.day_first must be true or false, or null, got maybe"),
        (lambda: CSV(path="x.csv", eval_batch_size=0), "data.eval_batch_size must be a whole number of at least 1"),
        (lambda: CSV(path="x.csv", target=["a", "a"]), "without repeats"),
        (lambda: Adding(length=2.5), "data.length must be a whole number of at least 1, got 2.5"),
        (lambda: Metric("mine", "up"), "The direction of the metric mine must be min or max, got up"),  # type: ignore[arg-type]
    ],
)
def test_python_refuses_what_a_config_cannot_say(build: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        build()


def test_python_may_give_what_a_config_has_no_words_for() -> None:
    assert CSV(path=str(Path("x.csv")), splits=(0.7, 0.15, 0.15)).lookback == 48
    assert Adding(sizes=(4, 2, 2)).description.per_step is False


class Theirs(SequenceData):
    """A data set of somebody's own."""

    def __init__(self, length: str, **keywords: object) -> None:
        super().__init__(**keywords)  # type: ignore[arg-type]
        self.length = length


def test_a_class_of_the_users_own_takes_what_it_likes_but_for_what_all_have() -> None:
    assert Theirs(length="long").length == "long"
    with pytest.raises(UserError, match=r"data\.pool must be"):
        Theirs(length="long", pool=-3)


class Net:
    """Something to be built."""

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength


class Needs:
    """Something that needs a value."""

    def __init__(self, strength: float) -> None:
        self.strength = strength


def test_an_argument_that_a_class_does_not_have_is_said_with_the_one_that_was_meant() -> None:
    here = f"{__name__}.Net"
    with pytest.raises(UserError) as caught:
        instantiate({"_target_": here, "strngth": 1})
    assert str(caught.value) == f"{here} has no argument strngth (did you mean strength?); it has strength."
    with pytest.raises(UserError, match=r"Needs needs a value for strength\."):
        instantiate({"_target_": f"{__name__}.Needs"})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("task.monitor=val/zzz", r"task\.monitor must be one of val/loss, val/nll, val/acc.*, got val/zzz"),
        ("task.mode=max", r"task\.mode must be min for val/loss, got max"),
        ("task.monitor=val/acc", r"task\.mode must be max for val/acc, got min"),
        ("callbacks.early_stopping.monitor=val/zzz", r"callbacks\.early_stopping\.monitor must be one of"),
        ("callbacks.early_stopping.mode=max", r"callbacks\.early_stopping\.mode must be min for val/loss"),
    ],
)
def test_a_metric_that_there_is_not_and_a_wrong_side_are_refused_before_training(
    line: str, words: str, compose: Compose
) -> None:
    from src.tasks.build import build_task

    cfg = compose(line)
    data = Description(Features(12), Classes(("a", "b")), per_step=False, varying_length=True, causal=False)
    with pytest.raises(UserError, match=words):
        check_monitors(cfg, build_task(cfg, data))


def test_a_line_that_is_too_long_is_found_wherever_it_stands(tmp_path: Path) -> None:
    usual = b"a,b\n" + b"1,2\n" * 500_000 + b"3" * (LONGEST_LINE - 10) + b"\r\n" + b"1,2\r\n" * 1000
    (tmp_path / "usual.csv").write_bytes(usual)
    refuse_long_lines(tmp_path / "usual.csv")
    for place in (0, 4, len(usual)):
        (tmp_path / "long.csv").write_bytes(usual[:place] + b"1" * (2 * LONGEST_LINE) + usual[place:])
        with pytest.raises(UserError, match=r"long\.csv has a line of more than 4,194,304 bytes: a table must have"):
            refuse_long_lines(tmp_path / "long.csv")


@pytest.mark.parametrize("line", ["threads=9999", f"{OWN} data.target=b"])
def test_what_would_take_for_ever_ends_in_a_sentence_at_once(line: str, tmp_path: Path) -> None:
    with open(tmp_path / "x.csv", "wb") as file:
        file.write(b"a,b\n" + b"1," * 25_000_000 + b"\n")
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, str(ROOT / "gatebench.py"), "train", *line.split(), "logger=csv"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert time.monotonic() - begun < 15  # two seconds on a machine that does nothing else
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith(("threads must be", "x.csv has a line of more than"))


def test_a_data_set_that_there_is_not_cannot_be_prepared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from src.prepare import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["prepare", "data=nope"])
    with pytest.raises(SystemExit):
        main()
    assert "There is no data=nope" in capsys.readouterr().err


def test_a_group_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from src.evaluate import main

    monkeypatch.chdir(tmp_path)
    for line, words in (
        ("run=x +foo=1", "There is no key foo, and no value refers to it"),
        ("run=x threads=0", "threads must be"),
    ):
        monkeypatch.setattr(sys, "argv", ["evaluate", *line.split()])
        with pytest.raises(SystemExit):
            main()
        assert words in capsys.readouterr().err


def test_a_further_process_of_a_run_takes_the_config_that_the_first_has_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cfg = OmegaConf.create({"seed": 0, "mine": 3})
    with pytest.raises(UserError, match="There is no key mine"):
        check(cfg)
    monkeypatch.setenv("LOCAL_RANK", "1")
    check(cfg)
