"""A job's overrides give Hydra exactly the values that the plan says."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from src.config.overrides import override
from src.config.shell import as_overrides
from src.studies.jobs import files_digest
from src.training.ddp import other_process
from tests.studies.conftest import parsed


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0.001, 3, "gru", "null", "1", "", "a b=c", "it's", '"quoted"', "C:\\data\\set", "ends in \\",
        "a\\'b", "a,b", "{a:1}", "[x", ["x", "it's", 1], {"a": ["b c", None], "b": {"c": False}},
    ],
)  # fmt: skip
def test_an_override_gives_its_value_back(value: Any) -> None:
    given = parsed([override("key", value), override("inside", {"list": [value]})])
    assert given == {"key": value, "inside": {"list": [value]}}


@pytest.mark.parametrize("path", ["/runs/plain", "/runs/it's", "/runs/a,b", "/ends in \\", "/a\\'b"])
def test_a_path_reaches_a_command_and_a_further_process_as_it_is(path: str) -> None:
    assert parsed(as_overrides([path], "evaluate")) == {"run": path}
    given = parsed(other_process(Path(path), path)[7:])
    assert {given[key] for key in ("paths.run_dir", "hydra.run.dir", "ckpt")} == {path}


def test_the_content_of_a_file_in_the_home_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    cfg, digests = OmegaConf.create({"data": {"path": "~/mine.csv"}}), {""}
    for content in ("x\n1\n", "x\n2\n"):
        (tmp_path / "mine.csv").write_text(content)
        digests.add(files_digest(cfg))
    assert len(digests) == 3


@pytest.mark.parametrize("splits", ["splits.csv", ["val.csv", "splits.csv"]])
def test_the_content_of_a_file_that_gives_the_splits_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: str | list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("x\n1\n")
    cfg, digests = OmegaConf.create({"data": {"path": "mine.csv", "splits": splits}}), set()
    for content in ("train\n", "test\n"):
        (tmp_path / "splits.csv").write_text(content)
        digests.add(files_digest(cfg))
    cfg.data.splits = [0.8, 0.1, 0.1]
    assert len(digests | {files_digest(cfg)}) == 3
