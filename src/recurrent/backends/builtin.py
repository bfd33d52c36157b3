"""PyTorch's own kernels (ATen, oneDNN, cuDNN), for the cells of nn.GRU, nn.LSTM and nn.RNN."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..cells.base import CellParameters, CellState, Equations
from ..cells.gru import GRUEquations
from ..cells.lstm import LSTMEquations
from ..cells.rnn import RNNEquations
from .around import VECTORISED, capturing
from .reference import valid_steps
from .spec import CallSpec

KERNELS: dict[str, Any] = {
    "GRU": torch.gru, "LSTM": torch.lstm, "RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu
}  # fmt: skip
NETWORKS: dict[str, type[nn.RNNBase]] = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


def unsupported(cell: Equations, call: CallSpec) -> str | None:
    """Return what PyTorch's kernels do not support of a cell; None if they support it."""
    if call.transformation == VECTORISED:  # they fail, or are wrong with batch_first, even in nn.RNN
        return f"PyTorch's kernels do not run under {VECTORISED}"
    missing = beyond_pytorch(cell) + ["recurrent_dropout"] * call.recurrent_dropout
    return f"PyTorch's kernels have no {' and no '.join(missing)}" if missing else None


def beyond_pytorch(cell: Equations) -> list[str]:
    """Return what nn.GRU, nn.LSTM and nn.RNN do not compute of a cell."""
    cell = cell.standard
    if cell.kind not in NETWORKS:
        return [f"{cell.kind} cells"]
    reasons = {
        "reset gate before the product (reset_after=False)": isinstance(cell, GRUEquations) and not cell.reset_after,
        "peepholes": bool(cell.peephole_gates),
        "layer_norm": cell.layer_norm,
        "zoneout": cell.zoneout > 0,
    }
    return [what for what, wanted in reasons.items() if wanted]


def mode_of(cell: Equations) -> str:
    """Return PyTorch's name for the network of a standard cell: a key of `KERNELS`."""
    return f"RNN_{cell.nonlinearity.upper()}" if isinstance(cell, RNNEquations) else cell.kind.upper()


def run(
    cell: Equations,
    x: Tensor,
    lengths: Tensor | None,
    state: CellState,
    parameters: CellParameters,
    *,
    reverse: bool = False,
    recurrent_mask: Tensor | None = None,
) -> tuple[Tensor, CellState]:
    """Run one layer in one direction; `src.recurrent.backends.spec` describes arguments and shapes."""
    cell, parameters = cell.standard, cell.standard_weights(parameters)
    if reverse:
        x = flip(x, lengths)
    halves = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.float16
    if lengths is not None and not x.is_cuda and not halves and mostly_real(lengths, x):  # oneDNN's LSTM has no float16
        output, state = run_padded(cell, x, lengths, state, parameters)
    else:
        output, stacked = run_stack(cell, x, lengths, tuple(s[None] for s in state), [parameters])
        state = tuple(s[0] for s in stacked)
    return flip(output, lengths) if reverse else output, state


def mostly_real(lengths: Tensor, x: Tensor) -> bool:
    """Return whether at least half of the steps are valid, or unknown because the call is being captured."""
    return capturing() or 2 * int(lengths.sum()) >= x.shape[0] * x.shape[1]


def run_padded(
    cell: Equations, x: Tensor, lengths: Tensor, state: CellState, parameters: CellParameters
) -> tuple[Tensor, CellState]:
    """Run over the padding and discard its results, which is faster on a CPU if at least half of the steps are valid.

    The final h is in the output. The LSTM's c is not, so a further input feature marks the padding and holds c there:
    it closes the input gate and opens the forget gate, whose sigmoids are then exactly 0 and 1, with zero gradients.
    """
    valid = valid_steps(lengths, x)
    if cell.kind == "lstm":
        x = torch.cat([x, (~valid)[:, :, None].to(x.dtype)], dim=-1)
        hold = x.new_tensor([-1e4, 1e4, 0.0, 0.0]).repeat_interleave(state[1].shape[1])
        parameters = parameters._replace(weight_ih=torch.cat([parameters.weight_ih, hold[:, None]], dim=1))
    output, stacked = run_stack(cell, x, None, tuple(s[None] for s in state), [parameters])
    h = output[torch.arange(x.shape[0]), lengths - 1]
    return output.masked_fill(~valid[:, :, None], 0), (h, *(s[0] for s in stacked[1:]))


