import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from src.config.own_source import note_imported
from src.config.schema import effect_of, keys_of
from src.config.schema.entries import FILE, PLACE, READING, RESULT
from src.runs.identity import IGNORED_KEYS, identity, planned_identity, sources_of, without

CONFIG: dict[str, Any] = {
    "seed": 0,
    "name": "a",
    "paths": {"runs_dir": "x"},
    "data": {"name": "JapaneseVowels", "data_dir": "here", "batch_size": 16},
    "model": {"hidden_size": 128},
}
FACTS = {"backend": "torch", "precision": "32-true", "data_checksum": "c"}


def test_places_and_names_do_not_count() -> None:
    moved = {**CONFIG, "name": "b", "paths": {"runs_dir": "y"}, "data": {**CONFIG["data"], "data_dir": "there"}}
    assert identity(moved, **FACTS) == identity(CONFIG, **FACTS)


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"model": {"hidden_size": 64}},
        {"data": {**CONFIG["data"], "batch_size": 8}},
    ],
)
def test_what_determines_the_result_counts(changed: dict[str, Any]) -> None:
    assert identity({**CONFIG, **changed}, **FACTS) != identity(CONFIG, **FACTS)


@pytest.mark.parametrize("fact", FACTS)
def test_backend_precision_and_data_count(fact: str) -> None:
    assert identity(CONFIG, **{**FACTS, fact: "another"}) != identity(CONFIG, **FACTS)


def test_a_change_of_results_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(CONFIG, **FACTS)
    monkeypatch.setattr("src.runs.identity.RESULTS_VERSION", -1)
    assert identity(CONFIG, **FACTS) != before


def test_dropout_between_layers_is_drawn_in_another_order_than_it_was() -> None:
    """Runs from before, whose masks were others, are not taken for the same; those without it keep their identity."""
    as_it_was = {"num_layers": 2, "dropout": 0.5}
    assert identity({**CONFIG, "model": as_it_was}, **FACTS) != "6f1facf43565a6c4"
    assert planned_identity({**CONFIG, "model": as_it_was}) != "028179af1b858cf0"
    for model, frozen in (
        ({"num_layers": 2, "dropout": 0.0}, "50661e0bbd0d65cc"),
        ({"num_layers": 1, "dropout": 0.5}, "053c2b420a11f7ca"),
    ):
        assert planned_identity({**CONFIG, "model": model}) == frozen


def test_the_order_of_keys_does_not_count() -> None:
    assert identity(dict(reversed(CONFIG.items())), **FACTS) == identity(CONFIG, **FACTS)


def test_of_a_width_and_a_budget_the_one_that_does_not_count_is_left_out() -> None:
    def name(**model: Any) -> str:
        return identity({**CONFIG, "model": model}, **FACTS)

    assert name(hidden_size=128, budget=None, budget_of="total") == identity(CONFIG, **FACTS)
    budget = {"budget": 900, "budget_of": "total"}
    assert name(hidden_size=7, **budget, budget_tolerance=0.1) == name(hidden_size=8, **budget)
    assert name(hidden_size=7, **budget) != name(hidden_size=7, **{**budget, "budget": 901})
    assert name(hidden_size=7, **budget) != name(hidden_size=7, **{**budget, "budget_of": "state"})
    assert name(hidden_size=7, **budget) != name(hidden_size=7)


def test_without_leaves_the_original_as_it_was() -> None:
    assert without(CONFIG, IGNORED_KEYS)["data"] == {"name": "JapaneseVowels", "batch_size": 16}
    assert CONFIG["data"]["data_dir"] == "here"


def test_what_changes_no_number_is_what_it_was() -> None:
    """A key that moves to the other side changes what counts as the same run."""
    outermost = {key for key in IGNORED_KEYS if not any(key.startswith(f"{other}.") for other in IGNORED_KEYS)}
    assert outermost == {
        *(
            "paths",
            "logger",
            "name",
            "tags",
            "optimized_metric",
            "study_job",
            "ckpt",
            "overwrite",
            "tuned",
            "hydra",
            "model.budget_tolerance",
        ),
        *("data.data_dir", "data.cache_dir", "data.path", "data.num_workers"),
        *("trainer.enable_progress_bar", "trainer.profiler", "trainer.log_every_n_steps"),
        *("trainer.detect_anomaly", "trainer.inference_mode", "trainer.enable_autolog_hparams"),
        "trainer.reload_dataloaders_every_n_epochs",
        *("callbacks.progress", "callbacks.last", "callbacks.explain"),
    }


def test_what_names_a_place_and_what_only_reading_depends_on() -> None:
    data = {key for key in keys_of() if key.startswith("data.")}
    assert {key for key in data if effect_of(key) is READING} == {
        f"data.{name}"
        for name in ("batch_size", "eval_batch_size", "seed", "pool", "chunk", "train_sequences", "train_steps")
    }
    places = ("paths.run_dir", "paths", "data.data_dir", "data.cache_dir", "hydra.sweep.dir", "logger", "logger.mine")
    assert {effect_of(key) for key in places} == {PLACE}
    assert effect_of("data.path") is FILE
    assert effect_of("model.their_own") is RESULT


NETWORK = "from {package}helper import gain\n\nclass Net:\n    def forward(self, x):\n        return {change}gain * x\n"


@pytest.mark.parametrize("package", ["", "nested"])
def test_the_source_of_a_class_of_the_users_own_counts_and_is_read_without_importing_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / package
    folder.mkdir(exist_ok=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = f"{package}.their_net" if package else "their_net"
    config = {**CONFIG, "model": {"_target_": f"{module}.Net"}, "logger": {"_target_": "their_logger.Log"}}

    def written(change: str = "", gain: int = 2) -> tuple[str, str]:
        stops = "raise SystemExit('imported')\n"
        (folder / "their_net.py").write_text(stops + NETWORK.format(package="." * bool(package), change=change))
        (folder / "helper.py").write_text(f"import os, torch\n{stops}gain = {gain}\n")
        (tmp_path / "their_logger.py").write_text(f"# {change}")  # affects no result
        sources = sources_of(config)
        assert list(sources) == ["model"]
        return identity(config, **FACTS, sources=sources), planned_identity(config, sources=sources)

    if package:
        (folder / "__init__.py").write_text("raise SystemExit('imported')")
    first = written()
    assert written() == first
    assert len({first, written(change="0 * "), written(gain=3)}) == 3
    assert first[0] != identity(config, **FACTS)
    assert not {"helper", "their_net", "nested"} & sys.modules.keys()


def test_no_source_of_shipped_or_installed_classes_counts(tmp_path: Path) -> None:
    installed = ("src.recurrent.GRU", "torch.optim.Adam", "numpy.random.Generator", "json.JSONDecoder", "no_such.Class")
    assert sources_of({f"key{k}": {"_target_": target} for k, target in enumerate(installed)}) == {}


def test_a_process_goes_by_the_source_that_it_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit counts once the module is loaded again, not while the process still computes with the old code."""
    monkeypatch.syspath_prepend(str(tmp_path))
    file, config = tmp_path / "their_imported.py", {"model": {"_target_": "their_imported.Net"}}
    file.write_text("class Net:\n    def forward(self, x):\n        return x\n")
    first = sources_of(config)
    module = importlib.import_module("their_imported")
    note_imported(config, first)
    file.write_text("class Net:\n    def forward(self, x):\n        return 2 * x  # changed\n")
    assert sources_of(config) == first
    importlib.reload(module)
    assert sources_of(config) != first
