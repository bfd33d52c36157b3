"""A compiled head computes the same under the same names; inductor is left out of the tests, it takes half a minute."""

import copy
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.rules import check
from src.data.batches import Batch
from src.data.describe import Description, Features, Values
from src.recurrent import GRU
from src.runs.load import load_run, read_checkpoint
from src.runs.record import find_runs
from src.tasks.waveform import Waveform
from src.train import train
from src.training import compiled
from src.training.compiled import compile_head

# Where warnings are errors, torch's own look at a tensor's gradient ends the compilation.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")

SOUND = Description(Features(6), Values(3), per_step=True, varying_length=True, causal=True)


def waveform(**options: float) -> Waveform:
    torch.manual_seed(0)
    network, optimizer = partial(GRU, hidden_size=5, batch_first=True), partial(torch.optim.Adam, lr=0.01)
    return Waveform(description=SOUND, network=network, optimizer=optimizer, monitor="val/nll", **options)


def batch(size: int, time: int) -> Batch:
    generator = torch.Generator().manual_seed(time)
    x, y = (torch.randn(size, time, features, generator=generator) for features in (6, 3))
    return Batch(x, y, torch.randint(1, time + 1, (size,), generator=generator), torch.arange(size))


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("backend", "dropout"), [("eager", 0.5), ("aot_eager", 0.0)])
def test_losses_gradients_and_names_are_those_without_it(
    backend: str, dropout: float, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "BACKEND", backend)
    plain, task = waveform(dropout=dropout), waveform(dropout=dropout)
    names = list(task.state_dict())
    compile_head(task)
    assert list(task.state_dict()) == names
    for size, time in ((4, 9), (3, 12), (1, 5)):
        results = []
        for either in (plain, task):
            torch.manual_seed(1)
            either.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                loss = either.reduce(either.losses(batch(size, time)))
            loss.backward()
            results.append([loss, *(p.grad for p in either.parameters())])
        torch.testing.assert_close(results[1], results[0], rtol=1e-6, atol=1e-6)


def test_the_backward_pass_is_not_under_autocast_where_the_forward_pass_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    weight = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))

    def in_full(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return (x @ weight).square().sum()

    task: Any = SimpleNamespace(run=None, network=SimpleNamespace(forward=None), losses=in_full)
    compile_head(task)
    gradients = []
    for losses in (in_full, task.losses):
        x = torch.linspace(0, 1, 24).view(4, 6).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            loss = losses(x)
        loss.backward()
        gradients.append(x.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-6, atol=0)


def test_the_head_is_compiled_once_for_all_lengths_and_the_network_never(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[str] = []

    def noting(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        graphs.append(graph.code)
        return graph.forward

    torch.compiler.reset()
    monkeypatch.setattr(compiled, "BACKEND", noting)
    task = waveform()
    compile_head(task)
    task.losses(batch(4, 9))
    first = len(graphs)
    assert any("logsumexp" in code for code in graphs)
    assert not any(re.search("sigmoid|tanh|gatebench", code) for code in graphs)
    for time in (5, 7, 12):
        task.losses(batch(4, time))
    assert len(graphs) == first


def test_a_run_is_on_record_as_compiled_and_loads_without_it(
    quick: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "eager")
    monkeypatch.setattr("src.training.compiled.refuse_on_cpu", lambda accelerator: None)
    cfg = quick("trainer.max_epochs=1")
    expected, found = train(copy.deepcopy(cfg)), train(quick("trainer.max_epochs=1", "compile=true"))
    assert found == pytest.approx(expected, abs=1e-6)
    (second, with_it), (first, without) = find_runs(Path(cfg.paths.runs_dir))  # the newest first
    assert with_it.identity != without.identity
    names = [list(read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"]) for run in (first, second)]
    assert names[0] == names[1]
    assert list(load_run(second).task.state_dict()) == names[0]


def test_what_cannot_be_is_refused(quick: Callable[..., DictConfig]) -> None:
    with pytest.raises(UserError, match="compile must be true, or null, got false"):
        check(quick("compile=false"))
    with pytest.raises(UserError, match="compile=true needs a GPU"):
        train(quick("compile=true"))
