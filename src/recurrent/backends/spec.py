"""What every backend is given: the cell, its parameters and the circumstances of the call.

A backend is a module with two functions::

    unsupported(cell: Equations, call: CallSpec) -> str | None
    run(cell, x, lengths, state, parameters, *, reverse=False, recurrent_mask=None)
        -> tuple[Tensor, tuple[Tensor, ...]]

`unsupported` says in words what of the cell or the call the backend does not support, None where it supports all. It
names what it knows, so that a cell that it never heard of is unsupported. `run` runs one layer in one direction:

- ``x`` (batch, time, input_size); what stands past a row's length is zero.
- ``lengths`` int64 (batch,) on the CPU, each 1..time, rows unsorted; None when every row is whole.
- ``state`` one (batch, hidden_size) tensor per state of the cell: ``(h,)``, or ``(h, c)`` for an LSTM. An output that
  is projected is narrower, and with it h and all that is said of it here (`Equations.state_sizes`).
- ``parameters`` a `CellParameters`.
- ``reverse`` reads each row from its last valid step to step 0.
- ``recurrent_mask`` (batch, hidden_size) multiplies h_{t-1} where it enters the recurrent product, and only there.
- ``zoneout_masks`` is passed only for a cell with ``zoneout > 0``: one (batch, time, hidden_size) tensor per state
  with the share of the old value that stays (0 or 1 in training, the rate in evaluation). A backend without it
  does not support such cells.

It returns the output (batch, time, hidden_size), zero past a row's length, and the state after the last step that
was read: the last valid one, or step 0 with ``reverse``.

A backend may also have `run_stack`, which runs equal layers with nothing but dropout between them in one call; see
`src.recurrent.backends.builtin`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..cells.base import Equations
from ..cells.lstm import LSTMEquations
from ..cells.rnn import RNNEquations


@dataclass(frozen=True)
class CallSpec:
    """What beside the cell decides whether a backend can run: its size, where the tensors are, and what is asked.

    ``transformation`` is what surrounds the call and must see into operators; see `src.recurrent.backends.around`.
    """

    hidden_size: int
    device: torch.device
    dtype: torch.dtype
    recurrent_dropout: bool = False
    inference: bool = False
    transformation: str | None = None


def beyond_kernels(cell: Equations) -> str | None:
    """What of a cell none of our own kernels has, in words; PyTorch's have it."""
    if isinstance(cell, LSTMEquations) and cell.proj_size:
        return "projections (proj_size)"
    return "rectified units" if isinstance(cell, RNNEquations) and cell.nonlinearity == "relu" else None
