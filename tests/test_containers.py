"""Dockerfile and devcontainer: what they copy is there, what they call the Makefile and the package have."""

import json
import re
import tomllib

import pytest

from src.config.places import CONF

ROOT = CONF.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def copied() -> list[str]:
    return [name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]


def test_what_the_image_copies_exists_and_is_all_that_an_installation_needs() -> None:
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {"pyproject.toml", "setup.py", "Makefile", "locks", "src", "conf", "experiments", "hydra_plugins"}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {f"{module}.py" for module in project["tool"]["setuptools"]["py-modules"]}
    assert needed <= set(copied())
    assert {name for name in re.findall(r"^(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)}.isdisjoint(
        copied()
    )


def test_what_the_image_runs_is_there() -> None:
    called = re.findall(r"\bmake ([a-z-]+)", "\n".join(re.findall(r"^RUN (.*)$", DOCKERFILE, re.MULTILINE)))
    assert "setup" in called
    assert set(called) - {"g"} <= TARGETS
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)[0])[0] in scripts


@pytest.mark.parametrize("place", ["Dockerfile", ".devcontainer/devcontainer.json"])
def test_python_is_one_that_the_lock_for_the_cpu_serves(place: str) -> None:
    (version,) = re.findall(r"python:3\.(\d+)", (ROOT / place).read_text())
    assert version == "11", "locks/cpu.txt has torch for the CPU for this one (CONTRIBUTING.md)"


def test_the_devcontainer_is_set_up_as_everybody_is() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    word, target = container["postCreateCommand"].split()
    assert word == "make"
    assert target in TARGETS
    settings = container["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].startswith(".venv/")
