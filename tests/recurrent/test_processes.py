"""Networks that several processes train: shared weights (Hogwild), DDP, and weights that are sharded (FSDP)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from src.recurrent import GRU, LSTM
from tests.recurrent.transformations import Model, inputs, loss_of

pytestmark = pytest.mark.slow


def model(make: Any) -> Model:
    torch.manual_seed(0)
    return Model(make(3, 4, batch_first=True, dtype=torch.float64))


def hogwild(rank: int, shared: Model) -> None:
    torch.set_num_threads(1)
    optimizer = torch.optim.SGD(shared.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        loss_of(shared(inputs())).backward()
        optimizer.step()


@pytest.mark.parametrize("make", [GRU, LSTM])
def test_two_processes_train_shared_weights(make: Any) -> None:
    shared = model(make).share_memory()
    before = {name: p.detach().clone() for name, p in shared.named_parameters()}
    first = loss_of(shared(inputs())).item()
    mp.spawn(hogwild, (shared,), nprocs=2)
    assert all((p != before[name]).any() for name, p in shared.named_parameters())
    assert loss_of(shared(inputs())).item() < 0.5 * first


def trained(wrapped: nn.Module, rank: int) -> None:
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(wrapped(inputs()[rank : rank + 1])).backward()
        optimizer.step()


def whole(tensor: Any) -> Tensor:
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().clone()


def together(rank: int, folder: Path) -> None:
    """Train PyTorch's and ours in both ways; the first process writes what they came to."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    found = {}
    for name, make in {"nn.GRU": nn.GRU, "GRU": GRU, "nn.LSTM": nn.LSTM, "LSTM": LSTM}.items():
        for way in ("ddp", "fsdp"):
            made = model(make)
            if way == "ddp":
                trained(DistributedDataParallel(made), rank)
            else:
                fully_shard(made.recurrent, mesh=init_device_mesh("cpu", (2,)))
                fully_shard(made, mesh=init_device_mesh("cpu", (2,)))
                trained(made, rank)
            found[name, way] = {key: whole(value) for key, value in made.state_dict().items()}
    if rank == 0:
        torch.save(found, folder / "found.pt")
    dist.destroy_process_group()


def test_ddp_and_fsdp_train_to_pytorchs_weights(tmp_path: Path) -> None:
    mp.spawn(together, (tmp_path,), nprocs=2)
    found = torch.load(tmp_path / "found.pt")
    start = model(GRU).state_dict()
    for name in ("GRU", "LSTM"):
        for way in ("ddp", "fsdp"):
            for key, value in found[name, way].items():
                torch.testing.assert_close(value, found[f"nn.{name}", way][key], atol=1e-12, rtol=0)
                torch.testing.assert_close(value, found[name, "ddp"][key], atol=1e-12, rtol=0)
    assert all((found["GRU", "fsdp"][key] != value).any() for key, value in start.items())
