"""Records are dataclasses: outside ``src/runs/`` nobody reaches into one by strings, or parses its file."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"

# All of the package is looked through but for the folder that reads and writes records.
NAMES = {"record", "result", "earlier", "study", "study_job", "plan", "planned", "job"}  # what records are called
FILES = ("result.json", "study.json", "planned.json")
PARSERS = {"parse_study"}  # who has them may read plain JSON and hand it over


def called(node: ast.expr) -> str:
    """The last name of an expression: ``record`` of ``run.record``, ``records[0]`` or ``(record or {})``."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case ast.BoolOp(values=[first, *_]):
            return called(first)
        case ast.Call(func=function):
            return called(function).removeprefix("read_").removesuffix("_dict")
        case ast.Subscript(value=value):
            return called(value).removesuffix("s")
    return ""


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def reached_into(source: str) -> set[int]:
    """The lines at which a record is indexed by a string, or a record's file is parsed and stays plain JSON."""
    lines, tree = set(), ast.parse(source)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=key) if is_text(key) and called(value) in NAMES:
                lines.add(node.lineno)
            case ast.Call(func=ast.Attribute(value=value, attr="get" | "setdefault" | "pop"), args=[key, *_]):
                if is_text(key) and called(value) in NAMES:
                    lines.add(node.lineno)
            case ast.Call(func=ast.Attribute(attr="load" | "loads"), args=[argument, *_]) if not imported & PARSERS:
                if any(str(n.value).endswith(FILES) for n in ast.walk(argument) if isinstance(n, ast.Constant)):
                    lines.add(node.lineno)
    return lines


def files() -> list[Path]:
    return [file for file in sorted(SRC.rglob("*.py")) if file.relative_to(SRC).parts[0] != "runs"]


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(SRC)))
def test_nobody_reaches_into_a_record_by_strings(file: Path) -> None:
    assert not reached_into(file.read_text())


@pytest.mark.parametrize(
    "line",
    [
        'record["status"]',
        'run.record["metrics"]["test/acc"]',
        '(record or {}).get("best")',
        'read_record(place)["status"]',
        'records[0]["identity"]',
        'study.get("plan")',
        'record.setdefault("started", 0)',
        'json.loads((place / "result.json").read_text())',
        'json.load(open(f"{place}/study.json"))',
        'yaml.load((place / "planned.json").read_text())',
    ],
)
def test_a_string_that_reaches_into_a_record_is_seen(line: str) -> None:
    assert reached_into(line) == {1}


@pytest.mark.parametrize(
    "line",
    [
        'record.metrics["test/acc"]',
        'record.choices.get("data")',
        'facts["status"]',
        'json.loads((place / "pack.json").read_text())',
        "record[0]",
        'read_record(place).hardware["cpu"]',
    ],
)
def test_what_is_no_record_is_left_alone(line: str) -> None:
    assert reached_into(line) == set()
