"""docs/own_data.md does what it says: its files are written and its commands run, one epoch each."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from src.predict import predict
from src.train import train

Compose = Callable[..., DictConfig]
PAGE = (Path(__file__).resolve().parents[1] / "docs" / "own_data.md").read_text()
QUICK = ["trainer.max_epochs=1", "model.hidden_size=8", "logger=csv", "trainer.enable_progress_bar=false"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_command_of_the_page_runs(compose: Compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = blocks("python")
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    ran = []
    for line in "".join(blocks("bash")).splitlines():
        program, _, command, *overrides = shlex.split(line)
        assert program == "python"
        if command == "src.train":
            metrics = train(compose(*overrides, *QUICK))
            assert metrics["test/loss"] > 0
        else:
            path = predict(compose(*overrides, config_name="predict"))
            assert len(path.read_text().splitlines()) > 20
        ran.append(command)
    assert ran == ["src.train", "src.predict"] * 3
