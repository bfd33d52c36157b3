"""Piano rolls: read, batched, and their baselines against a closed form and the published table."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.io import savemat

from src.config.errors import UserError
from src.data.baselines import piano_rolls, transitions
from src.data.batches import BatchOrder, padding
from src.data.download import File, Source, digest
from src.data.sets import music
from src.data.sets.music import Music, leaked
from tests.data.real import DATA, needs


def rolls(seed: int, lengths: list[int]) -> list[np.ndarray]:
    drawn = np.random.default_rng(seed)
    return [(drawn.random((length, music.PITCHES)) < 0.05).astype(np.uint8) for length in lengths]


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A file of the same make as the real ones, with one piece of the training set in the test set too."""
    pieces_of = {"traindata": rolls(0, [5, 9, 3, 12]), "validdata": rolls(1, [4, 6]), "testdata": rolls(2, [7, 5, 30])}
    pieces_of["testdata"][1] = pieces_of["traindata"][0]
    content = {}
    for key, pieces in pieces_of.items():
        content[key] = np.empty((1, len(pieces)), dtype=object)
        content[key][0, :] = pieces
    path = tmp_path / "music" / "Tiny.mat"
    path.parent.mkdir()
    savemat(path, content)
    file = File("music/Tiny.mat", "http://127.0.0.1:9/Tiny.mat", f"sha256:{digest(path, 'sha256')}")
    monkeypatch.setitem(Music.sources, "tiny", Source("music", "", "", "", (file,)))
    data = Music(name="tiny", data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"), batch_size=2)
    return data, pieces_of


def test_targets_are_the_next_frames_and_padding_is_silent(tiny):
    data, pieces_of = tiny
    assert data.description.causal
    batch = data.splits["test"][torch.tensor([2, 0])]
    assert batch.lengths.tolist() == [29, 6]
    for row, piece in enumerate([pieces_of["testdata"][2], pieces_of["testdata"][0]]):
        steps = len(piece) - 1
        np.testing.assert_array_equal(batch.x[row, :steps].numpy(), piece[:-1])
        np.testing.assert_array_equal(batch.y[row, :steps].numpy(), piece[1:])
        assert not batch.x[row, steps:].any()
        assert not batch.y[row, steps:].any()


def test_padding_is_counted_whole_and_in_chunks(tiny):
    data, _ = tiny
    data.setup()
    # Batches of 2 by length: 4 and 2 steps, 11 and 8 (whichever way they are drawn, one pool holds all).
    assert data.notes["train/padding"] == round(1 - (4 + 2 + 11 + 8) / (2 * 4 + 2 * 11), 4)
    assert data.notes["val/padding"] == round(1 - (3 + 5) / (2 * 5), 4)
    chunked = Music(name="tiny", data_dir=data.data_dir, cache_dir=data.cache_dir, batch_size=2, chunk=3)
    chunked.setup()
    assert chunked.notes["val/padding"] == round(1 - (3 + 3 + 2) / (2 * 3 + 2), 4) == 0


def test_rolls_stay_bytes_until_they_are_batched(tiny):
    data, _ = tiny
    data.setup()
    for split in data.splits.values():
        assert split.values.dtype == torch.uint8
        assert split.targets is split.values


def test_pieces_that_leaked_are_found_by_their_contents(tiny):
    data, _ = tiny
    data.setup()
    assert data.leaked == {"test": [1]}
    assert data.notes["test/leaked"] == 1


def test_a_name_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UserError, match="jsb_chorales"):
        Music(name="jsb", data_dir=str(tmp_path), cache_dir=str(tmp_path))


def test_baselines_of_a_roll_that_can_be_counted_by_hand():
    train, test = np.zeros((5, 88), np.uint8), np.zeros((3, 88), np.uint8)
    train[:, 7] = [0, 1, 1, 1, 0]  # from silent: 1 of 1 sounds; from sounding: 2 of 3 go on
    test[:, 7] = [1, 1, 0]
    figures = piano_rolls([train], [test])
    sounds = (3 + 0.5) / (4 + 1)
    silent = -87 * math.log(4.5 / 5)
    assert figures["unigram/nll"] == pytest.approx(silent + (-math.log(sounds) - math.log(1 - sounds)) / 2, abs=1e-12)
    goes_on = (2 + 0.5) / (3 + 1)
    assert figures["markov/nll"] == pytest.approx(silent + (-math.log(goes_on) - math.log(1 - goes_on)) / 2, abs=1e-12)
    assert figures["unigram/frame_acc"] == figures["markov/frame_acc"] == 0.5


def test_no_transition_is_counted_from_one_piece_to_the_next():
    pieces = rolls(3, [4, 9, 2])
    counts = transitions(pieces)
    assert (counts.sum((0, 1)) == 3 + 8 + 1).all()
    assert counts[1, 1, 5] == sum(int((p[:-1, 5] & p[1:, 5]).sum()) for p in pieces)


def test_leaked_is_empty_where_nothing_leaked():
    assert leaked({"train": rolls(0, [4]), "val": rolls(1, [4]), "test": rolls(2, [4])}) == {}


# The table of the reference: test unigram and Markov NLL, pieces, frames; leaked rows; whether padding must be low.
MEASURED = {
    "jsb_chorales": ("JSB_Chorales", 11.09, 10.49, (229, 76, 77), (13807, 4602, 4725), {}, 0.15),
    "nottingham": ("Nottingham", 10.26, 5.15, (694, 173, 170), (176561, 45513, 44463), {"val": 1, "test": 1}, 0.15),
    "musedata": ("MuseData", 11.51, 8.56, (524, 135, 124), (245202, 82755, 64339), {}, 0.15),
    # The table rounds 8.2648 by way of 8.265.
    "piano_midi": ("Piano_midi", 11.05, 8.2648, (87, 12, 25), (75911, 8540, 19036), {}, 0.17),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=needs(f"music/{m[0]}.mat")) for n, m in MEASURED.items()])
def test_the_real_sets_are_what_was_measured(name, tmp_path):
    _, unigram, markov, pieces, frames, twice, most = MEASURED[name]
    data = Music(name=name, data_dir=str(DATA), cache_dir=str(tmp_path), batch_size=8)
    data.setup()
    assert data.baselines["unigram/nll"] == pytest.approx(unigram, abs=0.005)
    assert data.baselines["markov/nll"] == pytest.approx(markov, abs=0.005)
    splits = [data.splits[split] for split in ("train", "val", "test")]
    assert tuple(len(split) for split in splits) == pieces
    assert tuple(len(split.values) for split in splits) == frames
    assert {split: len(rows) for split, rows in data.leaked.items()} == twice
    sampler = data.train_dataloader().sampler
    assert isinstance(sampler, BatchOrder)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert padding([sampler.lengths[rows] for rows in sampler]) < most
    assert sorted(torch.cat(sampler.batches()).tolist()) == list(range(pieces[0]))
    assert data.notes["train/padding"] < most


MEMORY = """
import sys
from pathlib import Path
import pytorch_lightning
from src.data.sets.music import Music

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

before = peak()
Music(name="musedata", data_dir=sys.argv[1], cache_dir=sys.argv[2], batch_size=8).setup()
print((peak() - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@needs("music/MuseData.mat")
def test_the_largest_set_is_loaded_in_little_memory(tmp_path):
    # In a process of its own: a peak is never forgotten.
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(DATA), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert 20 < float(done.stdout) < 600, "the rolls alone take 33 MB"
