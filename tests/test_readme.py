"""Every command that a reader would copy from README.md runs (`make` itself excepted), on one epoch."""

import re
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import gatebench

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
LINES = [line.partition(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
COMMANDS = [line for line in LINES if line.startswith(("python -m ", "gatebench "))]
ROAD = [command for command in COMMANDS if "gestures" in command]


@pytest.fixture
def workplace(tmp_path: Path, places: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    return tmp_path


def run(command: str, monkeypatch: pytest.MonkeyPatch, epochs: int = 1) -> None:
    program, *words = shlex.split(command)
    module, *arguments = [f"src.{words[0]}", *words[1:]] if program == "gatebench" else words[1:]
    if module == "src.train":
        arguments += [f"trainer.max_epochs={epochs}", "trainer.enable_progress_bar=false"]
    if program == "gatebench":
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setenv("PYTHONSAFEPATH", "")
        monkeypatch.setattr(sys, "argv", [program, words[0], *arguments])
        gatebench.main()
    else:
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        import_module(module).main()


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 8
    assert all(line.startswith(("python -m src.", "gatebench", "make ")) for line in LINES)


def reads(command: str) -> bool:
    """Whether a command looks at what another has made."""
    return "run=runs/latest" in command or "study=smoke" in command or command in ROAD


@pytest.mark.parametrize("command", [c for c in COMMANDS if not reads(c)])
def test_a_command_of_the_readme_runs(command: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(command, monkeypatch)
    assert list((workplace / "runs").rglob("result.json"))


def test_the_commands_that_read_a_run_do(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("python -m src.train logger=csv", monkeypatch)
    run("python -m src.train -m experiments=smoke logger=csv", monkeypatch)
    for command in COMMANDS:
        if reads(command) and command not in ROAD:
            run(command, monkeypatch)


def test_the_road_of_the_readme_leads_where_it_says(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Train, compare, predict, and the same from Python; the outputs that stand there are of the same form."""
    page, own = (ROOT / "README.md").read_text(), (ROOT / "docs" / "own_data.md").read_text()
    exec(re.findall(r"```python\n(.*?)```", own, re.DOTALL)[0], {})
    assert [command.split()[1] for command in ROAD] == ["train", "compare", "predict"]
    for command in ROAD:
        run(command, monkeypatch, epochs=3)
    said = capsys.readouterr().out
    for line in (
        "gestures.csv: data.task=classification was inferred, because gesture has no numbers",
        "gestures: no verdict; 3 pairs are complete, and 6 are needed;",
        "parameters s to best",
        "gestures.csv: 60 sequences, 60 lines in classes.csv",
        "table.tex, sentence.txt, report.html",
    ):
        assert line in said
        assert line in page
    head = "sequence,class,p(left),p(right),true,nll"
    assert (workplace / "classes.csv").read_text().splitlines()[0] == head
    assert head in page
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(python.replace("budget=20000", "budget=20000, epochs=1"), names)
    assert names["run"].model == "lstm"


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for page in ROOT.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_promise_names_a_test_that_there_is() -> None:
    promises = re.findall(r"^\| .+ \| `(tests/\S+\.py)::(\w+)` \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(promises) >= 15
    assert (ROOT / "README.md").read_text().count("::test_") == len(promises)
    for file, name in promises:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"