def run_stack(
    cell: Equations,
    x: Tensor,
    lengths: Tensor | None,
    state: CellState,
    parameters: Sequence[CellParameters],
    *,
    bidirectional: bool = False,
    dropout: float = 0.0,
    training: bool = False,
) -> tuple[Tensor, CellState]:
    """Run all layers and directions in one call, as nn.GRU does.

    ``parameters`` has one entry per layer and direction (layer by layer, forward first), ``state`` one tensor
    (layers*directions, batch, hidden_size) per state of the cell. Returns the last layer's output (batch, time,
    directions*hidden_size) and the state in the same form.
    """
    weights = [tensor for p in parameters for tensor in flat_weights(cell.standard_weights(p))]
    cell = cell.standard
    has_biases = parameters[0].bias_ih is not None
    num_layers = len(parameters) // (2 if bidirectional else 1)
    # cuDNN saves what backward needs only "in training", but gradients in evaluation need it as well (e.g. saliency).
    dropout = dropout if training else 0.0
    saving = training or (x.is_cuda and torch.is_grad_enabled())
    settings = (weights, has_biases, num_layers, dropout, saving, bidirectional)
    state = tuple(s.contiguous() for s in state)  # a learned one is expanded, which cuDNN does not accept
    hx = state if len(state) > 1 else state[0]
    if lengths is None:
        output, *new = call(cell, x.contiguous(), hx, *settings, True)
        return output, tuple(new)
    batch_sizes, *places = packing(lengths, x.shape[1])
    where, order, back = (place.to(x.device, non_blocking=True) for place in places)
    state = tuple(s.index_select(1, order) for s in state)
    packed = x.flatten(0, 1).index_select(0, where)
    data, *new = call(cell, packed, batch_sizes, state if len(state) > 1 else state[0], *settings)
    padded = data.new_zeros(x.shape[0] * x.shape[1], data.shape[1]).index_copy(0, where, data)
    return padded.view(*x.shape[:2], -1), tuple(s.index_select(1, back) for s in new)


