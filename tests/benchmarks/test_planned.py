"""The cost of a planned study: all its runs, with all their updates."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from benchmarks.planned import HEADER, MARKS, main, of_records, planned
from benchmarks.settings import PLANNED
from src.config.errors import UserError
from src.config.places import CONF

SMOKE = yaml.safe_load((CONF.parent / "experiments" / "smoke.yaml").read_text())["study"]


def config(**changed: object) -> DictConfig:
    return OmegaConf.create({"studies": ["smoke"], "seconds": 0.2, "table": None, **changed})


def test_every_run_of_the_plan_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    (cells,) = planned(config(table=str(page)))
    row = dict(zip(HEADER, cells, strict=True))
    draws, repeat = SMOKE["tuning"]["draws"], SMOKE["tuning"]["repeat"]
    trials = next(len(d) if isinstance(d, list) else d["number"] for d in draws.values())
    of_one = trials + min(repeat["best"], trials) * repeat["seeds"] + SMOKE["pairs"]
    assert int(row["runs"]) == of_one * len(SMOKE["models"])
    fastest, _, slowest = row["ms per update"].partition(" to ")
    updates, hours = int(row["updates at most"].replace(",", "")), float(row["core-hours at most"])
    assert hours >= 0.98 * int(row["runs"]) * updates * float(fastest) / 3.6e6
    assert float(slowest or fastest) >= float(fastest) > 0
    assert "old" not in page.read_text()
    assert all(line in page.read_text() for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("change", [{"studies": ["nothing"]}, {"table": "nowhere.md"}])
def test_what_is_not_there_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"nothing|nowhere"):
        planned(config(**change))


def test_what_is_published_is_known_by_the_names_of_the_plan() -> None:
    assert of_records("chung2014_music") == {("jsb_chorales", "main")}
    assert of_records("smoke") == set()


def test_the_config_is_complete(compose: Callable[..., DictConfig]) -> None:
    shipped = OmegaConf.load(CONF.parent / "benchmarks" / "conf" / "planned.yaml")
    assert shipped.keys() - {"defaults", "hydra"} == PLANNED.keys()


def test_a_wrong_key_is_looked_up_among_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["planned", "studys=[smoke]"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "There is no key studys (did you mean studies?).\n"
