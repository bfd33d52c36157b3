"""The command: a trained run goes on from its test set, the same twice, another way with another seed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.config.errors import UserError
from src.generate import generate, main
from src.train import train

Compose = Callable[..., DictConfig]


@pytest.fixture
def text(quick: Compose, tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("the cat sat on the mat. " * 40)
    run = tmp_path / "runs" / "text"
    train(quick("data=text", f"data.path={tmp_path / 'a.txt'}", "data.chunk=16", "data.batch_size=2",
                "trainer.max_epochs=1", f"paths.run_dir={run}"))  # fmt: skip
    return run


def test_a_text_goes_on_from_its_start(text: Path, compose: Compose) -> None:
    def written(*overrides: str) -> str:
        (file,) = generate(compose(f"run={text}", "prime=10", "steps=50", *overrides, config_name="generate"))
        assert file.parent == text / "generated"
        return file.read_text()

    first = written()
    assert len(first) == 60
    assert set(first) <= set("the cat sat on the mat. ")
    assert first[:10] in "the cat sat on the mat. " * 3
    assert written() == first
    assert written("seed=1") != first
    assert written("seed=1")[:10] == first[:10]


@pytest.mark.parametrize(("overrides", "words"), [
    (("sequence=1",), r"sequence must be from 0 to 0 in the test split of this run, got 1\."),
    (("prime=500",), r"prime must be from 1 to"),
    (("ckpt=worst",), r"There is no checkpoint .*worst\.ckpt"),
])  # fmt: skip
def test_what_is_not_there_is_said(text: Path, compose: Compose, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        generate(compose(f"run={text}", *overrides, config_name="generate"))


@pytest.mark.parametrize(("override", "words"), [
    ("temperature=0", "temperature must be a number above 0, got 0."),
    ("top_p=1.5", "top_p must be a number above 0 and at most 1, got 1.5."),
    ("steps=0", "steps must be a whole number of at least 1, got 0."),
])  # fmt: skip
def test_impossible_values_are_said_at_once(
    override: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["generate", "run=nowhere", override])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.strip() == words


def test_a_task_that_cannot_generate_says_so(quick: Compose, compose: Compose, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "vowels"
    train(quick("trainer.max_epochs=1", f"paths.run_dir={run}"))
    with pytest.raises(UserError, match="SequenceClassification cannot generate"):
        generate(compose(f"run={run}", config_name="generate"))
