"""The equations: one step of each cell, as the papers write them.

Every function takes the cell, the input's contribution ``W x + b`` (batch, G*hidden_size), the state, the parameters
by parts (`split`) and optionally a mask for h_{t-1} where it enters the recurrent product, and returns the new state
and the gates by name, each (batch, hidden_size). The rows of the weights stand in the order of `CellSpec.gates`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from .backends.spec import CellParameters, CellSpec

State = tuple[Tensor, ...]
Gates = dict[str, Tensor]
Parts = tuple[CellParameters, ...]


def gru(cell: CellSpec, inputs: Tensor, state: State, parts: Parts, mask: Tensor | None = None) -> tuple[State, Gates]:
    """One step of a gated recurrent unit; gates "reset", "update", "candidate".

    With ``reset_after=False`` the candidate is that of Cho et al. 2014 (arXiv 1406.1078, v3, eq. 8) and Chung et al.
    2014 (arXiv 1412.3555, section 3.2), ``tanh(W x + U (r*h) + b)``; with ``reset_after=True`` it is that of cuDNN
    and nn.GRU, ``tanh(W x + b + r * (U h + b'))``. Where ``update_gate`` is "keeps" the new state is
    ``z h + (1-z) n`` (Cho, eq. 7), where it is "takes" ``(1-z) h + z n`` (Chung): one family of functions, since
    sigmoid(-a) is 1 - sigmoid(a) and a sign of the update gate's weights turns one into the other.
    """
    (h,) = state
    gates, candidate = parts
    to_gates, to_candidate = inputs.split([2 * h.shape[-1], h.shape[-1]], dim=-1)
    seen = h if mask is None else h * mask
    r, z = torch.sigmoid(to_gates + from_state(seen, gates)).chunk(2, dim=-1)
    reset = r * from_state(seen, candidate) if cell.reset_after else from_state(r * seen, candidate)
    n = torch.tanh(to_candidate + reset)
    h = z * h + (1 - z) * n if cell.update_gate == "keeps" else (1 - z) * h + z * n
    return (h,), {"reset": r, "update": z, "candidate": n}


def lstm(cell: CellSpec, inputs: Tensor, state: State, parts: Parts, mask: Tensor | None = None) -> tuple[State, Gates]:
    """One step of a long short-term memory; gates "input", "forget", "candidate", "output".

    Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in nn.LSTM. With ``peepholes`` the
    input and the forget gate see c_{t-1} and the output gate sees c_t, each through a diagonal matrix (Graves 2013,
    arXiv 1308.0850, eq. 7-11; Chung et al. 2014, section 3.1).
    """
    h, c = state
    (weights,) = parts
    seen = h if mask is None else h * mask
    i, f, g, o = (inputs + from_state(seen, weights)).chunk(4, dim=-1)
    if weights.weight_peephole is not None:
        p_i, p_f, p_o = weights.weight_peephole.chunk(3)
        i, f = i + p_i * c, f + p_f * c
    i, f, g = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g)
    c = f * c + i * g
    if weights.weight_peephole is not None:
        o = o + p_o * c
    o = torch.sigmoid(o)
    return (o * torch.tanh(c), c), {"input": i, "forget": f, "candidate": g, "output": o}


def rnn(cell: CellSpec, inputs: Tensor, state: State, parts: Parts, mask: Tensor | None = None) -> tuple[State, Gates]:
    """One step of a tanh network (Elman 1990): ``tanh(W x + U h + b)``; its only "gate" is the candidate."""
    (h,) = state
    (weights,) = parts
    h = torch.tanh(inputs + from_state(h if mask is None else h * mask, weights))
    return (h,), {"candidate": h}


EQUATIONS: dict[str, Callable[..., tuple[State, Gates]]] = {"gru": gru, "lstm": lstm, "rnn": rnn}


def split(cell: CellSpec, parameters: CellParameters) -> Parts:
    """The parameters by the parts of their rows that are multiplied, and normalised, together.

    A GRU's two gates are one part and its candidate is another, because with ``reset_after=False`` the candidate waits
    for the reset gate; in the other cells all rows are one part.
    """
    if cell.kind != "gru":
        return (parameters,)
    hidden_size = parameters.weight_hh.shape[1]
    pairs = [
        (None, None) if tensor is None or name == "weight_peephole" else tensor.split([2 * hidden_size, hidden_size])
        for name, tensor in parameters._asdict().items()
    ]
    return tuple(CellParameters(*part) for part in zip(*pairs, strict=True))


def from_input(x: Tensor, parts: Parts) -> Tensor:
    """The input's contribution ``W x + b``: (..., input_size) to (..., G*hidden_size)."""
    return torch.cat([contribution(x, p.weight_ih, p.bias_ih, p.gain_ih) for p in parts], dim=-1)


def from_state(h: Tensor, part: CellParameters) -> Tensor:
    """The state's contribution ``U h + b'`` to the rows of one part."""
    return contribution(h, part.weight_hh, part.bias_hh, part.gain_hh)


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
