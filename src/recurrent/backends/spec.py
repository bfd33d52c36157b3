"""What every backend is given: the cell, its parameters and the circumstances of the call.

A backend is a module with two functions::

    refusal(cell: CellSpec, call: CallSpec) -> str | None
    run(cell, x, lengths, state, parameters, *, reverse=False, recurrent_mask=None)
        -> tuple[Tensor, tuple[Tensor, ...]]

`refusal` says in words why the backend cannot run the cell, or None when it can. `run` runs one layer in one
direction:

- ``x`` (batch, time, input_size); what stands past a row's length is zero.
- ``lengths`` int64 (batch,) on the CPU, each 1..time, rows unsorted; None when every row is whole.
- ``state`` one (batch, hidden_size) tensor per state of the cell: ``(h,)``, or ``(h, c)`` for an LSTM.
- ``parameters`` a `CellParameters`.
- ``reverse`` walks each row from its last valid step to step 0.
- ``recurrent_mask`` (batch, hidden_size) multiplies h_{t-1} where it enters the recurrent product, and only there.
- ``zoneout_masks`` is passed only for a cell with ``zoneout > 0``: one (batch, time, hidden_size) tensor per state
  with the share of the old value that stays (0 or 1 in training, the rate in evaluation). A backend without it
  refuses such cells.

It returns the output (batch, time, hidden_size), zero past a row's length, and the state after the last step that
was walked: the last valid one, or step 0 with ``reverse``.

A backend may also have `run_stack`, which runs equal layers with nothing but dropout between them in one call; see
`src.recurrent.backends.builtin`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

GATES: dict[str, tuple[str, ...]] = {
    "gru": ("reset", "update", "candidate"),
    "lstm": ("input", "forget", "candidate", "output"),
    "rnn": ("candidate",),
}
STATES: dict[str, tuple[str, ...]] = {"gru": ("hidden",), "lstm": ("hidden", "cell"), "rnn": ("hidden",)}


@dataclass(frozen=True)
class CellSpec:
    """The equations of a cell, without its sizes or weights.

    >>> CellSpec("gru", reset_after=False).gates
    ('reset', 'update', 'candidate')

    Args:
        kind: "gru", "lstm" or "rnn" (tanh).
        reset_after: GRU: the reset gate multiplies U h + b (nn.GRU, cuDNN) instead of h (Cho et al. 2014, v3).
        update_gate: GRU: "keeps" (h = z h' + (1-z) n; nn.GRU, Cho) or "takes" (h = (1-z) h' + z n; Chung).
        peepholes: LSTM: the gates see the cell through a diagonal matrix (Gers 2002, Graves 2013).
        layer_norm: the input and the recurrent contributions are normalised (Ba et al. 2016).
        zoneout: rate in [0, 1) at which a unit keeps its old state (Krueger et al. 2017).
    """

    kind: str
    reset_after: bool = True
    update_gate: str = "keeps"
    peepholes: bool = False
    layer_norm: bool = False
    zoneout: float = 0.0

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the blocks of hidden_size rows in the weights, in their order (the twin's)."""
        return GATES[self.kind]

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the state tensors, in their order."""
        return STATES[self.kind]


class CellParameters(NamedTuple):
    """The tensors of one layer in one direction; G gates in the order of `CellSpec.gates`.

    Shapes: ``weight_ih`` (G*hidden, input), ``weight_hh`` (G*hidden, hidden), ``bias_ih`` and ``bias_hh`` (G*hidden,)
    or None (``bias_hh`` alone is None with a single bias), ``weight_peephole`` (3*hidden,) for the input, forget and
    output gate or None, ``gain_ih`` and ``gain_hh`` (G*hidden,), the gains of the layer normalisation, or None.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    weight_peephole: Tensor | None = None
    gain_ih: Tensor | None = None
    gain_hh: Tensor | None = None


@dataclass(frozen=True)
class CallSpec:
    """What beside the cell decides whether a backend can run: sizes, where the tensors are, and what is asked."""

    input_size: int
    hidden_size: int
    device: torch.device
    dtype: torch.dtype
    recurrent_dropout: bool = False
    inference: bool = False
