"""The user's own arrays: which task they are for, how they are scaled and shared out, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from src.config.errors import UserError
from src.data.baselines import piano_rolls
from src.data.describe import Bits, Classes, Features, Horizon, Tokens, Values
from src.data.own.labelled import UNLABELLED
from src.data.own.npz import NPZ
from src.tasks.per_step import PerStepClassification
from tests.tasks.tiny import measure
from tests.tasks.tiny import task as build

N, TIME, WIDTH = 40, 7, 3


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, TIME, WIDTH)).astype("f4") * [1, 10, 0.1] + [5, 0, 1]


@pytest.fixture
def lengths() -> np.ndarray:
    return np.random.default_rng(1).integers(2, TIME + 1, N)


LABELS = np.arange(N) % 4


def data(folder: Path, options: dict[str, Any] | None = None, **arrays: Any) -> NPZ:
    np.savez(folder / "mine.npz", **arrays)
    return NPZ(path=str(folder / "mine.npz"), **(options or {}))


@pytest.mark.parametrize(
    ("y", "kind", "output", "per_step"),
    [
        (LABELS, "classification", Classes(("0", "1", "2", "3")), False),
        (LABELS[:, None], "classification", Classes(("0", "1", "2", "3")), False),
        (np.array(["ten", "two", "ten", "nine"])[LABELS], "classification", Classes(("nine", "ten", "two")), False),
        (np.array([10, 2, 9, -1])[LABELS], "classification", Classes(("-1", "2", "9", "10")), False),
        (LABELS == 0, "classification", Classes(("False", "True")), False),
        (LABELS * 1.5, "regression", Values, False),
        (np.ones((N, 2)) * LABELS[:, None] * 1.5, "regression", Values, False),
        (np.tile(LABELS[:, None], TIME), "per_step", Classes(("0", "1", "2", "3")), True),
        (np.tile(LABELS[:, None] / 2, TIME), "per_step_regression", Values, True),
        (np.tile(LABELS[:, None, None] / 2, (1, TIME, 2)), "per_step_regression", Values, True),
    ],
)
def test_the_task_follows_from_y(tmp_path, x, lengths, y, kind, output, per_step):
    built = data(tmp_path, x=x, y=y, lengths=lengths)
    description = built.description
    assert built.kind == kind
    assert kind in str(built.notes["note_1"])
    assert description.output == output if isinstance(output, Classes) else isinstance(description.output, output)
    assert (description.per_step, description.varying_length, description.causal) == (per_step, True, False)
    batch = built.splits["train"][torch.tensor([0, 1])]
    assert batch.x.shape[::2] == (2, WIDTH)
    assert batch.y.shape[1:2] == (batch.x.shape[1:2] if per_step else batch.y.shape[1:2])


def test_every_sequence_keeps_its_steps_and_its_target(tmp_path, x, lengths):
    built = data(tmp_path, x=x, y=np.arange(N) / 7, lengths=lengths)
    output, seen = built.description.output, {}
    for name in ("train", "val", "test"):
        split = built.splits[name]
        for row in range(len(split)):
            batch = split[torch.tensor([row])]
            number = round((float(batch.y) * output.scale[0] + output.mean[0]) * 7)
            own = batch.x[0].double().numpy() * built.scaling.scale + built.scaling.mean
            np.testing.assert_allclose(own, x[number, : lengths[number]], rtol=1e-4, atol=1e-5)
            seen[number] = name
    assert sorted(seen) == list(range(N))
    rows = np.concatenate([x[k, : lengths[k]] for k, name in seen.items() if name == "train"])
    np.testing.assert_allclose(built.scaling.mean, rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(built.scaling.scale, rows.std(0), rtol=1e-6)


def test_x_is_left_alone_where_that_is_wished(tmp_path, x):
    built = data(tmp_path, {"standardise": False}, x=x, y=LABELS)
    built.setup()
    assert any(np.allclose(built.splits["train"][torch.tensor([0])].x[0], row) for row in x)


def test_real_numbers_without_a_third_dimension_are_one_feature(tmp_path, x):
    assert data(tmp_path, x=x[:, :, 0], y=LABELS).description.input == Features(1)


def test_nan_at_the_end_shortens_a_sequence(tmp_path, x, lengths):
    padded = x.copy()
    for row, length in enumerate(lengths):
        padded[row, length:] = np.nan
    built, given = data(tmp_path, x=padded, y=LABELS), None
    built.setup()
    given = data(tmp_path, x=x, y=LABELS, lengths=lengths)
    given.setup()
    assert torch.equal(built.splits["test"].values, given.splits["test"].values)
    assert "was read as padding" in str(built.notes)


def test_what_stands_past_a_length_is_never_looked_at(tmp_path, x, lengths):
    padded = x.copy()
    for row, length in enumerate(lengths):
        padded[row, length:] = np.inf
    given, clean = (data(tmp_path, x=each, y=LABELS, lengths=lengths) for each in (padded, x))
    np.savez(tmp_path / "mine.npz", x=padded, y=LABELS, lengths=lengths)
    given.setup()
    np.savez(tmp_path / "mine.npz", x=x, y=LABELS, lengths=lengths)
    clean.setup()
    assert torch.equal(given.splits["train"].values, clean.splits["train"].values)
    assert given.checksum == clean.checksum


def test_tokens(tmp_path, lengths):
    x = np.random.default_rng(0).integers(0, 9, (N, TIME))
    x[0, 0] = 8
    description = data(tmp_path, x=x, lengths=lengths).description
    assert description.input == Tokens(9)
    assert description.output.size == 9
    assert description.causal
    assert description.per_step
    built = data(tmp_path, x=x, y=LABELS, lengths=lengths)
    assert built.description.input == Tokens(9)
    assert built.description.output == Classes(("0", "1", "2", "3"))
    batch = built.splits["train"][torch.tensor([0])]
    assert batch.x.dtype == torch.int64
    next_token = data(tmp_path, x=x, lengths=lengths)
    next_token.setup()
    batch = next_token.splits["val"][torch.tensor([1])]
    assert torch.equal(batch.x[0, 1:], batch.y[0, :-1])
    assert {"unigram/nll", "bigram/nll"} <= set(next_token.baselines)


def test_series_without_y_are_forecast(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 100, 3))
    built = data(tmp_path, {"lookback": 5, "horizon": 2}, x=x)
    assert isinstance(built.description.output, Horizon)
    assert [len(built.splits[p]) for p in ("train", "val", "test")] == [2 * 64, 2 * 14, 2 * 14]
    np.savez(tmp_path / "new.npz", x=x[:1, :30])
    new = built.new_data(str(tmp_path / "new.npz"))
    expected = (x[0, 25:30] - x[0, :30].mean(0)) / x[0, :30].std(0)  # a series without a name is a new one
    np.testing.assert_allclose(new.split[torch.tensor([0])].x[0], expected, rtol=1e-4)


def test_splits_can_be_stated_by_a_key_or_by_files(tmp_path, x):
    fold = np.array(["train"] * 30 + ["val"] * 4 + ["test"] * 6)
    built = data(tmp_path, {"splits": "fold"}, x=x, y=LABELS, fold=fold)
    built.setup()
    np.savez(tmp_path / "v.npz", x=x[30:34], y=LABELS[30:34])
    np.savez(tmp_path / "t.npz", x=x[34:], y=LABELS[34:])
    files = [str(tmp_path / "v.npz"), str(tmp_path / "t.npz")]
    apart = data(tmp_path, {"splits": files}, x=x[:30], y=LABELS[:30])
    apart.setup()
    for name, number in (("train", 30), ("val", 4), ("test", 6)):
        assert len(built.splits[name]) == number
        assert torch.equal(built.splits[name].values, apart.splits[name].values)
        assert torch.equal(built.splits[name].targets, apart.splits[name].targets)
    with pytest.raises(UserError, match=r"data\.splits=flod is not an array of .* \(did you mean fold\?\)"):
        data(tmp_path, {"splits": "flod"}, x=x, y=LABELS, fold=fold).setup()
    with pytest.raises(UserError, match=r"fold must have 40 entries train, val or test, got shape \(39,\)"):
        data(tmp_path, {"splits": "fold"}, x=x, y=LABELS, fold=fold[:-1]).setup()


def test_a_task_that_is_given_wins_where_it_fits(tmp_path, x):
    assert data(tmp_path, {"task": "regression"}, x=x, y=LABELS).description.output.size == 1
    assert data(tmp_path, {"task": "classification"}, x=x, y=LABELS * 1.0).description.output.names == (
        "0",
        "1",
        "2",
        "3",
    )
    for task, arrays, words in (
        ("per_step", {"y": LABELS}, r"needs y of shape \(n, time\)"),
        ("classification", {}, r"needs y of shape \(n,\)"),
        ("language_model", {"y": LABELS}, "needs x of whole numbers"),
        ("regression", {"y": LABELS.astype(str)}, "needs numbers in y"),
    ):
        with pytest.raises(UserError, match=words):
            data(tmp_path, {"task": task}, x=x, **arrays).setup()
    with pytest.raises(UserError, match="must be one of classification, per_step"):
        NPZ(path="x.npz", task="clustering")


def _with(array: np.ndarray, where: Any, value: float) -> np.ndarray:
    array = array.copy()
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: {"y": LABELS}, "has no array x; it has y"),
        (lambda x: {"x": x[0, 0], "y": LABELS}, r"got shape \(3,\)"),
        (lambda x: {"x": x.astype(str), "y": LABELS}, "and hold numbers"),
        (lambda x: {"x": _with(x, (3, 4, 1), np.nan), "y": LABELS}, r"x\[3, 4, 1\] is nan"),
        (lambda x: {"x": _with(x, (3, 4, 1), np.inf), "y": LABELS}, r"x\[3, 4, 1\] is inf"),
        (lambda x: {"x": x, "y": LABELS[:-1]}, r"y must hold 40 numbers or texts, .* got shape \(39,\)"),
        (lambda x: {"x": x, "y": np.zeros((N, 3, 2))}, r"must have shape \(40, 7, values\)"),
        (lambda x: {"x": x, "y": _with(LABELS / 2, 5, np.nan)}, r"y\[5, 0, 0\] is nan"),
        (lambda x: {"x": x, "y": LABELS, "lengths": np.full(N, 8)}, r"lengths\[0\] is 8, but x has 7 steps"),
        (lambda x: {"x": x, "y": LABELS, "lengths": _with(np.full(N, 7), 9, 0)}, r"lengths\[9\] is 0"),
        (lambda x: {"x": x, "y": LABELS, "lengths": np.full(N, 2.5)}, "40 whole numbers"),
        (lambda x: {"x": x, "y": LABELS, "lengths": np.full(N - 1, 2)}, "40 whole numbers"),
        (lambda x: {"x": np.full((N, TIME), -1), "y": LABELS}, r"x\[0, 0\] is -1, but tokens"),
        (lambda x: {"x": np.full((N, TIME), 2**40)}, r"x\[0, 0\] is 1099511627776, but tokens .* below 1,048,576"),
        (lambda x: {"x": np.full((N, TIME), 2**64 - 1, "u8")}, r"x\[0, 0\] is 18446744073709551615, but tokens"),
        (lambda x: {"x": x, "y": LABELS, "lengths": np.full(N, 2**64 - 1, "u8")},
         r"lengths\[0\] is 18446744073709551615"),
        (lambda x: {"x": x, "y": LABELS, "lengths": np.full(N, 1e300)}, r"lengths\[0\] is 1e\+300, but x has 7 steps"),
        (lambda x: {"x": x, "y": LABELS, "lengths": np.full(N, 3 + 0j)}, "40 whole numbers"),
        (lambda x: {"x": x, "y": np.array([b"\xe9", b"a"] * 20)}, "y has bytes that are not UTF-8"),
        (lambda x: {"x": x, "y": np.array([{}] * N, dtype=object)}, r"y is an array of .* save y\.astype\(str\)"),
        (lambda x: {"x": np.array([x[0], x[1, :3]], dtype=object), "y": LABELS}, "x is an array of Python .* np.savez"),
        (lambda x: {"x": x, "y": np.eye(N, 3, dtype=int)}, r"y of shape \(n,\), .* \(its y has 3 values per row\)"),
        (lambda x: {"x": x, "y": LABELS * 0}, "only one class, 0"),
        (lambda x: {"x": x * 1e200, "y": LABELS}, "too large to standardise"),
        (lambda x: {"x": x, "y": LABELS, "s": np.arange(N)}, r"s\[0\] must be train, val or test, got '0'"),
        (lambda x: {"x": x, "y": _with(LABELS, 1, 9), "s": np.array(["train", "val", "test", *["train"] * 37])},
         "class 9 is missing from train"),
    ],
)  # fmt: skip
def test_what_is_broken_is_refused_in_a_sentence(tmp_path, x, change, words):
    arrays = change(x)
    with pytest.raises(UserError, match=words):
        data(tmp_path, {"splits": "s"} if "s" in arrays else {}, **arrays).setup()


def test_arrays_of_other_names_are_not_looked_at(tmp_path, x):
    np.savez(tmp_path / "mine.npz", x=x, y=LABELS, meta=np.array([{}], dtype=object))
    NPZ(path=str(tmp_path / "mine.npz")).setup()


def test_a_file_that_is_none_is_refused(tmp_path, x):
    with pytest.raises(UserError, match="does not exist"):
        NPZ(path=str(tmp_path / "none.npz")).setup()
    (tmp_path / "mine.npz").write_text("a,b\n")
    with pytest.raises(UserError, match=r"is not an \.npz file, or is damaged"):
        NPZ(path=str(tmp_path / "mine.npz")).setup()
    np.savez(tmp_path / "mine.npz", x=x, y=LABELS)
    (tmp_path / "mine.npz").write_bytes((tmp_path / "mine.npz").read_bytes()[:500])
    with pytest.raises(UserError, match="damaged"):
        NPZ(path=str(tmp_path / "mine.npz")).setup()


def test_new_files_are_read_with_what_was_fitted_and_refused_where_they_do_not_fit(tmp_path, x, lengths, caplog):
    built = data(tmp_path, x=x, y=np.array(["a", "b"])[LABELS % 2], lengths=lengths)
    built.setup()
    np.savez(tmp_path / "new.npz", x=x[:2] * 100, lengths=[3, 4])
    new = built.new_data(str(tmp_path / "new.npz"))
    assert (new.names, new.labelled) == (["0", "1"], False)
    expected = (x[1, :4] * 100 - built.scaling.mean) / built.scaling.scale
    np.testing.assert_allclose(new.split[torch.tensor([1])].x[0], expected, rtol=1e-4)
    np.savez(tmp_path / "new.npz", x=x[:2], y=["b", "a"])
    assert built.new_data(str(tmp_path / "new.npz")).split.targets.tolist() == [1, 0]
    np.savez(tmp_path / "new.npz", x=x[:2], y=["b", "c"])
    with caplog.at_level("INFO"):
        assert built.new_data(str(tmp_path / "new.npz")).split.targets.tolist() == [1, UNLABELLED]
    assert "The class c (1 time) is unknown to the run and is not scored; known are a, b." in caplog.text
    for arrays, words in (
        ({"x": x[:2, :, :2]}, "x has 2 features, but the run reads 3"),
        ({"x": np.ones((2, 3), int)}, "trained on real numbers"),
    ):
        np.savez(tmp_path / "new.npz", **arrays)
        with pytest.raises(UserError, match=words):
            built.new_data(str(tmp_path / "new.npz"))
    tokens = data(tmp_path, x=np.random.default_rng(0).integers(0, 5, (N, TIME)))
    tokens.setup()
    np.savez(tmp_path / "new.npz", x=np.full((2, 3), 5))
    with pytest.raises(UserError, match="x has the token 5, but the vocabulary of the run has only tokens below 5"):
        tokens.new_data(str(tmp_path / "new.npz"))


def test_a_piano_roll_is_music(tmp_path):
    """The same splits, targets and baselines as data=jsb_chorales makes of the same pieces."""
    drawn = np.random.default_rng(0)
    lengths = drawn.integers(3, 9, size=20)
    x = (drawn.random((20, 8, 12)) < 0.3).astype(np.uint8)
    inside = np.arange(8) < lengths[:, None]
    x[~inside] = 0
    fold = np.array(["train"] * 10 + ["val"] * 5 + ["test"] * 5)
    np.savez(tmp_path / "a.npz", x=x, lengths=lengths, part=fold)
    rolls = NPZ(path=str(tmp_path / "a.npz"), splits="part", batch_size=4)
    assert rolls.description.output == Bits(12)
    assert rolls.description.causal
    pieces = [roll[:length] for roll, length in zip(x, lengths, strict=True)]
    assert rolls.baselines == piano_rolls(pieces[:10], pieces[15:])
    batch = next(iter(rolls.test_dataloader()))
    row = int(batch.rows[0])
    length = int(batch.lengths[0])
    np.testing.assert_array_equal(batch.x[0, :length], pieces[15 + row][:-1])
    np.testing.assert_array_equal(batch.y[0, :length], pieces[15 + row][1:])
    np.savez(tmp_path / "b.npz", x=x * 0.5)
    with pytest.raises(UserError, match=r"data\.task=music needs x of zeros and ones"):
        NPZ(path=str(tmp_path / "b.npz"), task="music").description  # noqa: B018  (reading is what refuses)


def test_arrays_that_are_not_read_are_named(tmp_path, x):
    built = data(tmp_path, x=x, y=LABELS, lens=np.full(N, 3))
    assert built.description.per_step is False
    assert "Ignored arrays: lens; only x, y and lengths are read." in built.notes.values()


def test_labels_are_text_in_utf_8_where_they_are_bytes(tmp_path, x):
    built = data(tmp_path, x=x, y=np.array(["blé".encode(), b"orge"] * (N // 2)))
    assert built.description.output == Classes(("blé", "orge"))


def test_two_shares_are_no_times(tmp_path, x):
    with pytest.raises(UserError, match=r"data\.splits must be three fractions"):
        data(tmp_path, {"splits": [0.5, 0.5]}, x=x, y=LABELS).setup()


# ---------------------------------------------------------------------------------------------- steps without a label


@pytest.mark.parametrize(("mark", "options"), [(-100, {}), (-1, {"unlabelled": -1})])
def test_unlabelled_steps_count_neither_in_loss_nor_metric(tmp_path, x, mark, options):
    y = np.random.default_rng(2).integers(0, 3, (N, TIME))
    y[:, ::3] = mark
    y[4] = mark  # and a sequence without any label
    built = data(tmp_path, options, x=x, y=y)
    assert built.description.output == Classes(("0", "1", "2"))
    items = np.concatenate([built.items[name] for name in ("train", "val", "test")])
    assert sorted(items) == [k for k in range(N) if k != 4]
    module = build(PerStepClassification, built.description)
    found = measure(module, built)

    rows = built.items["test"]
    scaled = built.inputs("per_step", x.reshape(-1, WIDTH).astype(float)).view(N, TIME, WIDTH)[rows]
    target = torch.from_numpy(np.where(y == mark, -100, y)[rows])
    with torch.no_grad():
        logits = module.head(module.network(scaled, None, lengths=None)[0])
    assert found["test/nll"] == pytest.approx(float(F.cross_entropy(logits.transpose(1, 2), target)), abs=1e-6)
    assert found["test/acc"] == pytest.approx(float((logits.argmax(-1) == target)[target >= 0].double().mean()))
    known = target[target >= 0]
    most = np.bincount(np.where(y == mark, 0, y + 1)[built.items["train"]].ravel())[1:].argmax()
    assert built.baselines["majority/acc"] == pytest.approx(float((known == most).double().mean()))
    assert any(f"steps with the label {mark}" in str(note) for note in built.notes.values())


def test_a_batch_without_a_label_trains_nothing(tmp_path, x):
    y = np.where(np.arange(TIME) < 3, -100, np.arange(N)[:, None] % 2)
    built = data(tmp_path, {"chunk": 3, "splits": [0.6, 0.2, 0.2]}, x=x, y=y)
    module = build(PerStepClassification, built.description)
    batch = next(iter(built.loader("train")))
    assert bool((batch.y < 0).all())
    loss = module.reduce(module.losses(batch))
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(float(p.grad.abs().sum()) == 0 for p in module.parameters() if p.grad is not None)


def test_a_label_of_minus_one_is_a_class_unless_it_is_said(tmp_path, x):
    y = np.where(np.arange(TIME) < 3, -1, np.arange(N)[:, None] % 2)
    built = data(tmp_path, x=x, y=y)
    assert built.description.output == Classes(("-1", "0", "1"))
    assert any("data.unlabelled=-1" in str(note) for note in built.notes.values())
    named = data(tmp_path, x=x, y=np.where(y < 0, "None", y.astype(str)))
    assert named.description.output == Classes(("0", "1", "None"))


def test_a_row_of_nan_alone_is_named(tmp_path, x):
    x[3] = np.nan
    with pytest.raises(UserError, match=r"x\[3\] is all NaN"):
        data(tmp_path, x=x, y=LABELS).setup()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_roll_with_velocities_is_read_as_notes_that_sound_and_it_is_said(tmp_path, dtype):
    rng = np.random.default_rng(0)
    notes = (rng.random((N, 9, 88)) < 0.1) * rng.integers(1, 128, (N, 9, 88))
    built = data(tmp_path, x=notes.astype(dtype))
    assert built.description.output == Bits(88)
    assert any("as velocities" in str(note) for note in built.notes.values())
    batch = built.splits["train"][torch.tensor([0])]
    np.testing.assert_array_equal(batch.x[0], (notes > 0)[built.items["train"][0], :-1])
    new = built.new_data(str(tmp_path / "mine.npz")).split
    np.testing.assert_array_equal(new[torch.tensor([5])].x[0], (notes > 0)[5, :-1])
