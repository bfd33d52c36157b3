"""What people do with nn.GRU's output, state, input and weights, on every cell and backend: the same, in float64."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

from src.recurrent import GRU, LSTM, RNN
from tests.recurrent.test_transformations import BACKENDS, tensors_of

NETWORKS = [
    (nn.GRU, GRU, {}), (nn.LSTM, LSTM, {}), (nn.LSTM, LSTM, {"proj_size": 3}), (nn.RNN, RNN, {}),
    (nn.RNN, RNN, {"nonlinearity": "relu"}),
]  # fmt: skip
FORMS: tuple[dict[str, Any], ...] = ({}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True})
TIME, ROWS, FEATURES, UNITS = 6, 3, 4, 5
X = torch.randn(TIME, ROWS, FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LENGTHS = torch.tensor([6, 4, 2])
Habit = Callable[[Any], list[Any]]


def x_of(network: Any) -> Tensor:
    return X.transpose(0, 1).clone() if network.batch_first else X.clone()


def state_of(network: Any, make: Callable[[int, int], Tensor] | None = None) -> Any:
    """A state: of a width and a number of layers and directions, ``make`` makes each tensor."""
    generator = torch.Generator().manual_seed(5)
    make = make or (lambda k, width: torch.randn(k, ROWS, width, generator=generator, dtype=torch.float64))
    k = network.num_layers * (2 if network.bidirectional else 1)
    if isinstance(network, nn.LSTM | LSTM):
        return make(k, network.proj_size or UNITS), make(k, UNITS)
    return make(k, UNITS)


def loss(*results: Any) -> Tensor:
    tensors = tensors_of(list(results))
    return sum((t * torch.linspace(0.1, 1, t.numel(), dtype=t.dtype).view(t.shape)).sum() for t in tensors)  # type: ignore[return-value]


def gradients(network: Any) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in network.parameters()]


def padded(network: Any, x: Tensor) -> tuple[Tensor, Any]:
    """A call with lengths; nn's is of the packed batch."""
    if not isinstance(network, nn.RNNBase):
        return network(x, None, LENGTHS)
    output, state = network(pack_padded_sequence(x, LENGTHS, network.batch_first))
    return pad_packed_sequence(output, network.batch_first, total_length=TIME)[0], state


# ------------------------------------------------------------------------------------------------- output and state


def state_detached_in_place(network: Any) -> list[Any]:
    """As truncated backpropagation was long written."""
    _, state = network(x_of(network))
    for tensor in tensors_of(state):
        tensor.detach_()
    results = network(x_of(network), state)
    loss(results).backward()
    return [results, gradients(network)]


def state_detached_in_place_after_lengths(network: Any) -> list[Any]:
    _, state = padded(network, x_of(network))
    return [tensor.detach_() for tensor in tensors_of(state)]


def output_detached_in_place(network: Any) -> list[Any]:
    output, _ = network(x_of(network))
    return [output.detach() if network.batch_first else output.detach_()]  # nn.LSTM's is a view with batch_first


def output_seen_as_rows(network: Any) -> list[Any]:
    """``view`` as in PyTorch's word_language_model."""
    output, _ = network(x_of(network))
    if network.batch_first:
        output = output.contiguous()
    loss(output.view(-1, output.shape[-1])).backward()
    return [output.view(TIME * ROWS, -1), gradients(network)]


