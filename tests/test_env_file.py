"""A .env in the working folder counts where the environment says nothing, and what comes from there is decoded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.config.env_file import read_env_file, take_env_file
from src.config.errors import UserError
from src.config.places import CONF


def test_lines_of_an_env_file_are_those_of_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(
        "# the keys that they're\n\nLR=0.01\nexport WANDB_NAME='a b'  # said\nEMPTY=\nHASH=a#b\nSET=new\n"
    )
    found = {"LR": "0.01", "WANDB_NAME": "a b", "EMPTY": "", "HASH": "a#b", "SET": "new"}
    assert read_env_file(tmp_path / ".env") == found
    monkeypatch.setattr(os, "environ", {"SET": "old"})
    take_env_file(tmp_path)
    assert os.environ == {**found, "SET": "old"}
    take_env_file(tmp_path / "nowhere")


@pytest.mark.parametrize("line", ["WANDB_API_KEY secret", "A=b secret", "'A=secret", "1A=secret", "=secret"])
def test_a_line_that_is_none_is_named_and_not_shown(line: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"LR=1\n{line}\n")
    with pytest.raises(UserError, match=r"line 2 must have the form NAME=VALUE") as refused:
        read_env_file(tmp_path / ".env")
    assert "secret" not in str(refused.value)


def test_a_number_of_the_environment_says_how_it_is_decoded_and_the_advice_works(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LR=0.25\n")

    def typed(override: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "src.train", "logger=csv", override, "trainer.max_epochs=none"]
        environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    refused = typed("optimizer.lr=${oc.env:LR}")
    advice = """'optimizer.lr="${oc.decode:${oc.env:NAME}}"'"""
    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"optimizer.lr must be a number above 0, got 0.25 as text (from the environment, write {advice}).\n"
    )
    followed = typed(advice.strip("'").replace("NAME", "LR"))
    assert "trainer.max_epochs" in followed.stderr, "lr has been read, and the next mistake is said"


def test_a_choice_of_nothing_lists_what_there_is() -> None:
    from src.config.shell import wrong_line

    assert "there are default, explain, no_early_stopping." in str(wrong_line(["callbacks=null"]))
    assert "there are gru, gru_bi," in str(wrong_line(["model=null"]))
    assert wrong_line(["logger=[wandb,csv]"]) is None
    assert wrong_line(["model=[gru]"]) is not None
