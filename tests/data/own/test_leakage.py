"""What belongs together stays in one part, and sequences that stand in two are found, said and flagged."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config.errors import UserError
from src.data.own.csv import CSV
from src.data.own.npz import NPZ
from src.data.own.text import Text

SUBJECTS = np.repeat([f"s{k}" for k in range(8)], 5)  # of 40 takes


def takes(**columns: np.ndarray) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"take": [f"t{k}" for k in range(40)], "kind": np.arange(40) % 2, "subject": SUBJECTS} | columns
    )
    return frame.loc[np.repeat(np.arange(40), 6)].assign(u=rng.normal(size=240), v=rng.normal(size=240))


def parts(built: CSV | NPZ) -> dict[str, set[str]]:
    """The subjects of each part."""
    _ = built.description
    number = {f"t{k}": k for k in range(40)}
    return {
        name: {SUBJECTS[number.get(item, item)] for item in built.items[name].tolist()}
        for name in ("train", "val", "test")
    }


def apart(of: dict[str, set[str]]) -> bool:
    sizes = [len(subjects) for subjects in of.values()]
    return min(sizes) > 0 and sum(sizes) == len(set.union(*of.values())) == 8


@pytest.mark.parametrize("seed", range(3))
def test_a_subject_stays_in_one_part(tmp_path, seed):
    takes().to_csv(tmp_path / "a.csv", index=False)
    options = {"path": str(tmp_path / "a.csv"), "group_column": "take", "target": "kind", "split_seed": seed}
    assert not apart(parts(CSV(**options)))
    built = CSV(split_by="subject", **options)
    assert apart(parts(built))
    assert built.roles.features == ["u", "v"]
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(40, 6, 2)), y=np.arange(40) % 2, who=SUBJECTS)
    assert apart(parts(NPZ(path=str(tmp_path / "a.npz"), split_by="who", split_seed=seed)))


def test_a_column_of_subjects_that_stand_in_several_parts_is_named(tmp_path):
    takes().to_csv(tmp_path / "a.csv", index=False)
    options = {"path": str(tmp_path / "a.csv"), "group_column": "take", "target": "kind"}
    words = "sequences of the same subject are in several splits; data.split_by=subject keeps them together"
    for more, said in (({}, True), ({"split_by": "subject"}, False)):
        built = CSV(**options, **more)
        built.setup()
        assert any(words in str(note) for note in built.notes.values()) is said


def test_a_split_that_tears_a_subject_apart_is_refused(tmp_path):
    fold = np.array(["train", "val", "test", "train", "test"] * 8)
    takes(fold=fold).to_csv(tmp_path / "a.csv", index=False)
    options = {"path": str(tmp_path / "a.csv"), "group_column": "take", "target": "kind", "split_by": "subject"}
    with pytest.raises(UserError, match=r"data\.splits has s0 in train and val and test"):
        CSV(splits="fold", **options).setup()
    takes(fold=np.repeat(["train", "val", "test", "train"], 10)).to_csv(tmp_path / "a.csv", index=False)
    assert apart(parts(CSV(splits="fold", **options)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split_by": "subjekt"}, r"data.split_by=subjekt is not a column of .* \(did you mean subject\?\)"),
        ({"split_by": "u"}, "the group t0 has two different values of u"),
        ({"split_by": "kind"}, "data.split_by has 2 values"),
    ],
)
def test_what_cannot_keep_together_is_refused(tmp_path, options, words):
    takes().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=words):
        CSV(path=str(tmp_path / "a.csv"), group_column="take", target="kind", features=["v"], **options).setup()
    np.savez(tmp_path / "a.npz", x=np.zeros((40, 6, 2)), y=np.arange(40) % 2, subject=SUBJECTS)
    with pytest.raises(UserError, match=r"data\.split_by=subjekt is not an array of .* \(did you mean subject\?\)"):
        NPZ(path=str(tmp_path / "a.npz"), split_by="subjekt").setup()


def test_sequences_in_two_parts_are_found(tmp_path, caplog):
    x = np.random.default_rng(0).normal(size=(40, 6, 2))
    fold = np.repeat(["train", "val", "test"], [20, 10, 10])
    x[[33, 36]] = x[[2, 5]]
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2, fold=fold)
    built = NPZ(path=str(tmp_path / "a.npz"), splits="fold")
    built.setup()
    assert built.leaked == {"test": [3, 6]}
    assert built.notes["test/leaked"] == 2
    assert "2 of 10 sequences of test are identical to a training sequence, e.g. 33" in caplog.text
    x[30:] = x[:10]
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2, fold=fold)
    built = NPZ(path=str(tmp_path / "a.npz"), splits="fold")
    built.setup()
    assert built.leaked == {}  # of which the loss without them would be one over nothing
    assert built.notes["test/leaked"] == 10


def test_documents_in_two_parts_are_found(tmp_path):
    for name, text in {"train": "to be or not", "val": "that is", "test": "to be or not"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(text)
    (tmp_path / "test" / "b.txt").write_text("or to be")
    built = Text(path=str(tmp_path), chunk=4)
    built.setup()
    assert built.leaked == {"test": [0]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(20, 60), min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_no_window_forecasts_rows_of_two_parts_or_two_series(tmp_path_factory, lengths, lookback, horizon, whole):
    place = tmp_path_factory.mktemp("series") / "a.csv"
    lengths = lengths if not whole else (lengths * 3)[: max(3, len(lengths))]
    series = np.repeat(np.arange(len(lengths)), lengths)
    pd.DataFrame({"site": series, "u": np.arange(len(series)) + 0.5}).to_csv(place, index=False)
    more = {"split_by": "site"} if whole else {}
    built = CSV(path=str(place), group_column="site", lookback=lookback, horizon=horizon, task="forecasting", **more)
    built.setup()
    part_of: dict[float, str] = {}
    for name in ("train", "val", "test"):
        split = built.splits[name]
        batch = split[torch.arange(len(split))]
        assert built.scaling is not None
        of = built.origins(name)["series"] if len(built.series_names) > 1 else np.zeros(len(split), int)
        mean, scale = (np.atleast_2d(values)[of, :1] for values in (built.scaling.mean, built.scaling.scale))
        rows = torch.cat([batch.x, batch.y], 1)[..., 0].double() * torch.from_numpy(scale) + torch.from_numpy(mean)
        numbers = (rows - 0.5).round().long()
        assert all(len(set(series[window].tolist())) == 1 for window in numbers.numpy())
        for row in numbers[:, lookback:].flatten().tolist():
            assert part_of.setdefault(row, name) == name
        if whole:
            assert len({name for name in (part_of.get(int(r)) for r in numbers.flatten()) if name} | {name}) == 1
