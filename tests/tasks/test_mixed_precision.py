"""Under autocast products are bfloat16; targets, counts and what is kept of a sequence are not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from benchmarks import made_up
from src.tasks.build import build
from src.tasks.losses import SequenceTable

SETS = {
    "values": ("data=adding", "data.length=9", "data.sizes=[40,8,8]", "optimizer.lr=0.01"),
    "classes": ("data=npz", "data.path=labelled.npz"),
    "keys": ("data=npz", "data.path=music.npz", "data.task=music"),
}


@pytest.mark.parametrize("name", SETS)
def test_nothing_but_what_the_network_says_is_rounded(
    name: str, compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made_up.labelled(tmp_path / "labelled.npz", sequences=40)
    made_up.piano_rolls(tmp_path / "music.npz", pieces=24)
    data, task = build(compose(*SETS[name], "model=gru", "model.hidden_size=8", "logger=csv"))
    if name == "keys":  # more of them than bfloat16 can count
        task.head.bias.data.fill_(5.0)
    batch = next(iter(data.val_dataloader()))
    expected = task.losses(batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = task.losses(batch)
    assert torch.allclose(found.loss, expected.loss, rtol=0.05, atol=0.05)
    table = SequenceTable()
    table.add(batch.rows, found)
    columns = table.columns()
    if name == "values":
        assert found.target is not None
        assert torch.equal(found.target, batch.y.squeeze(-1))
        assert columns["prediction"].dtype == "float32"
    if name == "keys":
        sounding = replace(batch, y=batch.mask[..., None].expand_as(batch.y)).y.sum((1, 2))
        assert torch.equal(found.sums["sounding"].long(), sounding)
