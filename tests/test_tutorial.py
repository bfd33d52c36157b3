"""Every block of docs/tutorial.md runs, in the order of the page, on made-up chorales and with short trainings."""

import re
import shlex
import sys
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from src.data.download import File, Source
from src.data.sets.music import Music

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
TEXTS = PAGE.partition("<!-- notebook: end -->")[2]  # what stands before it is a notebook: tests/test_notebook.py
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", TEXTS, re.DOTALL)
PICTURES = re.findall(r"!\[[^\]]+\]\((img/[^)]+)\)", PAGE)

# What makes each command short; keys that the command does not have are added only where they are marked so.
ALWAYS = {
    "src.train": {"trainer.max_epochs": "1", "logger": "csv", "trainer.enable_progress_bar": "false"},
    "src.explain": {"sequences": "2", "jacobians": "1"},
    "src.generate": {"prime": "4", "steps": "3"},
    "src.export": {},
}
WHERE_GIVEN = {"data.length": "4,8", "data.sizes": "[24,8,8]", "seed": "0", "data.horizon": "3", "data.lookback": "12"}


@pytest.fixture
def chorales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file like the published one, with twelve made-up pieces, in the place of it."""
    rng = np.random.default_rng(0)

    def pieces(number: int) -> np.ndarray:
        found = np.empty((1, number), dtype=object)
        for k in range(number):
            found[0, k] = (rng.random((int(rng.integers(8, 14)), 88)) < 0.05).astype(np.uint8)
        return found

    path = tmp_path / "data" / "music" / "JSB_Chorales.mat"
    path.parent.mkdir(parents=True)
    savemat(path, {"traindata": pieces(6), "validdata": pieces(3), "testdata": pieces(3)})
    digest = f"sha256:{sha256(path.read_bytes()).hexdigest()}"
    source = Source("music", "", "", "", (File("music/JSB_Chorales.mat", "", digest),))
    monkeypatch.setitem(Music.sources, "jsb_chorales", source)
    monkeypatch.setenv("GATEBENCH_DATA_DIR", str(tmp_path / "data"))


def shortened(command: str) -> tuple[str, list[str]]:
    module, *words = shlex.split(command)[2:]
    given = dict(word.split("=", 1) for word in words if "=" in word)
    changed = {key: WHERE_GIVEN.get(key, value) for key, value in given.items()}
    changed |= {} if "study" in given else ALWAYS[module]  # a study is explained from its records: nothing to shorten
    return module, [*(word for word in words if "=" not in word), *(f"{key}={value}" for key, value in changed.items())]


def test_every_block_runs(
    chorales: None, tmp_path: Path, places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    names: dict[str, Any] = {}
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, "docs/tutorial.md", "exec"), names)
            continue
        for command in text.strip().splitlines():
            module, words = shortened(command)
            monkeypatch.setattr(sys, "argv", [module, *words])
            try:
                import_module(module).main()
            except SystemExit as stopped:
                pytest.fail(f"{command}: {stopped}\n{capsys.readouterr().err}")
    assert {f"img/{path.name}" for path in (tmp_path / "docs" / "img").iterdir()} == set(PICTURES)


def test_the_pages_pictures_are_there_and_small() -> None:
    assert len(PICTURES) >= 6
    assert {f"img/{path.name}" for path in (ROOT / "docs" / "img").iterdir()} >= set(PICTURES)
    assert sum((ROOT / "docs" / picture).stat().st_size for picture in PICTURES) < 2e6


def test_every_command_of_the_page_is_one_of_ours() -> None:
    commands = [line for kind, text in BLOCKS if kind == "bash" for line in text.strip().splitlines()]
    assert len(commands) >= 10
    assert all(re.match(r"python -m src\.(train|explain|generate|export) ", command) for command in commands)


@pytest.mark.parametrize("page", ["tutorial.md", "inside.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    for link, anchor in re.findall(r"\]\(([^):#]*)(#[^)]*)?\)", text):
        target = (ROOT / "docs" / link) if link else ROOT / "docs" / page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor[1:] in {heading.lower().replace(" ", "-").replace(",", "") for heading in headings}, anchor
