"""What every data module says of its splits: which items make them, and what trivial predictors reach on validation."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import wavfile

from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.module import SequenceData
from src.data.own.csv import CSV
from src.data.own.npz import NPZ
from src.data.own.text import Text
from src.data.own.wav_folder import WavFolder
from src.data.sets.ett import ETT
from src.data.sets.images import SequentialMNIST
from src.data.sets.music import Music
from src.data.sets.shakespeare import Shakespeare
from src.data.sets.spoken_digits import SpokenDigits, SpokenDigitsWaveform
from src.data.sets.synthetic import Adding, CopyMemory
from src.data.sets.ucr import UCR
from tests.data.real import DATA

HELD_OUT = ("val", "test")
RNG = np.random.default_rng(0)


def groups(folder: Path) -> Path:
    names = np.repeat([f"g{k}" for k in range(30)], 4)
    frame = pd.DataFrame({"take": names, "u": RNG.normal(size=120), "kind": np.where(names < "g2", "a", "b")})
    frame.to_csv(folder / "mine.csv", index=False)
    return folder / "mine.csv"


def table(folder: Path) -> Path:
    times = pd.date_range("2020-01-01", periods=200, freq="h")
    pd.DataFrame({"time": times, "load": RNG.normal(size=200).round(3)}).to_csv(folder / "load.csv", index=False)
    return folder / "load.csv"


def arrays(folder: Path, **more: np.ndarray) -> Path:
    np.savez(folder / "mine.npz", **{"x": RNG.normal(size=(30, 5, 2)), "y": np.arange(30) % 3, **more})
    return folder / "mine.npz"


def play(folder: Path) -> Path:
    (folder / "play.txt").write_text("to be or not to be\n" * 30)
    return folder / "play.txt"


def documents(folder: Path) -> Path:
    for k in range(12):
        (folder / f"{k}.txt").write_text("to be or not to be\n" * (k + 1))
    return folder


def sounds(folder: Path) -> Path:
    for k in range(12):
        (folder / "ab"[k % 2]).mkdir(exist_ok=True)
        wavfile.write(folder / "ab"[k % 2] / f"{k}.wav", 8000, RNG.integers(-999, 999, 500 + k).astype(np.int16))
    return folder


def sound(folder: Path) -> Path:
    wavfile.write(folder / "one.wav", 8000, RNG.integers(-999, 999, 2000).astype(np.int16))
    return folder / "one.wav"


Make = Callable[..., SequenceData]
# Whether chance makes the test set, and how to build it from a folder.
FORMS: dict[str, tuple[bool, Callable[[Path], Make]]] = {
    "csv groups": (True, lambda f: lambda **k: CSV(path=str(groups(f)), group_column="take", target="kind", **k)),
    "csv series": (False, lambda f: lambda **k: CSV(path=str(table(f)), lookback=12, horizon=4, **k)),
    "npz": (True, lambda f: lambda **k: NPZ(path=str(arrays(f)), **k)),
    "text": (False, lambda f: lambda **k: Text(path=str(play(f)), chunk=9, **k)),
    "texts": (True, lambda f: lambda **k: Text(path=str(documents(f)), splits=[0.5, 0.25, 0.25], chunk=9, **k)),
    "wav": (False, lambda f: lambda **k: WavFolder(path=str(sound(f)), **k)),
    "wavs": (True, lambda f: lambda **k: WavFolder(path=str(sounds(f)), splits=[0.5, 0.25, 0.25], **k)),
    "wav classes": (
        True,
        lambda f: lambda **k: WavFolder(path=str(sounds(f)), task="classification", splits=[0.4, 0.3, 0.3], **k),
    ),
    "adding": (True, lambda f: lambda **k: Adding(length=9, sizes=(20, 8, 7), **k)),
    "copy_memory": (True, lambda f: lambda **k: CopyMemory(length=9, sizes=(20, 8, 7), **k)),
}
NAMED: dict[str, tuple[str, Callable[..., SequenceData]]] = {
    "ucr": ("", UCR),  # comes with sktime
    "jsb": ("music/JSB_Chorales.mat", lambda **k: Music(name="jsb_chorales", **k)),
    "ett": ("ett/ETTh1.csv", lambda **k: ETT(name="ett_h1", **k)),
    "shakespeare": ("shakespeare/input.txt", lambda **k: Shakespeare(chunk=100, **k)),
    "mnist": ("mnist/train-images-idx3-ubyte.gz", SequentialMNIST),
    "fsdd": ("fsdd/v1.0.10.tar.gz", SpokenDigits),
    "fsdd_waveform": ("fsdd/v1.0.10.tar.gz", SpokenDigitsWaveform),
}


def told(make: Make, **keywords: Any) -> tuple[SequenceData, dict[str, list[Any]]]:
    global RNG
    RNG = np.random.default_rng(0)  # the same files every time
    data = make(**keywords)
    data.setup()
    return data, {name: items.tolist() for name, items in data.items.items()}


def check(data: SequenceData) -> None:
    assert list(data.items) == ["train", "val", "test"]
    for name, items in data.items.items():
        assert items.shape == (len(data.splits[name]),)
        assert items.dtype == np.int64 or items.dtype.kind == "U"
        assert len(set(items.tolist())) == len(items)
        assert data.origins(name)["item"] is items
    assert data.val_baselines.keys() == data.baselines.keys() != set()


@pytest.mark.parametrize("form", FORMS)
def test_every_seed_has_the_same_items_and_split_seed_changes_them(form: str, tmp_path: Path) -> None:
    by_chance, make = FORMS[form]
    first, items = told(make(tmp_path))
    check(first)
    second, same = told(make(tmp_path), seed=1)
    assert same == items
    assert second.checksum == first.checksum
    other, drawn = told(make(tmp_path), split_seed=1)
    assert (other.checksum != first.checksum) == by_chance
    if by_chance and form not in ("adding", "copy_memory"):  # which are made up: the same places, other sequences
        assert sorted(drawn["test"]) != sorted(items["test"])


@pytest.mark.parametrize("name", NAMED)
def test_named_sets_say_their_items_too(name: str, places: Path) -> None:
    path, make = NAMED[name]
    if path and not (DATA / path).exists():
        pytest.skip(f"{DATA / path} is not here")
    data, _ = told(make, data_dir=str(DATA), cache_dir=str(places / "derived"))
    check(data)
    files = {name: set(items.tolist()) for name, items in data.items.items()}
    if name in ("ucr", "mnist", "fsdd", "fsdd_waveform"):  # validation is cut from the file of training
        assert not files["train"] & files["val"]
    if name == "ucr":
        counts = [torch.as_tensor(data.splits[split].targets) for split in ("train", "val")]  # type: ignore[attr-defined]
        most = counts[0].bincount().argmax()
        assert data.val_baselines["majority/acc"] == pytest.approx(float((counts[1] == most).double().mean()))


def test_an_item_is_the_sequence_that_it_names(tmp_path: Path) -> None:
    x = np.arange(30.0)[:, None, None] * np.ones((30, 5, 1))
    data, _ = told(lambda **k: NPZ(path=str(arrays(tmp_path, x=x)), standardise=False, **k))
    for name, items in data.items.items():
        assert items.tolist() == data.splits[name].values[::5, 0].tolist()  # type: ignore[attr-defined]


def test_a_window_is_known_by_its_first_row_and_its_series(tmp_path: Path) -> None:
    frame = pd.DataFrame({"load": np.arange(200.0), "house": ["b"] * 120 + ["a"] * 80})
    frame.to_csv(tmp_path / "houses.csv", index=False)
    data = CSV(path=str(tmp_path / "houses.csv"), task="forecasting", group_column="house", lookback=8, horizon=4)
    data.setup()
    origins = data.origins("test")
    assert {name: set(origins[name].tolist()) for name in ("lookback", "horizon")} == {"lookback": {8}, "horizon": {4}}
    # The last 15 % of 120 and of 80 rows, each with the forecasts that begin in them.
    assert np.bincount(origins["series"]).tolist() == [18 - 3, 12 - 3]
    first = torch.stack([data.splits["test"][torch.tensor([row])].x[0, 0, 0] for row in range(len(origins["item"]))])
    assert data.scaling is not None
    mean, scale = data.scaling.mean[origins["series"], 0], data.scaling.scale[origins["series"], 0]
    np.testing.assert_allclose(first.numpy() * scale + mean, origins["item"], atol=1e-3)


@pytest.mark.parametrize(
    "arrays_of",
    [
        lambda rng: {"y": rng.integers(0, 3, 60)},
        lambda rng: {"y": rng.normal(size=60)},
        lambda rng: {"y": rng.integers(0, 3, (60, 5))},
        lambda rng: {"x": rng.integers(0, 4, (60, 5))},
        lambda rng: {"x": rng.integers(0, 2, (60, 5, 3)).astype(float)},
    ],
    ids=["classification", "regression", "per_step", "language_model", "music"],
)
def test_baselines_change_places_with_the_splits(arrays_of: Any, tmp_path: Path) -> None:
    made = {"x": RNG.normal(size=(60, 5, 2)), **arrays_of(np.random.default_rng(1))}
    words = np.repeat(["train", "val", "test"], [40, 12, 8])
    swapped = np.repeat(["train", "test", "val"], [40, 12, 8])
    reached = []
    for which in (words, swapped):
        np.savez(tmp_path / "mine.npz", **made, which=which)
        data = NPZ(path=str(tmp_path / "mine.npz"), splits="which")
        data.setup()
        reached.append((data.val_baselines, data.baselines))
    assert reached[0] == reached[1][::-1]
    assert reached[0][0] != reached[0][1]


@pytest.mark.parametrize("form", ["texts", "wavs", "wav classes"])
def test_baselines_of_files_change_places_with_the_splits(form: str, tmp_path: Path) -> None:
    names = {"train": 6, "val": 4, "test": 2}
    folder, k = tmp_path / "all", 0
    for split, number in names.items():
        for _ in range(number):
            k += 1
            place = folder / split / ("a" if k % 3 else "b")
            place.mkdir(parents=True, exist_ok=True)
            if form == "texts":
                (place / f"{k}.txt").write_text("to be or not to be\n" * k + "that is the question" * (k % 3))
            else:
                sizes = RNG.integers(-900 - k, 900, 600 + 31 * k)
                wavfile.write(place / f"{k}.wav", 8000, sizes.astype(np.int16))
    make = {
        "texts": lambda: Text(path=str(folder), chunk=9),
        "wavs": lambda: WavFolder(path=str(folder)),
        "wav classes": lambda: WavFolder(path=str(folder), task="classification"),
    }[form]
    first = make()
    first.setup()
    for old, new in (("val", "away"), ("test", "val"), ("away", "test")):
        shutil.move(folder / old, folder / new)
    second = make()
    second.setup()
    assert (first.val_baselines, first.baselines) == (second.baselines, second.val_baselines)
    assert first.val_baselines != first.baselines
    assert first.checksum != second.checksum


def test_naive_forecasts_are_made_of_validation_too(tmp_path: Path) -> None:
    """A series that stands still in validation and climbs by one a row in test."""
    load = np.concatenate([RNG.normal(size=140), np.full(30, 1.5), np.arange(30.0)])
    pd.DataFrame({"load": load}).to_csv(tmp_path / "load.csv", index=False)
    data = CSV(path=str(tmp_path / "load.csv"), splits=[140, 30, 30], lookback=1, horizon=2)
    data.setup()
    still, first = 29 * 2 - 2, abs(1.5 - load[139])  # all but the two forecasts from the last training row are right
    assert data.val_baselines["naive/mae_unit"] == pytest.approx(2 * first / (still + 2), rel=1e-4)
    assert data.baselines["naive/mae_unit"] == pytest.approx((28 * (1 + 2) + 1.5 + 0.5) / 58, rel=1e-4)


class Nameless(SequenceData):
    """A class of the user's that splits by its own chance and names no items."""

    def read(self) -> Description:
        values = torch.arange(40.0)[torch.randperm(40, generator=torch.Generator().manual_seed(self.seed))]
        for name, piece in zip(("train", "val", "test"), values.split([20, 10, 10]), strict=True):
            self.splits[name] = FlatSplit(piece[:, None], torch.ones(len(piece)).long(), (piece > 20).long())
        return Description(Features(1), Classes(("low", "high")), False, False, False)


def test_sequences_without_names_are_told_apart_by_what_they_hold() -> None:
    (one, a), (_, b), (other, c) = (told(Nameless, seed=seed) for seed in (0, 0, 1))
    assert a == b
    assert set(a) == {"val", "test"}
    assert sorted(a["test"]) != sorted(c["test"])
    assert one.checksum != other.checksum
    value = float(one.splits["test"].values[3, 0])  # type: ignore[attr-defined]
    everywhere = {float(v): item for d, i in ((one, a), (other, c)) for v, item in _by_value(d, i)}
    assert everywhere[value] == a["test"][3]


def _by_value(data: SequenceData, items: dict[str, list[str]]) -> list[tuple[float, str]]:
    values = {name: data.splits[name].values[:, 0].tolist() for name in HELD_OUT}  # type: ignore[attr-defined]
    return [pair for name in HELD_OUT for pair in zip(values[name], items[name], strict=True)]
