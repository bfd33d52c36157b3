"""PyTorch's own sample inputs of nn.GRU, nn.LSTM and nn.RNN, with which it tests them itself, in float64.

They stand in a private module of torch (docs/private_interfaces.md), which asks for a package for tests that is not
needed here: an empty one takes its place. A process of its own draws them, since that module forbids to set torch's
flags from then on.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from src.recurrent import GRU, LSTM, RNN
from src.recurrent.kernels.build import library

Sample = tuple[bool, dict[str, object], tuple[object, ...]]
PAIRS = {nn.GRU: GRU, nn.LSTM: LSTM, nn.RNN: RNN}
SAMPLES = {nn.GRU: 32, nn.LSTM: 64, nn.RNN: 64}  # of training and of evaluation
UNSUPPORTED = {  # samples with projections, samples with rectified units
    **dict.fromkeys([("fused", nn.LSTM), ("fused", nn.RNN)], 32),
}


DRAW = """
import sys, types, unittest
standin = types.ModuleType("expecttest")
standin.TestCase = unittest.TestCase
sys.modules.setdefault("expecttest", standin)
try:
    from torch.testing._internal.common_modules import module_db
except ImportError as error:
    sys.exit(f"no samples: {error}")
import torch
drawn = {}
for info in module_db:
    name = info.module_cls.__name__
    for training in (True, False) if name in ("GRU", "LSTM", "RNN") else ():
        torch.manual_seed(0)
        of = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
        for sample in info.module_inputs_func(info, **of):
            made, call = sample.constructor_input, sample.forward_input
            assert not made.args and not call.kwargs
            drawn.setdefault(name, []).append((training, made.kwargs, call.args))
torch.save(drawn, sys.argv[1])
"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Sample]]:
    """By network: training or not, the arguments of the network, those of the call."""
    file = tmp_path_factory.mktemp("samples") / "samples.pt"
    child = subprocess.run([sys.executable, "-c", DRAW, file], capture_output=True, text=True, check=False)
    if "no samples:" in child.stderr:
        pytest.skip(child.stderr.strip())
    assert child.returncode == 0, child.stderr
    return torch.load(file)


def results(network: nn.Module, call: tuple) -> list[Tensor]:
    """Output, state, and the gradients of a random function of both for the input, the state and the weights."""
    output, state = network(*call)
    values = [output, *([state] if isinstance(state, Tensor) else state)]
    generator = torch.Generator().manual_seed(1)
    loss = sum((v * torch.randn(v.shape, generator=generator, dtype=v.dtype)).sum() for v in values)
    leaves = [t for a in call for t in ([a] if isinstance(a, Tensor) else a)] + list(network.parameters())
    return values + list(torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("backend", ["auto", "fused", "torch", "reference"])
@pytest.mark.parametrize("theirs", PAIRS, ids=lambda made: made.__name__)
def test_outputs_and_gradients(theirs: type[nn.RNNBase], backend: str, samples: dict[str, list[Sample]]) -> None:
    if backend == "fused" and isinstance(library(), Exception):
        pytest.skip(f"no kernels here: {library()}")
    equal = refused = 0
    for training, made, call in samples[theirs.__name__]:
        network = theirs(**made, dtype=torch.float64).train(training)
        try:
            ours = PAIRS[theirs](**made, dtype=torch.float64, backend=backend).train(training)
        except ValueError:
            refused += 1
            continue
        ours.load_state_dict(network.state_dict())
        for mine, expected in zip(results(ours, call), results(network, call), strict=True):
            torch.testing.assert_close(mine, expected, atol=1e-10, rtol=0)
        equal += 1
    assert refused == UNSUPPORTED.get((backend, theirs), 0)
    assert equal + refused == SAMPLES[theirs]
