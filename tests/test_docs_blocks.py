"""Every block of code on every page runs, page by page in the order of the menu, as somebody would who reads it all.

The pages share one folder, so that a page may use what an earlier one made. Trainings are shortened. What cannot run
here stands in ``NOT_RUN`` with the reason. What a page shows is compared with what was printed, where that does not
depend on the training: heads and labels of tables, rows of trivial baselines, what was inferred from a file.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import wandb
import yaml
from scipy.io import savemat

import gatebench
from src.data.download import File, Source
from src.data.sets.music import Music

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(python|bash|yaml|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?[\d.,]+(e[+-]?\d+)?")
UNTRAINED = {"naive", "seasonal_naive"}  # rows whose numbers depend on the data alone

# Lines of a shell and blocks of Python that contain one of these are not run.
NOT_RUN = {
    "git clone": "needs the network",
    "cd gatebench": "follows it",
    "git checkout": "changes the clone",
    "make ": "installs, measures for minutes, or tests everything",
    "pip install": "installs; tests/test_package.py does so",
    "source ": "activates an environment",
    "wandb ": "needs an account",
    "tensorboard --logdir": "a server",
    "mlflow ui": "a server",
    ".venv/bin/pre-commit": "changes the clone",
    "logger=tensorboard": "a package that is not among GateBench's; tests/training/test_loggers.py",
    "logger=mlflow": "a package that is not among GateBench's",
    "their_module.Logger": "a class that the reader has",
    "dashboard study=smoke  ": "needs an account; tests/test_dashboard.py",
    "only=[ucr]": "needs an account; tests/test_dashboard.py",
    "python -m benchmarks.": "measures for minutes; tests/benchmarks",
    "answers/gestures-": "needs such an answer",
    "minutes=": "takes its minutes; tests/answering",
    "trainer=gpu": "needs a GPU",
    "trainer=ddp": "starts processes; tests/training/test_ddp.py",
    "hydra/launcher=": "starts processes; tests/test_package.py and make test-cluster",
    "hydra/sweeper=optuna": "needs further packages",
    "=memory_length": "takes hours; tests/explaining",
    "gatebench verify": "trains whole runs; tests/studies/test_verify.py",
    "/mnt/other": "a folder that the reader has",
    "task=brier": "a class and a file that the page shows; tests/tasks/test_own_classes.py",
    "from=table.csv": "a file that the reader has; tests/analysis/test_external_results.py",
    "pack=experiments": "writes into the clone; tests/analysis/test_pack.py",
    "from=experiments/smoke": "follows it",
    "import sys, time, copy": "compiles for minutes",
    "class CoupledLSTMEquations": "a class shown in part; tests/test_new_cell.py",
}
SHORT = {
    "train": {
        "trainer.max_epochs": "1", "model.hidden_size": "8", "logger": "csv", "trainer.enable_progress_bar": "false",
    },
    "explain": {"sequences": "2", "jacobians": "1"},
    "generate": {"prime": "4", "steps": "3"},
    "compare": {"report": "false"},
}  # fmt: skip
SHORTER = {
    "data.length": "4,8",
    "data.sizes": "[24,8,8]",
    "trainer.max_epochs": "1",
    "prime": "4",
    "steps": "3",
    "seed": "0",
    "report": "false",
    "shown": "5",
}
FIRST = ("docs/install.md", "docs/quickstart.md", "docs/studies.md")  # others read what these make
SLOW = ("seed=3,4,5",)  # as the command before it: for three seeds more


def menu(node: Any) -> Iterator[str]:
    """The pages of mkdocs.yml, in their order."""
    if isinstance(node, str):
        yield node
    else:
        for inner in node.values() if isinstance(node, dict) else node:
            yield from menu(inner)


PAGES = [page for page in menu(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]) if (ROOT / page).is_file()]
PAGES.sort(key=lambda page: (page == "README.md", page not in FIRST))  # the README's table is the Quickstart's
USED: set[str] = set()


def not_run(text: str) -> bool:
    """Whether NOT_RUN names a line or block."""
    named = {part for part in NOT_RUN if part in text}
    USED.update(named)
    return bool(named)


def shortened(command: str) -> list[str]:
    """The words of a command, with what makes it short."""
    program, *words = shlex.split(command, comments=True)
    if program == "python":
        assert words[0] == "-m", command
        assert words[1].startswith("src."), f"{command} is no command of ours: name it in NOT_RUN"
        name, words = words[1].removeprefix("src."), words[2:]
    else:
        assert program == "gatebench", f"{command} is no command of ours: name it in NOT_RUN"
        name, words = (words[0], words[1:]) if words else ("--help", [])
    if "--help" in words or "--cfg" in words:
        return [name, *words]
    given = {word.partition("=")[0] for word in words if "=" in word}
    words = [
        f"{key}={SHORTER.get(key, value)}" if sep else key for key, sep, value in (w.partition("=") for w in words)
    ]
    more = {
        k: v for k, v in SHORT.get(name, {}).items() if k not in given and not (name == "explain" and "study" in given)
    }
    if name == "train" and {"model.budget", "model.num_layers"} & given:
        more.pop("model.hidden_size", None)
    if "experiments=smoke" in words:
        more = {"logger": "csv", "trainer.max_steps": "27"}
    if any(key.startswith("logger.") for key in given):
        more.pop("logger", None)
    return [name, *words, *(f"{key}={value}" for key, value in more.items())]


@contextmanager
def chorales(folder: Path) -> Iterator[None]:
    """A file like the published one, with twelve made-up pieces, in the place of it."""
    rng = np.random.default_rng(0)

    def pieces(number: int) -> np.ndarray:
        found = np.empty((1, number), dtype=object)
        for k in range(number):
            found[0, k] = (rng.random((int(rng.integers(8, 14)), 88)) < 0.05).astype(np.uint8)
        return found

    path = folder / "music" / "JSB_Chorales.mat"
    path.parent.mkdir(parents=True)
    savemat(path, {"traindata": pieces(6), "validdata": pieces(3), "testdata": pieces(3)})
    digest = f"sha256:{sha256(path.read_bytes()).hexdigest()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            Music.sources, "jsb_chorales", Source("music", "", "", "", (File("music/JSB_Chorales.mat", "", digest),))
        )
        patch.setenv("GATEBENCH_DATA_DIR", str(folder))
        yield


def ran(page: str, kind: str, text: str, names: dict[str, Any], argv: pytest.MonkeyPatch) -> str | None:
    """Run a block; what went wrong, if anything did."""
    if kind == "yaml":
        yaml.safe_load(text)
        return None
    parts = [text] if kind == "python" else text.strip().splitlines()
    for part in parts:
        if not_run(part) or any(word in part for word in SLOW):
            continue
        try:
            if kind == "python":
                part = part.replace("epochs=15", "epochs=2").replace("budget=20000)", "budget=20000, epochs=1)")
                exec(compile(part.replace('"epochs": 15', '"epochs": 2'), page, "exec"), names)
            else:
                argv.setattr(sys, "argv", ["gatebench", *shortened(part)])
                gatebench.main()
        except SystemExit as stopped:
            if stopped.code:
                return f"{page}: {part}\n    {stopped.code}"
        except Exception as error:  # every block's fault is told, not the first one's alone
            return f"{page}: {part}\n    {type(error).__name__}: {error}"
        finally:
            plt.close("all")
    return None


def comparable(text: str) -> set[str]:
    """The lines of a text that do not depend on how long was trained; numbers that do are left out."""
    lines = set()
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        if "┃" in line or UNTRAINED & set(cells):
            lines.add(" | ".join(cells))
        elif cells:
            lines.add(" | ".join("#" if NUMBER.fullmatch(cell) else cell for cell in cells))
        elif re.match(r"\S+\.csv: ", line) or re.fullmatch("sequence,.*,.*", line):
            lines.add(line)
    return lines


def test_every_block_runs(
    tmp_path: Path, places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    for records in (ROOT / "experiments").glob("*/"):
        shutil.copytree(records, tmp_path / "experiments" / records.name)
    wrong, number, compared = [], 0, 0
    before = dict(os.environ)
    with chorales(tmp_path / "data"):
        for page in PAGES:
            names: dict[str, Any] = {"__name__": "docs"}
            printed: set[str] = set()
            for kind, text in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
                if kind == "text":
                    heads = {file.read_text().partition("\n")[0] for file in tmp_path.rglob("*.csv")}
                    compared += len(comparable(text))
                    wrong += [f"{page} shows {line}" for line in sorted(comparable(text) - printed - heads)]
                    continue
                number += 1
                capsys.readouterr()
                wrong.append(ran(page, kind, text, names, monkeypatch))
                printed |= comparable(capsys.readouterr().out)
    os.environ.clear()
    os.environ.update(before)
    wandb.teardown()  # or it stays disabled in this process
    assert not [line for line in wrong if line], "\n".join(line for line in wrong if line)
    assert number > 60
    assert compared > 15
    assert set(NOT_RUN) == USED, f"no page has {set(NOT_RUN) - USED} any more"


def test_the_pictures_of_the_pages_are_there_and_small() -> None:
    shown = {
        (ROOT / page).parent / picture
        for page in PAGES
        for picture in re.findall(r"!\[[^\]]+\]\(([^):]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    }
    assert len(shown) >= 7
    assert {path.resolve() for path in shown} >= set((ROOT / "docs" / "img").iterdir())
    assert all(path.is_file() for path in shown)
    assert sum(path.stat().st_size for path in shown) < 2e6
