"""The locks pin everything that pyproject.toml asks for, each file by its SHA-256, and name no place to get it from."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
ENTRY = re.compile(r"^(?P<pin>\S.*?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE)


def pins(name: str) -> dict[str, Requirement]:
    """What a lock pins, by canonical name."""
    entries = [Requirement(m["pin"]) for m in ENTRY.finditer((ROOT / "locks" / name).read_text())]
    return {canonicalize_name(entry.name): entry for entry in entries}


def version(entry: Requirement) -> str:
    (pin,) = entry.specifier
    assert pin.operator == "=="
    return pin.version


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_pins_with_hashes_and_nothing_else(lock: Path) -> None:
    left_over = ENTRY.sub("", lock.read_text())
    assert not left_over.strip(), f"{lock.name}: {left_over.splitlines()[0]}"
    assert all(version(entry) for entry in pins(lock.name).values())
    assert "://" not in lock.read_text()


def wanted(extra: str) -> list[Requirement]:
    """What an extra asks for, its own extras resolved."""
    listed = [Requirement(line) for line in PROJECT["project"]["optional-dependencies"][extra]]
    own = [inner for one in listed if one.name == "gatebench" for name in one.extras for inner in wanted(name)]
    return [one for one in listed if one.name != "gatebench"] + own


def test_the_locks_are_of_this_pyproject() -> None:
    base = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    build = [Requirement(line) for line in PROJECT["build-system"]["requires"]]
    tools, docs = ([Requirement(line) for line in PROJECT["dependency-groups"][g]] for g in ("tools", "docs"))
    dev = pins("dev.txt")
    for lock, asked in [
        (dev, base + wanted("dev")),
        (dev | pins("ray.txt"), wanted("ray")),
        (pins("build.txt"), build),
        (pins("tools.txt"), tools),
        (pins("docs.txt"), docs),
    ]:
        for one in asked:
            entry = lock.get(canonicalize_name(one.name))
            assert entry is not None, f"{one} is not locked: make lock"
            assert one.specifier.contains(version(entry), prereleases=True), f"{one} and {entry}: make lock"
    assert version(pins("build.txt")["setuptools"]) == version(dev["setuptools"])
    assert Version(version(pins("cpu.txt")["torch"])).public == version(dev["torch"])


def test_what_is_installed_is_what_is_locked() -> None:
    here = {canonicalize_name(d.metadata["Name"]): Version(d.version).public for d in distributions()}
    locked = {
        name: version(entry)
        for name, entry in pins("dev.txt").items()
        if entry.marker is None or entry.marker.evaluate()
    }
    assert {name: here.get(name) for name in locked} == locked


def test_the_licence_of_everything_locked_is_listed() -> None:
    rows = re.findall(r"^\| (\S+) +\| (\S+) +\| (.*?) +\|$", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE)
    listed = {canonicalize_name(name): number.partition("+")[0] for name, number, _ in rows}
    build = {"setuptools"}  # pip-licenses leaves out what only installs
    locked = {
        name: version(entry)
        for name, entry in pins("dev.txt").items()
        if name not in build and (entry.marker is None or entry.marker.evaluate({"sys_platform": "linux"}))
    }
    assert {name: listed.get(name) for name in locked} == locked, "make licences"
    assert not [name for name, _, licence in rows if licence in ("", "UNKNOWN")]
