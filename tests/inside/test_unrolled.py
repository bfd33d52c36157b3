"""The unrolled pass gives what the network gives."""

import pytest
import torch

from src.inside.unrolled import unrolled_forward
from src.recurrent import LSTM, map_state
from tests.inside.networks import NETWORKS, make, sequences


def tensors(state):
    found = []
    map_state(found.append, state)
    return found


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("cut", [False, True])
def test_output_and_state_are_the_networks(name, cut):
    network, (x, lengths) = make(name), sequences()
    start = map_state(lambda t: torch.full_like(t, 0.3), network.initial_state(len(x))) if cut else None
    given = lengths if cut else None
    output, state = network(x, start, lengths=given)
    found = unrolled_forward(network, x, given, start)
    torch.testing.assert_close(found.output, output, rtol=0, atol=1e-12)
    for ours, theirs in zip(tensors(found.state), tensors(state), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", [None, torch.tensor([7, 7, 7])])
def test_the_gradient_of_a_cell_leaves_out_the_state_that_is_computed_from_it(lengths):
    network, (x, _) = LSTM(3, 4, batch_first=True, dtype=torch.float64), sequences()
    found = unrolled_forward(network, x, lengths)
    ours = torch.autograd.grad(found.output[:, -1].sum(), found.layers[0][0].states[3])
    _, (h, c) = network(x[:, :4])
    start = tuple(tensor.detach().requires_grad_() for tensor in (h, c))
    theirs = torch.autograd.grad(network(x[:, 4:], start)[0][:, -1].sum(), start)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, expected[0], rtol=0, atol=1e-12)
