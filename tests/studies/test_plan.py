"""What a plan may say, and the sentence where it says something else."""

import copy
from typing import Any

import pytest
from omegaconf import OmegaConf

from src.config.errors import UserError
from src.runs.study_record import LogUniform
from src.studies.plan import read_plan
from tests.studies.conftest import PLAN


def test_a_plan_is_read_with_its_defaults() -> None:
    plan = read_plan(OmegaConf.create(PLAN), {"trainer.max_steps": 5})
    assert plan.tuning is not None
    assert plan.tuning.draws == {"optimizer.lr": LogUniform(1e-4, 1e-1, 6)}
    assert (plan.tuning.first_seed, plan.tuning.extensions, plan.tolerance) == (1000, 2, 0.02)
    assert plan.primary is not None
    assert plan.primary.models == ("gru", "lstm")
    assert plan.settings_of("lstm", "ucr", "main") == {
        "model": "lstm", "data": "ucr", "trainer.max_epochs": 2, "logger": "csv", "model.hidden_size": 16,
        "trainer.max_steps": 5, "task.monitor": "val/nll", "task.mode": "min",
    }  # fmt: skip


def test_the_hash_is_of_what_is_fixed_as_it_was_written() -> None:
    whole = read_plan(PLAN)
    assert read_plan({**PLAN, "only": {"data": ["ucr"]}}).hash == whole.hash
    assert read_plan(PLAN, {"trainer.max_steps": 5}).hash != whole.hash
    margins = {read_plan({**PLAN, "primary": {**PLAN["primary"], "margin": margin}}).hash for margin in (1, 1.0)}
    assert len(margins) == 2


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tunning", {}, r"study\.tunning is not a key of a study \(did you mean tuning\?\)\."),
        ("tuning.repeat.bets", 1, r"study\.tuning\.repeat\.bets is not a key of a study \(did you mean best\?\)\."),
        ("only.models", ["gru"], r"study\.only\.models is not a key of a study\."),
        ("name", None, r"study\.name must be a valid string, got null\."),
        ("models", ["gru", "lstm"], r'study\.models must be a valid dictionary, got \["gru", "lstm"\]\.'),
        *[
            ("name", name, r"(?s)study\.name.* must be a folder name")
            for name in ("../../evil", "/tmp/evil", "..", ".hidden", "a/b", "a b", "", "x\n", "a\\b", "x" * 300)
        ],
        ("arms", {"../sgd": {}}, r"study\.arms has '\.\./sgd', which is not a valid name"),
        ("data", {"/etc/ucr": {}}, r"study\.data has '/etc/ucr', which is not a valid name"),
        ("models.gru", {"paths.run_dir": "/tmp/one"}, r"paths\.run_dir cannot be set in a study"),
        ("settings", {"hydra.sweep.dir": "/tmp/one"}, r"hydra\.sweep\.dir cannot be set in a study"),
        ("settings", {"seed": 3}, r"seed cannot be set in a study"),
        ("settings", {"++paths.run_dir": "/tmp/one"}, r"paths\.run_dir cannot be set in a study"),
        ("settings", {"++hydra.sweep.dir": "/tmp/one"}, r"hydra\.sweep\.dir cannot be set in a study"),
        ("settings", {"optimizer.lr": 0.1}, r"set in a study that tunes it, which would replace the value"),
        ("models.gru", {"++optimizer.lr": 0.1}, r"optimizer\.lr is set in a study that tunes it"),
        ("pairs", "many", r"study\.pairs must be a valid integer, got many\."),
        ("pairs", 0, r"study\.pairs must be at least 1 for ucr, got 0\."),
        ("pairs", 1001, r"study\.tuning\.first_seed=1000 would let final runs reuse seeds .* at least 1001\."),
        ("tolerance", "none", r"study\.tolerance must be a valid number, got none\."),
        ("primary.models", ["gru"], r"study\.primary\.models must be two of gru, lstm, got \['gru'\]\."),
        ("primary.models", ["gru", "rnn"], r"models must be two of gru, lstm, got \['gru', 'rnn'\]\."),
        ("primary.margin", 0, r"study\.primary must have a metric for ucr, such as test/nll, and a margin above 0"),
        ("looks", [2, 2, 3], r"study\.looks must be increasing numbers of pairs for ucr, .* got \[2, 2, 3\]\."),
        ("looks", [2], r"study\.looks must be .* for ucr, from at least 3 to 3, got \[2\]\."),
        ("resplits", 4, r"study\.resplits must be null or at least 5, with study\.looks=null, got 4\."),
        ("looks", [2.5, 3], r"study\.looks must be a valid integer, got \[2\.5, 3\]\."),
        ("primary.metric", {"adding": "test/mse"}, r"study\.primary must have a metric for ucr"),
        *[
            (key, {"ucrr": value, "default": value}, rf"study\.{key} names ucrr, .*: choose from ucr and default\.")
            for key, value in (
                ("pairs", 3), ("looks", [3]), ("primary.metric", "test/nll"), ("primary.margin", 0.02)
            )
        ],
        ("only.arms", ["sgd"], r"study\.only names sgd, which the study does not have: choose from main\."),
        *[
            ("tuning.draws", {"optimizer.lr": draw}, r"study\.tuning\.draws\.optimizer\.lr must be a list of values or")
            for draw in (5, {"low": 1e-4, "hi": 1e-1, "number": 3}, {"low": 0, "high": 1, "number": 3}, {"number": 2})
        ],
    ],
)  # fmt: skip
def test_what_a_plan_cannot_say_is_refused(key: str, value: Any, words: str) -> None:
    node = copy.deepcopy({**PLAN, "only": {}})
    *path, last = key.split(".")
    place = node
    for name in path:
        place = place[name]
    place[last] = value
    with pytest.raises(UserError, match=words):
        read_plan(node)


