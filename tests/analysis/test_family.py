"""The primary verdicts of many data sets as one family, beside the single ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.collect import Collection
from src.analysis.family import familywise
from src.analysis.run import Run
from src.analysis.summary import Summary
from src.compare import compare
from src.config.errors import UserError
from src.reporting.page.pictures import pictures
from src.reporting.report import render
from src.statistics.looks import planned_looks

SHIFTS = {"clear": 0.5, "barely": 0.085, "close": 0.0, "open": 0.05}


def summary_of(models: tuple[str, ...] = ("gru", "lstm"), pairs: int = 10, familywise: bool = True) -> Summary:
    """On ``clear`` gru is far better; on ``barely`` it is with p = 0.017; they are the same on ``close``."""
    noise = np.random.default_rng(3).normal(0, 1, pairs)
    noise = 0.045 * (noise - noise.mean()) / noise.std(ddof=1)
    collection = Collection("many", "runs", ["many"])
    for data, shift in SHIFTS.items():
        for seed in range(pairs):
            for place, model in enumerate(models):
                value = 1.0 + place * (shift + noise[seed] * (0.3 if data in ("clear", "close") else 1.0))
                run = Run(f"{data}{model}{seed}", seed, "finished", model=model, data_name=data)
                run.metrics = {"test/mse": value}
                collection.runs.append(run)
    return summarise(collection, asked(collection, margin=0.05, familywise=familywise))


def outcomes(summary: Summary) -> dict[str, tuple[str, str | None]]:
    verdicts = {task.data: task.comparisons[0].verdict for task in summary.tasks}
    return {data: (v.outcome, v.familywise) for data, v in verdicts.items() if v is not None}


def test_a_verdict_that_is_barely_one_does_not_stand_among_four() -> None:
    assert outcomes(summary_of()) == {
        "barely": ("better", "undecided"),
        "clear": ("better", "better"),
        "close": ("same", "same"),
        "open": ("undecided", "undecided"),
    }
    assert set(outcomes(summary_of(familywise=False)).values()) >= {("better", None), ("same", None)}


def test_it_is_said_beside_the_single_verdicts_and_made_again() -> None:
    summary = summary_of()
    (sentence,) = summary.beside_the_verdicts()
    assert sentence == (
        "All 4 verdicts together, with at most a 5 % probability that any is wrong (Holm): barely: undecided; clear:"
        " gru better; close: practically the same; open: undecided."
    )
    page = render(summary, pictures(summary), {})
    assert sentence in page
    assert "at a joint error rate of 5 % over all primary verdicts (Holm)" in page
    assert summary.commands[-1]["command"].endswith("familywise=true")
    assert summary_of(familywise=False).beside_the_verdicts() == []


def test_a_verdict_of_an_early_look_must_stand_at_the_levels_of_that_look() -> None:
    """At the first of two looks the same p is not enough."""
    tasks = summary_of().tasks
    looks = planned_looks((10, 100))
    early = []
    for task in tasks:
        (c,) = task.comparisons
        assert c.verdict is not None
        verdict = replace(c.verdict, look=looks[0], p_same=1e-3)
        early.append(replace(task, comparisons=[replace(c, verdict=verdict)]))
    stands = familywise(early, dict.fromkeys(SHIFTS, looks))
    by_data = {task.data: task.comparisons[0].verdict for task in stands}
    assert (by_data["close"] and by_data["close"].familywise) == "undecided"


def test_no_spread_no_p_but_ten_signs() -> None:
    """Ten equal differences have no t; their signs alone have p = 0.001, enough among four."""
    summary = summary_of()
    barely, *others = summary.tasks
    (c,) = barely.comparisons
    assert c.verdict is not None
    alike = replace(barely, comparisons=[replace(c, verdict=replace(c.verdict, p_better=None))])
    judged = familywise([alike, *others], {})[0].comparisons[0].verdict
    assert judged is not None
    assert judged.familywise == "better"


def test_a_family_needs_a_primary_comparison() -> None:
    with pytest.raises(UserError, match=r"needs a primary comparison: add models='\[A,B\]'"):
        summary_of(("gru", "lstm", "rnn"))


def test_the_command_has_it(
    compose: Callable[..., DictConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "theirs.csv"
    lines = [f"{m},{d},{s},0.{9 - (m == 'b')}{s}\n" for d in "de" for m in "ab" for s in range(6)]
    table.write_text("".join(["model,data,seed,accuracy\n", *lines]))
    compare(compose(f"from={table}", "margin=0.01", "familywise=true", "report=false", config_name="compare"))
    assert "Both verdicts together" in " ".join(capsys.readouterr().out.split())
