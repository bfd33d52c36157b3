"""Jacobians against automatic differentiation of the network itself, singular values against a decomposition."""

import numpy as np
import pytest
import torch

from src.inside.jacobians import jacobians, spectral_norm
from src.inside.unrolled import unrolled_forward
from src.recurrent.state import join_layers, split_layers
from tests.inside.networks import NETWORKS, make, sequences

SINGLE = [name for name, network in NETWORKS.items() if "num_layers" not in network.keywords and name != "mixed"]


def flat(network, state):
    return torch.cat([tensor[0, 0] for tensor in split_layers(state, network.layers)[0]])


def between(network, x, first, last):
    """d s_last / d s_first for one sequence (1, time, features), the states being those after so many steps."""
    state = network(x[:, :first])[1] if first else network.initial_state(1)
    start = flat(network, state).detach()

    def go_on(vector):
        tensors = tuple(part[None, None] for part in vector.chunk(len(network.layers[0].cell.states)))
        return flat(network, network(x[:, first:last], join_layers([tensors], network.layers))[1])

    return torch.autograd.functional.jacobian(go_on, start)


@pytest.mark.parametrize("name", SINGLE)
def test_they_are_the_networks(name):
    network, (x, lengths) = make(name), sequences()
    found = jacobians(unrolled_forward(network, x, lengths).layers[0][0], lengths, 20)
    assert found.largest.shape == (3, 7)
    for row, length in enumerate(lengths.tolist()):
        for lag in range(length):
            one = torch.linalg.svdvals(between(network, x[row : row + 1], length - lag - 1, length - lag))
            assert found.largest[row, lag] == pytest.approx(float(one[0]), rel=1e-6)
            if lag:
                many = torch.linalg.svdvals(between(network, x[row : row + 1], length - lag, length))
                assert found.strongest[row, lag] == pytest.approx(float(many[0]), rel=1e-6)
                typical = float(many.square().mean().sqrt())
                assert found.typical[row, lag] == pytest.approx(typical, rel=1e-6)
        assert found.strongest[row, 0] == found.typical[row, 0] == pytest.approx(1)
        assert np.isnan(found.largest[row, length:]).all()


def test_the_backward_direction_counts_from_its_own_end():
    network, (x, lengths) = make("gru, both ways"), sequences()
    backward = jacobians(unrolled_forward(network, x, lengths).layers[0][1], lengths, 7, backward=True)
    alone = make("gru")
    with torch.no_grad():
        for name, parameter in alone.named_parameters():
            parameter.copy_(getattr(network, f"{name}_reverse"))
    for row, length in enumerate(lengths.tolist()):
        turned = x[row : row + 1, :length].flip(1)
        forward = jacobians(unrolled_forward(alone, turned).layers[0][0], torch.tensor([length]), 7)
        np.testing.assert_allclose(backward.strongest[row, :length], forward.strongest[0], rtol=1e-9)
        np.testing.assert_allclose(backward.largest[row, :length], forward.largest[0], rtol=1e-9)


def test_few_steps_are_the_last_ones():
    network, (x, lengths) = make("lstm with peepholes"), sequences()
    path = unrolled_forward(network, x, lengths).layers[0][0]
    few, all_ = jacobians(path, lengths, 3), jacobians(path, lengths, 7)
    np.testing.assert_array_equal(few.strongest, all_.strongest[:, :3])


def test_the_spectral_norm_is_the_largest_singular_value():
    matrices = torch.randn(5, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(spectral_norm(matrices), torch.linalg.svdvals(matrices)[:, 0])