@pytest.mark.parametrize("key", ["name", "question", "models", "data", "primary"])
def test_what_a_plan_must_say(key: str) -> None:
    with pytest.raises(UserError, match=rf"study\.{key} is missing: add it to the study\."):
        read_plan({name: value for name, value in PLAN.items() if name != key})


def test_an_interpolation_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(UserError, match=r"The study cannot be read: Interpolation key 'nothing' not found"):
        read_plan({**PLAN, "question": "${nothing}"})


def test_a_look_below_six_pairs_is_refused_where_there_are_six() -> None:
    with pytest.raises(UserError, match=r"study\.looks must be .* for ucr, from at least 6"):
        read_plan({**PLAN, "pairs": 10, "looks": [5, 10]})
    assert read_plan({**PLAN, "pairs": 10, "looks": [6, 10]}).looks_of("ucr") == [6, 10]


def test_a_plan_without_margin_needs_tuning_to_make_one_from() -> None:
    open_margin = {**PLAN, "primary": {"models": ["gru", "lstm"], "metric": "test/nll"}}
    assert read_plan(open_margin).primary is not None
    with pytest.raises(UserError, match=r"study\.primary\.margin is missing for ucr: only a study with tuning can"):
        read_plan({**open_margin, "tuning": None})


def test_jobs_choose_by_the_twin_of_the_primary_metric_unless_the_plan_says_otherwise() -> None:
    def monitor(**changes: Any) -> tuple[Any, Any]:
        settings = read_plan({**PLAN, **changes}).settings_of("gru", "ucr", "main")
        return settings.get("task.monitor"), settings.get("task.mode")

    accuracy = {**PLAN["primary"], "metric": "test/acc"}
    assert monitor(primary=accuracy) == ("val/acc", "max")
    assert monitor(primary=accuracy, data={"ucr": {"task.monitor": "val/f1"}}) == ("val/f1", None)
    assert monitor(primary={**PLAN["primary"], "metric": "test/mine"}) == (None, None)
