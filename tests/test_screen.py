"""What a stranger's record, config or folder calls something is shown as it is, never read as markup."""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from src.config.screen import screen
from src.explaining.outputs import print_summary
from src.reporting.terminal import show
from src.studies.progress import Progress, Row, table
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
