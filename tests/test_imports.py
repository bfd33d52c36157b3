"""The arrows of ARCHITECTURE.md: an import that runs up fails."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# Floors from the ground; a module may import its own room and the floors below it.
FLOORS: list[dict[str, str]] = [
    {
        **{"recurrent": "", "statistics": "", "config": "", "rng": "", "measuring": "", "figures": ""},
        **{"files": "config", "arrays": "config"},
    },
    {"data": "config rng files arrays"},
    {"tasks": "recurrent measuring data config rng files"},
    {
        "exporting": "tasks recurrent data config rng files",
        "inside": "tasks recurrent data config rng files",
        "generating": "tasks figures recurrent data config rng files",
    },
    {"runs": "tasks data recurrent config rng files arrays"},
    {
        "analysis": "statistics runs tasks config files arrays",
        "explaining": "inside figures runs tasks data recurrent config rng files arrays",
        "training": "runs tasks data recurrent config rng files",
    },
    {
        "reporting": "analysis statistics figures runs config files",
        "studies": "training statistics runs tasks data recurrent config rng files",
    },
    {
        "train": "training runs tasks data config",
        "evaluate": "training runs tasks data config",
        "predict": "training runs tasks data config files",
        "prepare": "data config",
        "compare": "reporting analysis config files",
        "dashboard": "reporting runs training config files",
        "status": "studies config",
        "verify": "training analysis runs config",
        "new": "tasks data config files",
        "export": "exporting runs recurrent data config files",
        "generate": "generating runs config rng files",
        "explain": "explaining runs config files",
    },
    {
        "answering": "train reporting studies analysis exporting measuring statistics runs tasks data recurrent config "
        "files rng"
    },
    {"answer": "answering data config"},
    {"api": "train predict evaluate explain answer answering reporting runs tasks data config files"},
]
ALLOWED = {room: {room, *below.split()} for floor in FLOORS for room, below in floor.items()}
# Third-party packages that a room must not know.
FORBIDDEN = {
    "recurrent": {"pytorch_lightning", "hydra", "omegaconf", "wandb", "torchmetrics"},
    "data": {"hydra", "wandb", "torchmetrics"},
    "tasks": {"hydra", "wandb"},
    "statistics": {"torch", "pytorch_lightning", "hydra", "omegaconf", "wandb", "pandas", "matplotlib", "plotly"},
    "config": {"torch", "pytorch_lightning", "wandb"},
    "rng": {"pytorch_lightning", "hydra", "wandb"},
}
FILES = sorted(SRC.rglob("*.py"))
WITHOUT_CIRCLES = ("benchmarks", "src")


def imported(file: Path) -> set[str]:
    """Dotted names that a file imports, relative ones made absolute."""
    package = file.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            found.add(".".join(part for part in (base, node.module or "") if part))
    return found


def room_of(file: Path) -> str:
    parts = file.relative_to(SRC).parts
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", [f for f in FILES if f != SRC / "__init__.py"], ids=lambda f: str(f.relative_to(SRC)))
def test_imports_run_down(file: Path) -> None:
    room = room_of(file)
    assert room in ALLOWED, f"{room} has no floor yet: say in ARCHITECTURE.md and here where it belongs"
    for name in imported(file):
        parts = name.split(".")
        if parts[0] == "src" and len(parts) > 1:
            assert parts[1] in ALLOWED[room], f"{file.name} of {room} imports {name}, which stands above it"
        assert parts[0] not in FORBIDDEN.get(room, set()), f"{room} must not know {parts[0]}"
        assert parts[0] != "benchmarks", f"{file.name} imports {name}, which measures the package from outside"


def circles(folder: Path) -> list[str]:
    """The files below a folder that import each other, be it inside functions, with those that lie between circles."""
    files = {module_of(file): file for file in folder.rglob("*.py")}
    graph = {module: imported_modules(file) & files.keys() - {module} for module, file in files.items()}
    while True:
        wanted = set().union(*graph.values())
        inside = {module: below & graph.keys() for module, below in graph.items() if below & graph.keys()}
        inside = {module: below for module, below in inside.items() if module in wanted}
        if inside == graph:
            return sorted(graph)
        graph = inside


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(file: Path) -> set[str]:
    """Dotted names that a file imports, and those of what it takes from them, which may be modules."""
    taken = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return imported(file) | taken


@pytest.mark.parametrize("folder", WITHOUT_CIRCLES)
def test_no_files_import_each_other(folder: str) -> None:
    assert circles(ROOT / folder) == []


def test_a_circle_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "room").mkdir()
    for name, line in (("a", "from room import b"), ("b", "def f():\n    from room.c import x"), ("c", "import room.a"),
                       ("above", "from room.a import y"), ("below", "")):  # fmt: skip
        (tmp_path / "room" / f"{name}.py").write_text(line)
    assert circles(tmp_path / "room") == ["room.a", "room.b", "room.c"]


DATA = [file for file in FILES if room_of(file) == "data"]


@pytest.mark.parametrize(("room", "other"), [("sets", "own"), ("own", "sets")])
def test_named_sets_and_own_files_do_not_know_each_other(room: str, other: str) -> None:
    files = [file for file in DATA if file.parent.name == room]
    assert len(files) > 5
    beside = {name for file in DATA if file.parent.name == "data" for name in imported(file)}
    for names in (beside, *map(imported, files)):
        assert not [name for name in names if name.startswith(f"src.data.{other}")]


def test_data_has_no_import_circle() -> None:
    modules = {file: ".".join(("src", *file.relative_to(SRC).with_suffix("").parts)) for file in DATA}
    knows = {}
    for file, module in modules.items():
        # Of `from src.data.own import times` the module is src.data.own.times.
        names = {
            f"{node.module}.{alias.name}"
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        knows[module] = (imported(file) | names) & set(modules.values())
    graphlib.TopologicalSorter(knows).prepare()  # raises where there is a circle
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(knows | {"src.data.describe": {"src.data.series"}}).prepare()


def test_an_arrow_that_runs_up_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("from src.training.trainer import build_trainer\n")
    tree_imports = {n.module for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)}
    assert tree_imports == {"src.training.trainer"}
    assert "training" not in ALLOWED["runs"]
