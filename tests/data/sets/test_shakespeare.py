"""Tiny Shakespeare is what it was measured to be."""

import math

from src.data.sets.shakespeare import Shakespeare
from tests.data.real import DATA, needs


@needs("shakespeare/input.txt")
def test_shakespeare(tmp_path):
    data = Shakespeare(data_dir=str(DATA), cache_dir=str(tmp_path), chunk=100)
    assert data.description.input.vocabulary == 66  # 65 symbols and the unknown one
    assert {split: data.notes[f"{split}/tokens"] for split in ("train", "val", "test")} == {
        "train": 1_003_854, "val": 55_770, "test": 55_770,
    }  # fmt: skip
    assert data.notes["val/unknown"] == data.notes["test/unknown"] == 0
    assert len(data.train_dataloader()) == 314  # ceil(1,003,853 / 32 / 100)
    assert sum(int(batch.lengths.sum()) for batch in data.val_dataloader()) == 55_769
    assert data.baselines["bigram/nll"] < data.baselines["unigram/nll"] < math.log(66)
