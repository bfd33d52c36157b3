"""Data ahead of time: what is listed, and that preparing a set reads and verifies it."""

from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.places import CONF
from src.data.catalogue import named_sets, own_sets
from src.prepare import prepare
from tests.data.real import DATA, needs

Compose = Callable[..., DictConfig]
SETS = {file.stem for file in (CONF / "data").glob("*.yaml")} - {"base"}


def test_every_data_set_is_listed():
    named = named_sets()
    assert set(named) | set(own_sets()) == SETS
    assert not set(named) & set(own_sets())
    for source in named.values():
        assert source.task
        assert source.size
        assert source.licence
        assert source.page.startswith("http")


def test_the_list_says_what_is_here(compose: Compose, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "ett").mkdir()
    (tmp_path / "ett/ETTh1.csv").write_text("")
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/train-images-idx3-ubyte.gz").write_text("")
    prepare(compose(f"paths.data_dir={tmp_path}", config_name="prepare"))
    lines = {
        cells[1].strip(): cells for line in capsys.readouterr().out.splitlines() if len(cells := line.split("│")) > 5
    }
    assert lines["ett_h1"][5].strip() == "complete"
    assert lines["ett_h2"][5].strip() == "not here"
    assert lines["seq_mnist"][5].strip() == "1 of 4 files"
    assert lines["adding"][5].strip() == "needs no file"
    assert lines["ett_h1"][4].strip() == "CC BY-ND 4.0"


@needs("ett/ETTh1.csv")
def test_a_set_that_is_here_is_read_and_verified(compose: Compose, capsys):
    prepare(compose("data=ett_h1", f"paths.data_dir={DATA}", config_name="prepare"))
    assert "8449 train, 2785 val, 2785 test" in capsys.readouterr().out


def test_a_file_that_is_not_what_it_should_be_is_refused(compose: Compose, tmp_path):
    (tmp_path / "ett").mkdir()
    (tmp_path / "ett/ETTh1.csv").write_text("date,OT\n")
    with pytest.raises(UserError, match="is not the expected file"):
        prepare(compose("data=ett_h1", f"paths.data_dir={tmp_path}", config_name="prepare"))
    assert (tmp_path / "ett/ETTh1.csv").read_text() == "date,OT\n"
