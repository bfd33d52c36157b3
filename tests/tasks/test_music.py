"""The pooled NLL of music is that of a plain loop, whatever the batches look like."""

import pytest
import torch

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Bits, Classes, Description, Features
from src.recurrent import GRU
from src.tasks.music import PolyphonicMusic
from tests.tasks.tiny import InMemory, measure, outputs, task

KEYS = 88
MUSIC = Description(Features(KEYS), Bits(KEYS), per_step=True, varying_length=True, causal=True)
LENGTHS = [2, 61, 5, 33, 120, 17, 8, 2, 75, 40, 3]


@pytest.fixture(scope="module")
def pieces() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.rand(n, KEYS, generator=generator) < 0.2).to(torch.uint8) for n in LENGTHS]


def data(pieces: list[torch.Tensor], **keywords: int) -> InMemory:
    frames, lengths = torch.cat(pieces), torch.tensor([len(piece) for piece in pieces])
    return InMemory(MUSIC, lambda: FlatSplit(frames, lengths, frames, per_step=True, shift=1), **keywords)


def ready(pieces: list[torch.Tensor]) -> FlatSplit:
    built = data(pieces)
    built.setup()
    return built.splits["test"]


@pytest.fixture(scope="module")
def looped(pieces: list[torch.Tensor]) -> dict[str, float]:
    """NLL and frame accuracy from the definitions, one piece at a time, in float64."""
    module = task(PolyphonicMusic, MUSIC)
    total, steps, hits, sounding, means = 0.0, 0, 0, 0, []
    for piece in pieces:
        p = torch.sigmoid(outputs(module, piece[:-1]))
        y = piece[1:].bool()
        nll = -torch.where(y, p, 1 - p).log().sum(1)
        total, steps = total + float(nll.sum()), steps + len(y)
        means.append(float(nll.mean()))
        says = p > 0.5
        hits, sounding = hits + int((says & y).sum()), sounding + int((says | y).sum())
    return {"nll": total / steps, "frame_acc": hits / sounding, "mean of means": sum(means) / len(means)}


@pytest.mark.parametrize(
    "keywords",
    [
        {"batch_size": 1, "eval_batch_size": 1},
        {"batch_size": 4, "eval_batch_size": 3},
        {"batch_size": 4, "eval_batch_size": 100},
        {"batch_size": 4, "eval_batch_size": 4, "chunk": 7},
    ],
)
def test_nll_and_frame_accuracy_equal_a_plain_loop(pieces, looped, keywords):
    module = task(PolyphonicMusic, MUSIC)
    for split in ("val", "test"):
        found = measure(module, data(pieces, **keywords), split)
        assert found[f"{split}/nll"] == pytest.approx(looped["nll"], abs=1e-6)
        assert found[f"{split}/loss"] == found[f"{split}/nll"]
        assert found[f"{split}/frame_acc"] == looped["frame_acc"]


@pytest.mark.parametrize("pool", [1, 2, 50])
def test_nll_does_not_depend_on_bucketing(pieces, looped, pool):
    """Shuffled training batches, counted as evaluation counts them."""
    module, loader = task(PolyphonicMusic, MUSIC).eval(), data(pieces, batch_size=4, pool=pool).train_dataloader()
    with torch.no_grad():
        found = [module.losses(batch) for batch in loader]
    loss, count = sum(float(f.loss.sum()) for f in found), sum(int(f.count.sum()) for f in found)
    assert count == sum(LENGTHS) - len(LENGTHS)
    assert loss / count == pytest.approx(looped["nll"], abs=1e-6)


def test_what_is_in_the_padding_does_not_matter(pieces, looped):
    module = task(PolyphonicMusic, MUSIC).eval()
    batch = ready(pieces)[torch.arange(len(pieces))]
    batch.y[~batch.mask] = 1
    batch.x[~batch.mask] = 7
    with torch.no_grad():
        found = module.losses(batch)
    assert float(found.loss.sum() / found.count.sum()) == pytest.approx(looped["nll"], abs=1e-6)
    assert int(found.sums["hits"].sum()) / int(found.sums["sounding"].sum()) == looped["frame_acc"]


def test_the_table_holds_every_piece(pieces, looped):
    module = task(PolyphonicMusic, MUSIC)
    measure(module, data(pieces, eval_batch_size=3))
    columns = module.tables["test"].columns()
    assert columns["row"].tolist() == list(range(len(pieces)))
    assert columns["count"].tolist() == [n - 1 for n in LENGTHS]
    assert columns["loss"].sum() / columns["count"].sum() == pytest.approx(looped["nll"], abs=1e-6)
    assert columns["hits"].sum() / columns["sounding"].sum() == looped["frame_acc"]


def test_the_test_nll_without_leaked_pieces(pieces):
    module, leaking = task(PolyphonicMusic, MUSIC), data(pieces)
    leaking.leaked = {"test": [4, 1], "val": [0]}
    found = measure(module, leaking)
    kept = [piece for i, piece in enumerate(pieces) if i not in (4, 1)]
    assert found["test/nll_unleaked"] == pytest.approx(measure(module, data(kept))["test/nll"], abs=1e-6)
    assert found["test/nll_unleaked"] != found["test/nll"]
    assert "val/nll_unleaked" not in measure(module, leaking, "val")


def test_reductions_of_the_training_loss(pieces, looped):
    batch = ready(pieces)[torch.arange(len(pieces))]
    for reduction, expected in (("per_step", looped["nll"]), ("per_sequence", looped["mean of means"])):
        module = task(PolyphonicMusic, MUSIC, reduction=reduction)
        assert module.reduce(module.losses(batch)).item() == pytest.approx(expected, abs=1e-5)


def test_training_learns_a_pattern():
    pattern = torch.zeros(60, KEYS, dtype=torch.uint8)
    pattern[::2, 10], pattern[1::2, 20] = 1, 1
    module, batch = task(PolyphonicMusic, MUSIC, hidden_size=16, scale=1), ready([pattern])[torch.tensor([0])]
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        module.reduce(module.losses(batch)).backward()
        optimizer.step()
    assert measure(module, data([pattern]))["test/nll"] < 0.5
    assert measure(module, data([pattern]))["test/frame_acc"] > 0.95


def test_what_cannot_be_is_refused():
    classes = Description(Features(3), Classes(("a", "b")), per_step=False, varying_length=True, causal=False)
    with pytest.raises(UserError, match="task=music"):
        task(PolyphonicMusic, classes)
    with pytest.raises(UserError, match="bidirectional"):
        PolyphonicMusic(
            description=MUSIC,
            network=lambda input_size: GRU(input_size, 4, batch_first=True, bidirectional=True),
            optimizer=torch.optim.Adam,
            monitor="val/loss",
        )
