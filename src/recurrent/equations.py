"""The equations: one step of each cell, as the papers write them.

Every function takes the cell, the input's contribution ``W x + b`` (batch, G*hidden_size), the state, the parameters
and optionally a mask for h_{t-1} where it enters the recurrent product, and returns the new state and the gates by
name, each (batch, hidden_size). The rows of the weights stand in the order of `CellSpec.gates`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from .backends.spec import CellParameters, CellSpec

State = tuple[Tensor, ...]
Gates = dict[str, Tensor]


def gru(
    cell: CellSpec, from_input: Tensor, state: State, parameters: CellParameters, mask: Tensor | None = None
) -> tuple[State, Gates]:
    """One step of a gated recurrent unit; gates "reset", "update", "candidate".

    With ``reset_after=False`` the candidate is that of Cho et al. 2014 (arXiv 1406.1078, v3, eq. 8) and Chung et al.
    2014 (arXiv 1412.3555, section 3.2), ``tanh(W x + U (r*h) + b)``; with ``reset_after=True`` it is that of cuDNN
    and nn.GRU, ``tanh(W x + b + r * (U h + b'))``. Where ``update_gate`` is "keeps" the new state is
    ``z h + (1-z) n`` (Cho, eq. 7), where it is "takes" ``(1-z) h + z n`` (Chung): one family of functions, since
    sigmoid(-a) is 1 - sigmoid(a) and a sign of the update gate's weights turns one into the other.
    """
    (h,) = state
    hidden_size = h.shape[-1]
    gates, candidate = slice(0, 2 * hidden_size), slice(2 * hidden_size, None)
    seen = h if mask is None else h * mask

    r, z = torch.sigmoid(from_input[:, gates] + recurrent(seen, parameters, gates)).chunk(2, dim=-1)
    if cell.reset_after:
        from_state = r * recurrent(seen, parameters, candidate)
    else:
        from_state = recurrent(r * seen, parameters, candidate)
    n = torch.tanh(from_input[:, candidate] + from_state)
    h = z * h + (1 - z) * n if cell.update_gate == "keeps" else (1 - z) * h + z * n
    return (h,), {"reset": r, "update": z, "candidate": n}


def lstm(
    cell: CellSpec, from_input: Tensor, state: State, parameters: CellParameters, mask: Tensor | None = None
) -> tuple[State, Gates]:
    """One step of a long short-term memory; gates "input", "forget", "candidate", "output".

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in nn.LSTM. With ``peepholes`` the
    input and the forget gate see c_{t-1} and the output gate sees c_t, each through a diagonal matrix (Graves 2013,
    arXiv 1308.0850, eq. 7-11; Chung et al. 2014, section 3.1).
    """
    h, c = state
    seen = h if mask is None else h * mask
    i, f, g, o = (from_input + recurrent(seen, parameters)).chunk(4, dim=-1)
    if parameters.weight_peephole is not None:
        p_i, p_f, p_o = parameters.weight_peephole.chunk(3)
        i, f = i + p_i * c, f + p_f * c
    i, f, g = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g)
    c = f * c + i * g
    if parameters.weight_peephole is not None:
        o = o + p_o * c
    o = torch.sigmoid(o)
    return (o * torch.tanh(c), c), {"input": i, "forget": f, "candidate": g, "output": o}


def rnn(
    cell: CellSpec, from_input: Tensor, state: State, parameters: CellParameters, mask: Tensor | None = None
) -> tuple[State, Gates]:
    """One step of a tanh network (Elman 1990): ``tanh(W x + U h + b)``; its only "gate" is the candidate."""
    (h,) = state
    h = torch.tanh(from_input + recurrent(h if mask is None else h * mask, parameters))
    return (h,), {"candidate": h}


EQUATIONS: dict[str, Callable[..., tuple[State, Gates]]] = {"gru": gru, "lstm": lstm, "rnn": rnn}


def from_input(cell: CellSpec, x: Tensor, parameters: CellParameters) -> Tensor:
    """The input's contribution ``W x + b``: (..., input_size) to (..., G*hidden_size)."""
    weight, bias, gain = parameters.weight_ih, parameters.bias_ih, parameters.gain_ih
    if gain is None or cell.kind != "gru":
        return contribution(x, weight, bias, gain)
    hidden_size = parameters.weight_hh.shape[1]
    parts = [slice(0, 2 * hidden_size), slice(2 * hidden_size, None)]
    return torch.cat([contribution(x, weight[p], rows(bias, p), rows(gain, p)) for p in parts], dim=-1)


def recurrent(h: Tensor, parameters: CellParameters, part: slice = slice(None)) -> Tensor:
    """The state's contribution ``U h + b'`` to the gates whose rows are named."""
    weight, bias, gain = parameters.weight_hh, parameters.bias_hh, parameters.gain_hh
    return contribution(h, weight[part], rows(bias, part), rows(gain, part))


def contribution(x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    """``W x + b``, or with a gain ``gain * normalised(W x) + b`` (Ba et al. 2016, arXiv 1607.06450, eq. 4).

    As in the paper's supplement the rows of all gates are normalised together in an LSTM and in a tanh network, in a
    GRU those of its two gates and, apart, those of the candidate; epsilon is 1e-5. The paper's further normalisation
    of the LSTM's cell is left out, so that every kind of cell gets the same treatment.
    """
    if gain is None:
        return linear(x, weight, bias)
    product = linear(x, weight)
    return layer_norm(product, product.shape[-1:], gain, bias)


def rows(vector: Tensor | None, part: slice) -> Tensor | None:
    """The named part of a vector that may be absent."""
    return None if vector is None else vector[part]
