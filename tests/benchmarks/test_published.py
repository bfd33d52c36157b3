"""The table over published studies says what their records say, recomputed here without our analysis."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf
from scipy import stats

from benchmarks.published import HEADER, MARKS, picture, published, read
from src.config.errors import UserError
from src.config.places import CONF
from src.figures.chart import Estimate

EXPERIMENTS = CONF.parent / "experiments"


def config(**changed: object) -> DictConfig:
    plain = {"records": str(EXPERIMENTS), "superseded": ["chung2014_music_v1"], "table": None, "figure": None}
    return OmegaConf.create({**plain, **changed})


def test_a_row_is_what_a_script_makes_of_the_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    rows = published(config(table=str(page), figure=str(tmp_path / "verdicts")))
    row = dict(zip(HEADER, next(r for r in rows if "chung2014_music/" in r[0]), strict=True))
    runs = [json.loads(line) for line in (EXPERIMENTS / "chung2014_music" / "runs.jsonl").read_text().splitlines()]
    final = {(r["model"], r["seed"]): r["metrics"]["test/nll"] for r in runs if r["phase"] == "final"}
    seeds = sorted({seed for model, seed in final if model == "gru_chung"})
    ahead = np.array([final["lstm_chung", seed] - final["gru_chung", seed] for seed in seeds])
    half = stats.t.ppf(0.975, len(ahead) - 1) * ahead.std(ddof=1) / len(ahead) ** 0.5
    assert row["A ahead by"] == f"{ahead.mean():.3f} nats per step"
    assert row["interval"] == f"{ahead.mean() - half:.3f} to {ahead.mean() + half:.3f} (95 %)"
    assert row["pairs"] == str(len(seeds))
    assert row["core-hours"] == f"{sum(r['timing']['seconds'] for r in runs) / 3600:.1f}"
    assert row["commit"] in {r["git"]["commit"][:7] for r in runs}
    assert capsys.readouterr().out.strip() in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert "old" not in page.read_text()
    assert (tmp_path / "verdicts.svg").is_file()


def test_the_committed_page_and_figure_are_those_of_the_committed_records(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text((EXPERIMENTS / "README.md").read_text())
    published(config(table=str(page), figure=str(tmp_path / "verdicts")))
    assert page.read_text() == (EXPERIMENTS / "README.md").read_text()
    assert (tmp_path / "verdicts.svg").read_bytes() == (EXPERIMENTS / "verdicts.svg").read_bytes()


def test_differences_are_drawn_in_margins() -> None:
    studies = list(read(EXPERIMENTS, ["chung2014_music_v1"]))
    drawn = [layer for layer in picture(studies).layers if isinstance(layer, Estimate)]
    compared = [(task, c) for study in studies for task, c in study.summary.headline() if task.margin]
    assert len(drawn) == len(compared)
    values = sorted((c.mean or 0.0) / (task.margin or 1.0) for task, c in compared)
    assert sorted(layer.value for layer in drawn) == pytest.approx(values)


def test_a_study_of_other_models_is_not_drawn_as_gru_against_lstm() -> None:
    (study, *others) = read(EXPERIMENTS, ["chung2014_music_v1"])
    task = study.summary.tasks[0]
    variant = replace(task.comparisons[0], b="gru_cho")
    other = replace(study, summary=replace(study.summary, tasks=[replace(task, comparisons=[variant])]))
    drawn = picture([other, *others])
    assert "LSTM" not in drawn.title + drawn.x.label
    assert f"{variant.a} vs gru_cho\n{task.label}\n{study.folder.name}" in drawn.y.ticks.values()


@pytest.mark.parametrize("change", [{"records": "nowhere"}, {"table": "nowhere.md"}])
def test_what_is_not_there_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(UserError, match="nowhere"):
        published(config(**change))


def test_the_config_is_complete(compose: Callable[..., DictConfig]) -> None:
    from benchmarks import CONF as FOLDER
    from benchmarks.settings import PUBLISHED

    assert OmegaConf.load(FOLDER / "published.yaml").keys() - {"defaults", "hydra"} == PUBLISHED.keys()
