"""Digests of the source of classes that a config names and that are neither shipped nor installed."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from src.config.trust import entries

SHIPPED = frozenset({"src", "gatebench", "hydra_plugins", "torch", "pytorch_lightning", "lightning"})
INSTALLED = tuple(
    Path(sysconfig.get_paths()[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
# Classes imported by this process -> their code, and the digest of the source that they were imported from. The file
# may have been edited since, while the process still computes with what it has imported.
_imported: WeakKeyDictionary[Any, tuple[list[Any], str]] = WeakKeyDictionary()


def own_sources(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the source of each of the user's own classes, by where the config names it: ``model``.

    The source of a class is the file of its module and the user's own ``.py`` files that this imports, directly or
    not; of a class defined in a script or notebook, its methods. Files are read, never imported. A class that this
    process has already imported keeps the digest it was imported with, until its code changes (by a reload).

    Args:
        config: in plain containers.
    """
    found = {}
    for path, target in _targets(config):
        kind = _loaded(target)
        if kind is not None and kind in _imported and _imported[kind][0] == _code(kind):
            found[path] = _imported[kind][1]
        elif digest := _digest(target, kind):
            found[path] = digest
    return found


def note_imported(config: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Note that the classes of a config have been imported from these sources."""
    for path, target in _targets(config):
        kind = _loaded(target)
        if kind is not None and path in sources:
            _imported[kind] = _code(kind), sources[path]


def _targets(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Iterate over the classes that a config names outside shipped packages, with the path of their node."""
    for path, key, value in entries(config):
        if key == "_target_" and isinstance(value, str) and value.partition(".")[0] not in SHIPPED:
            yield path.rpartition(".")[0], value


def _loaded(target: str) -> Any:
    """Return the class or function with a dotted path, if its module has been imported; else None."""
    parts = target.split(".")
    for k in range(len(parts) - 1, 0, -1):
        if (node := sys.modules.get(".".join(parts[:k]))) is not None:
            for name in parts[k:]:
                node = getattr(node, name, None)
            return node if isinstance(node, type) or inspect.isfunction(node) else None
    return None


def _code(kind: Any) -> list[Any]:
    """Return the code of a class's methods, or of a function."""
    return [value.__code__ for value in (kind, *vars(kind).values()) if hasattr(value, "__code__")]


def _digest(target: str, kind: Any) -> str:
    """Return the SHA-256 of a class's source; empty if it has none of the user's own."""
    if target.startswith("__main__."):
        texts = {"__main__": _typed_source(kind)}
    else:
        texts = {}
        waiting = list(_prefixes(target))
        while waiting:
            module = waiting.pop()
            if module in texts or (file := _own_file(module)) is None:
                continue
            texts[module] = file.read_bytes()
            waiting += _imports(texts[module], module, file.name == "__init__.py")
    if not any(texts.values()):
        return ""
    whole = hashlib.sha256()
    for module, text in sorted(texts.items()):
        whole.update(f"{module}\0{hashlib.sha256(text).hexdigest()}\0".encode())
    return whole.hexdigest()


def _typed_source(kind: Any) -> bytes:
    """Return the source of a class's methods in a script or notebook, and of its base classes there."""
    own = [each for each in getattr(kind, "__mro__", (kind,)) if getattr(each, "__module__", None) == "__main__"]
    found = []
    for value in (value for each in own for value in (each, *vars(each).values()) if hasattr(value, "__code__")):
        try:
            found.append(inspect.getsource(value))
        except OSError:  # typed into an interpreter that keeps no source
            continue
    return "\0".join(found).encode()


def _prefixes(dotted: str) -> Iterator[str]:
    """Iterate over ``a``, ``a.b`` and ``a.b.c`` for ``a.b.c``: Python imports the packages around a module, too."""
    parts = dotted.split(".")
    return (".".join(parts[: k + 1]) for k in range(len(parts)))


def _imports(text: bytes, module: str, is_package: bool) -> Iterator[str]:
    """Iterate over the dotted names that a module's source imports."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # importing it will say so
        return
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _prefixes(alias.name)
        elif isinstance(node, ast.ImportFrom):
            try:
                origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            for alias in node.names:
                yield from _prefixes(f"{origin}.{alias.name}")


def _own_file(module: str) -> Path | None:
    """Return the source file of a module of the user's own, without importing anything; None for any other module."""
    if module.partition(".")[0] in SHIPPED:
        return None
    origin = _origin(module)
    if origin is None or not origin.endswith(".py"):
        return None
    file = Path(origin).resolve()
    installed = any(file.is_relative_to(place) for place in INSTALLED)
    if installed or {"site-packages", "dist-packages"} & set(file.parts) or not file.is_file():
        return None
    return file


def _origin(module: str) -> str | None:
    if module in sys.modules:
        return getattr(sys.modules[module], "__file__", None)
    places: list[str] | None = None
    spec = None
    for name in _prefixes(module):
        if spec is not None and places is None:  # a module, which contains no others
            return None
        # importlib.util.find_spec would import the packages around the module.
        finders = (finder.find_spec for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((found for find in finders if (found := find(name, places)) is not None), None)
        if spec is None:
            return None
        if spec.submodule_search_locations is None:
            places = None
        elif spec.origin is None:  # a namespace package, whose own list of places would need its parent imported
            here = name.rpartition(".")[2]
            around = sys.path if places is None else places
            places = [inside for place in around if os.path.isdir(inside := os.path.join(place, here))]
        else:
            places = list(spec.submodule_search_locations)
    return spec.origin if spec is not None else None
