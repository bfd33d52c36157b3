"""Rows without a step (allow_empty): their output is zero, their state stays, and they add to no gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from src.recurrent import GRU, LSTM, RNN, StackedRNN, map_state, trace_gates
from src.recurrent.kernels.build import library

LENGTHS = torch.tensor([3, 0, 5, 0])
NETWORKS: dict[str, Any] = {
    "gru": lambda **o: GRU(3, 4, **o),
    "gru both ways": lambda **o: GRU(3, 4, 2, bidirectional=True, reset_after=False, **o),
    "lstm": lambda **o: LSTM(3, 4, 3, **o),
    "lstm both ways": lambda **o: LSTM(3, 4, 2, bidirectional=True, **o),
    "lstm projected": lambda **o: LSTM(3, 4, 2, proj_size=2, bidirectional=True, **o),
    "lstm residual, normalised": lambda **o: LSTM(3, 4, 2, residual=True, layer_norm=True, **o),
    "rnn, learned start": lambda **o: RNN(3, 4, learn_initial_state=True, **o),
    "rnn relu": lambda **o: RNN(3, 4, nonlinearity="relu", **o),
    "mixed": lambda **o: StackedRNN(3, [{"kind": "lstm", "hidden_size": 4}, {"kind": "gru", "hidden_size": 3}], **o),
}


def tensors(state: Any) -> list[Tensor]:
    found: list[Tensor] = []
    map_state(found.append, state)
    return found


def backward(network: Any, x: Tensor, lengths: Tensor, state: Any, rows: Tensor) -> list[Tensor]:
    """Output and state of all rows, the gradients of all parameters and of x; the loss weighs each row differently."""
    x = x.clone().requires_grad_()
    output, last = network(x, state, lengths)
    weight = (1 + rows).to(x.dtype)
    loss = (output.square() * weight[:, None, None]).sum()
    loss = loss + sum((t.pow(3) * weight[None, :, None]).sum() for t in tensors(last))
    given = [x, *network.parameters(), *(tensors(state) if state is not None else [])]
    found = torch.autograd.grad(loss, given, allow_unused=True, materialize_grads=True)
    return [output, *tensors(last), *found]


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("backend", ["auto", "fused", "torch", "reference"])
@pytest.mark.parametrize("name", NETWORKS)
def test_they_change_nothing(name: str, backend: str, with_state: bool) -> None:
    """The others are as in a batch without them; theirs is the initial state, and the gradient of what uses it."""
    if backend == "fused" and isinstance(library(), Exception):
        pytest.skip(f"no kernels here: {library()}")
    try:
        network = NETWORKS[name](batch_first=True, dtype=torch.float64, backend=backend, allow_empty=True)
    except ValueError:
        return  # no such cell there; test_errors.py has the words
    x, rows = torch.randn(4, 5, 3, dtype=torch.float64), torch.arange(4)
    x[1, 2] = float("nan")  # padding
    state = map_state(torch.randn_like, network.initial_state(4)) if with_state else None
    if state is not None:
        map_state(lambda t: t.requires_grad_(), state)
    output, *others = backward(network, x, LENGTHS, state, rows)
    count = len(tensors(network.initial_state(1)))
    last, d_x = others[:count], others[count]
    initial = network.initial_state(4) if state is None else state
    empty, full = LENGTHS == 0, LENGTHS > 0
    assert not output[empty].any()
    assert not d_x[empty].any()
    for start, end in zip(tensors(initial), last, strict=True):
        assert torch.equal(start[:, empty], end[:, empty])
    few = None if state is None else map_state(lambda t: t[:, full], state)
    expected = backward(network, x[full], LENGTHS[full], few, rows[full])
    close = {"atol": 1e-12, "rtol": 1e-10}
    torch.testing.assert_close(output[full], expected[0], **close)
    torch.testing.assert_close([t[:, full] for t in last], expected[1 : 1 + count], **close)
    torch.testing.assert_close(d_x[full], expected[1 + count], **close)
    for (parameter, _), mine, alone in zip(
        network.named_parameters(), others[count + 1 :], expected[count + 2 :], strict=False
    ):
        if not parameter.startswith("initial_"):  # which an empty row uses, too: checked below
            torch.testing.assert_close(mine, alone, **close)
    if state is not None:
        for start, gradient in zip(tensors(state), others[-count:], strict=True):
            mine = (3 * start.square() * (1 + rows)[None, :, None])[:, empty]
            torch.testing.assert_close(gradient[:, empty], mine, **close)


def test_a_learned_start_gets_the_gradient_of_the_rows_that_keep_it() -> None:
    network = RNN(3, 4, batch_first=True, learn_initial_state=True, allow_empty=True)
    _, state = network(torch.randn(2, 5, 3), None, torch.tensor([0, 0]))
    (3 * state).sum().backward()
    assert torch.equal(network.initial_hidden_l0.grad, torch.full((4,), 6.0))
    assert not network.weight_hh_l0.grad.any()


@pytest.mark.parametrize("backend", ["auto", "torch", "reference"])
def test_all_may_be_empty_and_have_no_time(backend: str) -> None:
    network = LSTM(3, 4, 2, batch_first=True, bidirectional=True, backend=backend, allow_empty=True)
    state = map_state(torch.randn_like, network.initial_state(2))
    for time in (0, 3):
        output, last = network(torch.randn(2, time, 3), state, torch.tensor([0, 0]))
        assert output.shape == (2, time, 8)
        assert not output.any()
        assert all(torch.equal(*pair) for pair in zip(last, state, strict=True))


def test_a_captured_graph_takes_them() -> None:
    network = GRU(3, 4, 2, batch_first=True, bidirectional=True, allow_empty=True)
    x = torch.randn(4, 5, 3)
    program = torch.export.export(network, (x, None, torch.full((4,), 5))).module()
    assert torch.allclose(program(x, None, LENGTHS)[0], network(x, None, LENGTHS)[0])


def test_the_trace_takes_them() -> None:
    network = LSTM(3, 4, batch_first=True, allow_empty=True)
    ((trace,),) = trace_gates(network, torch.randn(4, 5, 3), lengths=LENGTHS)
    assert not trace["hidden"][LENGTHS == 0].any()
    with pytest.raises(ValueError, match="input: expected at least 1 time step"):
        trace_gates(network, torch.randn(4, 0, 3), lengths=torch.zeros(4, dtype=torch.int64))


def test_nobody_gets_them_who_has_not_asked() -> None:
    x, words = torch.randn(4, 5, 3), r"every entry in 1\.\.5, got 0 to 5; a network with allow_empty=True accepts 0"
    with pytest.raises(ValueError, match=words):
        GRU(3, 4, batch_first=True)(x, None, LENGTHS)
    with pytest.raises(ValueError, match=r"every entry in 0\.\.5, got -1 to 5$"):
        GRU(3, 4, batch_first=True, allow_empty=True)(x, None, LENGTHS - (LENGTHS == 0).long())
    with pytest.raises(ValueError, match="input: expected at least 1 time step"):
        GRU(3, 4, batch_first=True, allow_empty=True)(x[:, :0])