def as_it_lies(network: Any) -> list[Any]:
    """Whether state and, time first, output are contiguous; whether a saved state is as small as it looks."""
    output, state = network(x_of(network))
    sizes = [tensor.untyped_storage().nbytes() // 8 for tensor in tensors_of(state)]
    whole = [tensor.is_contiguous() for tensor in tensors_of(state)] + [network.batch_first or output.is_contiguous()]
    return [torch.tensor([*sizes, *whole], dtype=torch.float64)]


def turned_in_place(network: Any) -> list[Any]:
    output, state = network(x_of(network))
    output.unsqueeze_(0).squeeze_(0).transpose_(0, 1)
    for tensor in tensors_of(state):
        tensor.transpose_(0, 1).unsqueeze_(0).squeeze_(0)
    loss(output, state).backward()
    return [output, state, gradients(network)]


def gradients_retained(network: Any) -> list[Any]:
    results = tensors_of(network(x_of(network)))
    for tensor in results:
        tensor.retain_grad()
    loss(results).backward()
    return [tensor.grad for tensor in results]


def last_state_alone(network: Any) -> list[Any]:
    loss(tensors_of(network(x_of(network))[1])[-1]).backward()
    return gradients(network)


def state_of_inference(network: Any) -> list[Any]:
    """From a warm-up without gradients into training."""
    with torch.inference_mode():
        warm = network(x_of(network))[1]
    state = tuple(t.clone() for t in warm) if isinstance(warm, tuple) else warm.clone()
    results = network(x_of(network), state)
    loss(results).backward()
    return [results, gradients(network)]


# ------------------------------------------------------------------------------------------------------- what goes in


def no_rows(network: Any) -> list[Any]:
    x = torch.zeros((0, TIME, FEATURES) if network.batch_first else (TIME, 0, FEATURES), dtype=torch.float64)
    results = network(x)
    loss(results).backward()
    return [results, gradients(network)]


def state_transposed(network: Any) -> list[Any]:
    def make(k: int, width: int) -> Tensor:
        return torch.linspace(0, 1, k * ROWS * width, dtype=torch.float64).view(width, ROWS, k).permute(2, 1, 0)

    return list(network(x_of(network), state_of(network, make)))


def state_expanded(network: Any) -> list[Any]:
    def make(k: int, width: int) -> Tensor:
        return torch.linspace(0, 1, width, dtype=torch.float64).expand(k, ROWS, width)

    return list(network(x_of(network), state_of(network, make)))


def state_trained_alone(network: Any) -> list[Any]:
    network.requires_grad_(False)
    state = state_of(network)
    for tensor in tensors_of(state):
        tensor.requires_grad_()
    results = network(x_of(network), state)
    loss(results).backward()
    return [results, [tensor.grad for tensor in tensors_of(state)]]


def state_as_a_list(network: Any) -> list[Any]:
    state = state_of(network)
    output, last = network(x_of(network), list(state) if isinstance(state, tuple) else state)
    assert isinstance(last, tuple) == isinstance(state, tuple)
    return [output, last]


def by_keyword(network: Any) -> list[Any]:
    return list(network(input=x_of(network), hx=state_of(network)))


def nothing_needs_a_gradient(network: Any) -> list[Any]:
    results = network.requires_grad_(False)(x_of(network))
    return [results, torch.tensor([float(t.requires_grad) for t in tensors_of(results)])]


def padding_of_nan(network: Any) -> list[Any]:
    x = X.clone()
    x[4:, 1], x[2:, 2] = float("nan"), float("inf")
    x = (x.transpose(0, 1) if network.batch_first else x).requires_grad_()
    results = padded(network, x)
    loss(results).backward()
    return [results, x.grad, gradients(network)]


def nan_within(network: Any) -> list[Any]:
    x = x_of(network)
    x[2, 1, 0], x[0, 2, 1], x[1, 0, 0] = float("nan"), float("inf"), 1e300
    return list(network(x))


def packed_from_rows(network: Any) -> list[Any]:
    rows = [k * torch.ones(n, FEATURES, dtype=torch.float64) for k, n in ((1, 5), (2, 2), (3, 4))]
    return list(network(pack_sequence(rows, enforce_sorted=False)))


def packed_by_hand(network: Any) -> list[Any]:
    return list(network(PackedSequence(X.reshape(-1, FEATURES)[:6], torch.tensor([3, 2, 1]))))


def penalty_with_lengths(network: Any) -> list[Any]:
    x = x_of(network).requires_grad_()
    (slope,) = torch.autograd.grad(loss(padded(network, x)[0].square()), x, create_graph=True)
    loss(slope.square()).backward()
    return [slope, x.grad, gradients(network)]


# --------------------------------------------------------------------------------------------------------- the module


def weight_normalised_copy(network: Any) -> list[Any]:
    weight_norm(network, "weight_hh_l0")
    theirs = copy.deepcopy(network)
    if isinstance(theirs, nn.RNNBase):
        theirs._flat_weights = [getattr(theirs, name) for name in theirs._flat_weights_names]
    return list(theirs(x_of(network)))


def loaded_through_hooks(network: Any) -> list[Any]:
    network.register_load_state_dict_pre_hook(lambda _, state, *__: state.update({k: v / 2 for k, v in state.items()}))
    network.register_load_state_dict_post_hook(lambda _, keys: keys.missing_keys.clear())
    network.register_state_dict_post_hook(lambda _, state, prefix, __: state.update({f"{prefix}more": torch.ones(1)}))
    state = network.state_dict()
    del state["more"], state["bias_hh_l0"]
    network.load_state_dict(state)
    return list(network(x_of(network)))


def called_by_a_subclass(network: Any) -> list[Any]:
    parent = type(network)

    def forward(self: Any, *arguments: Any) -> Any:
        output, state = parent.forward(self, *arguments)
        return 2 * output, state

    network.__class__ = type("Mine", (parent,), {"forward": forward})
    return list(network(x_of(network)))


def checkpointed_with_dropout(network: Any) -> list[Any]:
    """The masks are drawn again as they were."""
    network.dropout = 0.5
    torch.manual_seed(7)
    x = x_of(network).requires_grad_()
    output = checkpoint(lambda x: network(x)[0], x, use_reentrant=False)
    loss(output).backward()
    return [output, x.grad, gradients(network)]


def arguments_changed_later(network: Any) -> list[Any]:
    network.batch_first, network.dropout = not network.batch_first, 0.5
    torch.manual_seed(7)
    return list(network(x_of(network)))


def deterministic(network: Any) -> list[Any]:
    """Where PyTorch fills all fresh memory with NaN and refuses what is not deterministic."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        x = x_of(network).requires_grad_()
        results = padded(network, x), network(x)
        loss(*results).backward()
        return [*results, x.grad, gradients(network)]
    finally:
        torch.use_deterministic_algorithms(before)


def second_order_optimizer(network: Any) -> list[Any]:
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = network(x_of(network))[0].square().sum()
        value.backward()
        return value

    optimizer.step(closure)
    return list(network.parameters())


HABITS: tuple[Habit, ...] = (
    state_detached_in_place, state_detached_in_place_after_lengths, output_detached_in_place, output_seen_as_rows,
    as_it_lies, turned_in_place, gradients_retained, last_state_alone, state_of_inference, no_rows, state_transposed,
    state_expanded, state_trained_alone, state_as_a_list, by_keyword, nothing_needs_a_gradient, padding_of_nan,
    nan_within, packed_from_rows, packed_by_hand, penalty_with_lengths, weight_normalised_copy, loaded_through_hooks,
    called_by_a_subclass, checkpointed_with_dropout, arguments_changed_later, deterministic, second_order_optimizer,
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
@pytest.mark.parametrize(("theirs", "ours", "own"), NETWORKS)
@pytest.mark.parametrize("habit", HABITS, ids=[habit.__name__ for habit in HABITS])
def test_habit(habit: Habit, theirs: Any, ours: Any, own: dict[str, Any]) -> None:
    held = 0
    for form in FORMS:
        sizes = {"dtype": torch.float64, **own, **form}
        expected = theirs(FEATURES, UNITS, **sizes)
        start = copy.deepcopy(expected.state_dict())
        right = tensors_of(habit(expected))
        for backend in BACKENDS:
            if backend == "fused" and own:
                continue
            network = ours(FEATURES, UNITS, backend=backend, **sizes)
            network.load_state_dict(start)
            mine = tensors_of(habit(network))
            assert [t.requires_grad for t in mine] == [t.requires_grad for t in right]
            torch.testing.assert_close(mine, right, atol=1e-10, rtol=1e-8, equal_nan=True)
            held += 1
    assert held >= 9


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", ["weight", "input", "state"])
def test_what_backward_reads_may_not_be_changed(what: str, backend: str) -> None:
    """An error, as with nn.GRU, or the gradients of what was read."""
    network = GRU(FEATURES, UNITS, backend=backend, dtype=torch.float64)
    x, state = X.clone(), torch.randn(1, ROWS, UNITS, dtype=torch.float64)
    right = torch.autograd.grad(network(x, state)[0].sum(), list(network.parameters()))
    output, _ = network(x, state)
    with torch.no_grad():
        {"weight": network.weight_hh_l0, "input": x, "state": state}[what].mul_(2)
    try:
        torch.testing.assert_close(torch.autograd.grad(output.sum(), list(network.parameters())), right)
    except RuntimeError as error:
        assert re.search("modified.*in-?place", str(error))  # noqa: PT017 - either will do
