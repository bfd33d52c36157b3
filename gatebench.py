"""GateBench's public interface: the command ``gatebench``, and imports for scripts and notebooks.

>>> import torch
>>> from gatebench import GRU
>>> output, state = GRU(3, 5, batch_first=True)(torch.zeros(2, 7, 3))
>>> output.shape
torch.Size([2, 7, 5])

``fit(frame, target="load")`` trains on data in memory; ``answer(frame, target="label", minutes=10)`` compares two
networks on them; ``load_run("runs/latest")`` returns a run's config, task with weights and data;
``compare(study="smoke")`` returns the numbers behind a verdict. Imports are lazy.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.analysis.summary import Summary
    from src.api.answer import Answer, answer
    from src.api.fit import fit
    from src.api.fitted import Fitted
    from src.config.errors import UserError
    from src.recurrent import GRU, LSTM, RNN, StackedRNN
    from src.runs.load import Run, load_run

__version__ = "0.1.0"
__all__ = ["GRU", "LSTM", "RNN", "Answer", "Fitted", "Run", "StackedRNN", "Summary", "UserError"]
__all__ += ["answer", "compare", "fit", "load_run"]

USAGE = "gatebench COMMAND [KEY=VALUE ...]; gatebench COMMAND --help lists its keys."
COMPLETION = {"-sc", "--shell-completion"}  # how the shell calls Hydra
HOME = Path(__file__).resolve().parent  # the folder of our package src
_HOMES = {
    **dict.fromkeys(("GRU", "LSTM", "RNN", "StackedRNN"), "src.recurrent"),
    **dict.fromkeys(("Run", "load_run"), "src.runs.load"),
    **dict.fromkeys(("Answer", "answer"), "src.api.answer"),
    "fit": "src.api.fit",
    "Fitted": "src.api.fitted",
    "Summary": "src.analysis.summary",
    "UserError": "src.config.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gatebench' has no attribute {name!r}")
    return getattr(_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])


def compare(
    *,
    study: str | Path | None = None,
    folders: Iterable[str | os.PathLike[str]] | None = None,
    from_: str | Path | None = None,
    **settings: Any,
) -> Summary:
    """Compare runs like ``gatebench compare``, and return the numbers.

    Args:
        study: name or folder of a study; give exactly one of the first three.
        folders: folders of runs, or runs returned by :func:`fit`.
        from_: a CSV file with results of other tools, or a folder of committed records.
        settings: further keys of ``conf/compare.yaml``: ``models``, ``metric``, ``margin``, ``directory``, ...

    Raises:
        UserError: there is nothing to compare, or a setting is unknown or invalid.
    """
    places = {"study": study, "folders": folders and list(folders), "from": from_, **settings}
    given = {key: _text(value) for key, value in places.items()}
    return _module("src.compare").compare(_module("src.config.compose").compose("compare", given))


def _text(value: Any) -> Any:
    """Return paths and runs as text, for a config."""
    if isinstance(value, list | tuple):
        return [_text(one) for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def commands() -> dict[str, str]:
    """Return the commands with a one-line description: modules of ``src`` with a ``main``, by name."""
    lines = {}
    for file in sorted((HOME / "src").glob("*.py")):
        module = ast.parse(file.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in module.body):
            line = (ast.get_docstring(module) or "").partition("\n")[0]
            lines[file.stem] = line.replace("``", "").replace("python -m src.", "gatebench ").removesuffix(".")
    return lines


def main() -> None:
    """Run ``gatebench NAME ...`` like ``python -m src.NAME ...``, in any folder."""
    name, *rest = sys.argv[1:] or ["--help"]
    known = commands()
    if name in ("-h", "--help"):
        lines = [f"  {command:<11}{line}" for command, line in known.items()]
        print("\n".join([USAGE, "", *lines]))
        return
    if name == "--version":
        print(f"gatebench {__version__}")
        return
    if name in COMPLETION:
        name, rest = _completed(known), sys.argv[1:]
    if name not in known:
        near = _module("src.config.errors").nearest(name, list(known))
        sys.exit(f"There is no command {name}{near}: the commands are {', '.join(known)}.")
    _tell_other_processes()
    # With this name Hydra and the run's record are the same as under python -m; completion needs the program's own
    # name.
    sys.argv = [sys.argv[0] if COMPLETION & {*rest} else str(HOME / "src" / f"{name}.py"), *rest]
    _module(f"src.{name}").main()


def _completed(known: Iterable[str]) -> str:
    """Return the command for which the shell requests completions, and remove it from Hydra's command line.

    If the command itself is being typed, print all names and exit.
    """
    line = os.environ.get("COMP_LINE")
    if line is None:
        return "train"  # installing the completion does not depend on the command
    typed = re.match(r"(\s*\S+\s+)(\S+)\s+", line)
    if typed is None or typed[2] not in known:
        print("\n".join(known))
        sys.exit()
    os.environ["COMP_LINE"] = typed[1] + line[typed.end() :]
    return typed[2]


def _module(name: str) -> ModuleType:
    """Import a module of our package ``src``, even if the working folder has another ``src``.

    Raises:
        ImportError: the other one is already imported.
    """
    ours = HOME / "src" / "__init__.py"
    if "src" not in sys.modules:
        sys.path[:] = _ours_first(sys.path)  # permanently: joblib passes it to its processes
        importlib.import_module("src")
    imported = getattr(sys.modules["src"], "__file__", None)
    if imported is None or Path(imported).resolve() != ours:
        raise ImportError(
            f"GateBench's own package is called src, but another src is already imported ({sys.modules['src']}): "
            "use gatebench in a separate process."
        )
    return importlib.import_module(name)


def _tell_other_processes() -> None:
    """Make ``src`` mean ours in every process started from here, whatever its folder and PYTHONPATH."""
    os.environ["PYTHONSAFEPATH"] = "1"  # keeps python -m from putting the working folder first
    if path := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join(_ours_first(path.split(os.pathsep)))


def _ours_first(folders: list[str]) -> list[str]:
    """Return a search path with our folder before any other that contains a ``src``."""
    at = next((at for at, folder in enumerate(folders) if (Path(folder) / "src").is_dir()), len(folders))
    return [*folders[:at], str(HOME), *folders[at:]]


if __name__ == "__main__":
    main()