def packing(lengths: Tensor, time: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return how rows of these lengths are packed, on the CPU (torch's own function would synchronise a GPU).

    >>> packing(torch.tensor([1, 3]), 3)
    (tensor([2, 1, 1]), tensor([3, 0, 4, 5]), tensor([1, 0]), tensor([1, 0]))

    Returns:
        The rows of each step, (longest,); the position of each packed step in (batch*time); the rows from longest to
        shortest, and the position of each row in that order, (batch,).
    """
    ordered, order = torch.sort(lengths, descending=True)
    steps = torch.arange(int(ordered[0]))[:, None]
    valid = steps < ordered
    return valid.sum(1), (order * time + steps)[valid], order, torch.argsort(order)


def call(cell: Equations, x: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    """Call PyTorch's kernel, without its warning on a GPU that weights changed by noise are not contiguous."""
    if not x.is_cuda or in_one_block(next(a for a in arguments if isinstance(a, list))):
        return KERNELS[mode_of(cell)](x, *arguments)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        return KERNELS[mode_of(cell)](x, *arguments)


def in_one_block(weights: Sequence[Tensor]) -> bool:
    """Return whether `flatten` has laid out the weights for cuDNN, so that calls neither copy them nor warn."""
    block = weights[0].untyped_storage().data_ptr()
    return all(w.untyped_storage().data_ptr() == block for w in weights)


def flat_weights(parameters: CellParameters) -> list[Tensor]:
    """Return the tensors of a standard cell in nn.LSTM's order; see `with_two_biases`."""
    w_ih, w_hh, b_ih, b_hh, _, _, _, w_hr = with_two_biases(parameters)
    return [tensor for tensor in (w_ih, w_hh, b_ih, b_hh, w_hr) if tensor is not None]


def with_two_biases(parameters: CellParameters) -> CellParameters:
    """Convert biases to PyTorch's form: none or two, with a zero second one if there is only one."""
    if parameters.bias_ih is None or parameters.bias_hh is not None:
        return parameters
    return parameters._replace(bias_hh=torch.zeros_like(parameters.bias_ih))


def flip(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse the valid steps of every row of (batch, time, features), leaving padding in place."""
    if lengths is None:
        return x.flip(1)
    time = torch.arange(x.shape[1], device=x.device)
    back = lengths.to(x.device, non_blocking=True)[:, None] - 1 - time
    return x.gather(1, torch.where(valid_steps(lengths, x), back, time)[:, :, None].expand_as(x))


def flatten(network: Any) -> None:
    """Lay out a plain stack's weights in one block by lending them to PyTorch's network, if cuDNN runs it."""
    if network.weight_ih_l0.is_cuda and is_pytorchs(network) and not computed(network):
        lend(network).flatten_parameters()


def is_pytorchs(network: Any) -> bool:
    """Return whether a network of PyTorch with the same parameters computes the same, as long as nothing is random."""
    layer = network.layers[0]
    own = not beyond_pytorch(layer.cell) and layer.cell.standard == layer.cell
    return own and layer.bias != "single" and network.plain


def computed(network: Any) -> list[str]:
    """Return the weights that are not parameters but computed from some: parametrized, pruned, dropped out."""
    own = {name for name, _ in network.named_parameters(recurse=False)}
    names = (n + s for k, layer in enumerate(network.layers) for n in layer.names for s in network.suffixes(k))
    return [name for name in names if name not in own]


def same_sizes(network: Any, **where: Any) -> nn.RNNBase:
    """Return PyTorch's network with the same arguments and new weights; ``where``: device, dtype."""
    layer = network.layers[0]
    cell = layer.cell.standard
    own: dict[str, Any] = {"proj_size": cell.proj_size} if isinstance(cell, LSTMEquations) else {}
    if isinstance(cell, RNNEquations):
        own["nonlinearity"] = cell.nonlinearity
    return NETWORKS[cell.kind](
        network.input_size, layer.hidden_size, network.num_layers, bias=bool(layer.bias), dropout=network.dropout,
        batch_first=network.batch_first, bidirectional=network.bidirectional, **own, **where,
    )  # fmt: skip


def lend(network: Any) -> nn.RNNBase:
    """Return PyTorch's network with the same parameters: not copies, so they are trained together."""
    lent = same_sizes(network, device="meta")
    for name, _ in list(lent.named_parameters()):
        setattr(lent, name, getattr(network, name))
    return lent.train(network.training)


def scriptable(network: Any) -> nn.RNNBase:
    """Return what torch.jit.script compiles in a network's place: PyTorch's, with the same parameters.

    Raises:
        ValueError: PyTorch's computes something else, or another backend was requested.
    """
    if names := computed(network):
        raise ValueError(f"torch.jit.script needs plain parameters, but {names[0]} is computed from one")
    drawn = (network.recurrent_dropout, network.weight_noise, network.learn_initial_state)
    if not is_pytorchs(network) or any(drawn):
        raise ValueError("torch.jit.script compiles only what nn.GRU, nn.LSTM and nn.RNN compute: use torch.export")
    if network.backend not in ("auto", "torch"):
        raise ValueError(
            f"backend={network.backend} cannot be compiled by torch.jit.script: use backend=torch or backend=auto"
        )
    return lend(network)
