"""README.md shows what its commands print; every guarantee of docs/guarantees.md names a test that there is."""

import re
import shlex
import sys
from pathlib import Path

import pytest

import gatebench

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_train_compare_and_predict_print_what_the_page_shows(
    tmp_path: Path, places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    quickstart = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    exec(re.findall(r"```python\n(.*?)```", quickstart, re.DOTALL)[0], {})
    block = next(b for b in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) if "predict" in b)
    commands = [shlex.split(line) for line in block.splitlines()]
    assert [words[1] for words in commands] == ["train", "compare", "predict"]
    short = {"train": ["trainer.max_epochs=2", "trainer.enable_progress_bar=false"], "compare": ["report=false"]}
    for words in commands:
        monkeypatch.setattr(sys, "argv", [*words, *short.get(words[1], [])])
        gatebench.main()
    said = " ".join(capsys.readouterr().out.split())
    for block in re.findall(r"```text\n(gestures.*?)```", README, re.DOTALL):
        for line in block.partition("; gru was")[0].strip().splitlines():
            assert " ".join(line.split()) in said
    head = "sequence,class,p(left),p(right),true,nll"
    assert (tmp_path / "classes.csv").read_text().splitlines()[0] == head
    assert head in README


def test_every_guarantee_names_a_test_that_there_is() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| .+ \| `(tests/\S+\.py)::(\w+)` \|$", page, re.MULTILINE)
    assert len(named) >= 25
    assert page.count("::test_") == len(named)
    for file, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"
