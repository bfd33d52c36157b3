"""The interface of backends: the cell, its parameters and the circumstances of the call.

A backend is a module with two functions::

    unsupported(cell: Equations, call: CallSpec) -> str | None
    run(cell, x, lengths, state, parameters, *, reverse=False, recurrent_mask=None)
        -> tuple[Tensor, tuple[Tensor, ...]]

`unsupported` describes what the backend does not support of the cell or the call, or returns None. It lists what it
knows, so that unknown cells are unsupported. `run` runs one layer in one direction:

- ``x`` (batch, time, input_size), zero past a row's length.
- ``lengths`` int64 (batch,) on the CPU, each 1..time, rows unsorted; None if all rows are full.
- ``state`` one (batch, hidden_size) tensor per state of the cell: ``(h,)``, or ``(h, c)`` for an LSTM. A projected
  output is narrower, and so is h (`Equations.state_sizes`).
- ``parameters`` a `CellParameters`.
- ``reverse`` reads each row from its last valid step to step 0.
- ``recurrent_mask`` (batch, hidden_size) multiplies h_{t-1} in the recurrent product only.
- ``zoneout_masks`` is passed only for a cell with ``zoneout > 0``: one (batch, time, hidden_size) tensor per state
    with the fraction of the old value kept (0 or 1 in training, the rate in evaluation). A backend without it does not
    support such cells.

It returns the output (batch, time, hidden_size), zero past a row's length, and the state after the last step read: the
last valid one, or step 0 with ``reverse``.

A backend may also have `run_stack`, which runs equal layers with only dropout between them in one call; see
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
    """Conditions other than the cell that decide whether a backend can run: size, device, and what is requested.

    ``transformation`` surrounds the call and must trace into operators; see `src.recurrent.backends.around`.
    """

    hidden_size: int
    device: torch.device
    dtype: torch.dtype
    recurrent_dropout: bool = False
    inference: bool = False
    transformation: str | None = None


def beyond_kernels(cell: Equations) -> str | None:
    """Return features of a cell that PyTorch's kernels support but ours do not, in words."""
    if isinstance(cell, LSTMEquations) and cell.proj_size:
        return "projections (proj_size)"
    return "rectified units" if isinstance(cell, RNNEquations) and cell.nonlinearity == "relu" else None
