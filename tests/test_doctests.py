"""Examples in docstrings run with the tests (pytest --doctest-modules); none is only a comment."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_COMMENTS = ("benchmarks", "hydra_plugins", "src")
FILES = [file for room in WITHOUT_COMMENTS for file in sorted((ROOT / room).rglob("*.py"))]
BLOCKS = {
    f"{page.name}-{number}": block
    for page in sorted((ROOT / "docs").glob("*.md"))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
}


def comments(source: str) -> list[str]:
    """The examples of a file's docstrings that nothing runs."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [ast.get_docstring(n) or "" for n in ast.walk(ast.parse(source)) if isinstance(n, documented)]
    return re.findall(r"^\s*>>>\s*(#.*)", "\n".join(docstrings), re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_example_is_only_a_comment(file: Path) -> None:
    assert comments(file.read_text()) == [], f"{file}: an example runs, or goes"


def test_a_comment_is_seen() -> None:
    source = 'def f():\n    """Do.\n\n    >>> # f()\n    >>> 1 + 1  # f()\n    2\n    """\n'
    assert comments(source) == ["# f()"]


def test_the_tests_run_the_examples(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("doctestmodules")
    assert {"src", "benchmarks", "hydra_plugins"} <= set(pytestconfig.getini("testpaths"))


@pytest.mark.parametrize("name", BLOCKS)
def test_python_in_the_documentation_is_python(name: str) -> None:
    compile(BLOCKS[name], name, "exec")


def test_a_picture_is_drawn_as_the_report_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = (block for name, block in BLOCKS.items() if name.startswith("report.md"))
    exec(block, {})
    assert (tmp_path / "figures" / "mine.png").is_file()
