"""What a stranger's record, config or folder calls something is shown as it is, never read as markup."""

import ast
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from src.config.screen import UNPRINTABLE, screen
from src.explaining.outputs import print_summary
from src.reporting.terminal import show
from src.studies.progress import Progress, Row, table
from src.train import main
from src.training.outcome import print_metrics
from tests.analysis.rich import rich_summary

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("[/b]", "[red]x", ":smile:", "\\[b]")


def of_metrics(name: str) -> None:
    print_metrics({f"test/{name}": 1.0}, {f"{name}/nll": 1.0}, name)


def of_layers(name: str) -> None:
    layer = SimpleNamespace(name=name, kept=None, horizon=None, median=[], reach=0, saturation={})
    views = {"trained": SimpleNamespace(difference=0.0)}
    print_summary([SimpleNamespace(label=name, layers=[(layer, layer)], views=views)])  # type: ignore[list-item]


def of_a_study(name: str) -> None:
    screen().print(table(Progress(name, {(name, "main", name): Row()})))
    screen().print(table(Progress(name)))


def of_an_answer(name: str) -> None:
    summary = rich_summary()
    first = summary.tasks[0]
    models = [replace(model, model=name) for model in first.models]
    comparisons = [replace(comparison, a=name, b=name) for comparison in first.comparisons]
    show(replace(summary, tasks=[replace(first, data=name, models=models, comparisons=comparisons)]), [])


@pytest.mark.parametrize(("shown", "times"), [(of_metrics, 3), (of_layers, 2), (of_a_study, 4), (of_an_answer, 6)])
@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_markup(
    shown: Callable[[str], None],
    times: int,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown(name)
    assert capsys.readouterr().out.count(name) >= times


@pytest.mark.parametrize(("shown", "times"), [(of_metrics, 3), (of_layers, 2), (of_a_study, 4), (of_an_answer, 6)])
def test_names_give_the_terminal_no_orders(
    shown: Callable[[str], None],
    times: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown("\x1b]52;c;eA==\x07\x1b[2Jx\u202e")
    said = capsys.readouterr().out
    assert said.count(r"\x1b]52;c;eA==\x07\x1b[2Jx\u202e") >= times
    assert not UNPRINTABLE.search(said)


def test_what_is_logged_or_refused_gives_none_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{k % 7},{k % 3},{k % 5}x\n" for k in range(300))
    (tmp_path / "a.csv").write_text(f"load,oil,\x1b[31mred\n{rows}")
    asked = (
        "data=csv",
        "data.path=a.csv",
        "logger=csv",
        "trainer.max_epochs=1",
        "model.hidden_size=2",
        "data.season=7",
    )
    for more, way in ((), "out"), (("data.target=\x1b[2J",), "err"):
        monkeypatch.setattr(sys, "argv", ["train", *asked, *more, "trainer.enable_progress_bar=false"])
        with pytest.raises(SystemExit) if more else nullcontext():
            main()
        said = getattr(capsys.readouterr(), way)
        assert r"\x1b[" in said
        assert not UNPRINTABLE.search(said)


def test_nothing_in_src_makes_a_console_of_its_own() -> None:
    """Whose markup would be on."""
    makers = {"Console", "get_console", "print", "print_json", "inspect", "Prompt", "render"}
    own = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "src").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] == "rich"
        and makers & {alias.name for alias in node.names}
    ]
    # Once for the type, once for the call.
    assert own == ["src/config/screen.py"] * 2
