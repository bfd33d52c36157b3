"""Single-step modules that replace nn.GRUCell, nn.LSTMCell and nn.RNNCell and expose their gates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .cells.base import find_cell, from_input
from .checks import check_size
from .initialise import initialise
from .inputs import check_state, check_tensor
from .parameters import LayerSpec, collect, register
from .quantisable import Quantisable


class RNNCellBase(Quantisable):
    """One step of any kind of cell, with parameters named like nn.GRUCell's.

    >>> cell = RNNCellBase("rnn", input_size=3, hidden_size=5)
    >>> cell(torch.zeros(2, 3)).shape
    torch.Size([2, 5])

    Args:
        kind, input_size, hidden_size, bias, device, dtype: as in `src.recurrent.RNNBase`.
        initialisation, keep_gate_bias, chrono_steps: as in `initialise`.
        options: the cell's own.

    Raises:
        ValueError: an argument is out of range.
    """

    weight_ih: nn.Parameter

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        bias: bool | str = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        initialisation: str = "pytorch",
        keep_gate_bias: float = 0.0,
        chrono_steps: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.cell = find_cell(kind, **options)
        self.input_size = check_size("input_size", input_size)
        self.hidden_size = check_size("hidden_size", hidden_size)
        self.layer = LayerSpec(self.cell, input_size, hidden_size, bias)
        if keep_gate_bias and not self.cell.keep_gate:
            raise ValueError(f"keep_gate_bias: expected 0 for {kind} cells (no keep gate), got {keep_gate_bias!r}")
        register(self, self.layer, "", device, dtype)
        initialise(self.cell, collect(self, self.layer), initialisation, keep_gate_bias, chrono_steps)

    def extra_repr(self) -> str:
        """Return the sizes, for ``repr``."""
        return f"{self.input_size} -> {self.hidden_size}"

    def forward(self, input: Tensor, hx: Any = None, return_gates: bool = False) -> Any:
        """Take one step.

        Args:
            input: (batch, input_size) or (input_size,).
            hx: the state: (batch, hidden_size), for an LSTM a pair (h, c) of those, with h as wide as its projection;
                zero if None.
            return_gates: also return the gates.

        Returns:
            The new state in the form of ``hx``; with ``return_gates`` a pair of it and a dict from the names in
            `Equations.gates` to (batch, hidden_size).

        Raises:
            ValueError: the shape, dtype or device of an argument does not match.
        """
        parameters = collect(self, self.layer)
        weight = parameters.weight_ih
        if input.ndim not in (1, 2):
            raise ValueError(f"input: expected 1 or 2 dimensions, one step of each sequence, got {input.ndim}")
        check_tensor(input, weight)
        zeros = tuple(weight.new_zeros(*input.shape[:-1], size) for size in self.layer.state_sizes)
        single = len(zeros) == 1
        state: Any = zeros[0] if single else zeros
        if hx is not None:
            check_state(hx, state, weight)
            state = hx
        blocks = self.cell.weight_blocks(parameters)
        old = (state,) if single else tuple(state)
        new, gates = self.cell.step(from_input(input, blocks), old[0], old, blocks)
        after = new[0] if single else new
        return (after, gates) if return_gates else after


class GRUCell(RNNCellBase):
    """nn.GRUCell with the same arguments, and the options ``reset_after`` and ``update_gate`` of `src.recurrent.GRU`.

    >>> h, gates = GRUCell(3, 5, reset_after=False)(torch.zeros(2, 3), return_gates=True)
    >>> h.shape, list(gates)
    (torch.Size([2, 5]), ['reset', 'update', 'candidate'])
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__("gru", *arguments, **options)


class LSTMCell(RNNCellBase):
    """nn.LSTMCell with the same arguments, and the options ``peepholes`` and ``proj_size`` of `src.recurrent.LSTM`.

    >>> (h, c), gates = LSTMCell(3, 5)(torch.zeros(2, 3), return_gates=True)
    >>> c.shape, list(gates)
    (torch.Size([2, 5]), ['input', 'forget', 'candidate', 'output'])
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__("lstm", *arguments, **options)


class RNNCell(RNNCellBase):
    """nn.RNNCell with the same arguments; ``nonlinearity`` is "tanh" or "relu".

    >>> RNNCell(3, 5)(torch.zeros(2, 3)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool | str = True,
        nonlinearity: str = "tanh",
        *arguments: Any,
        **options: Any,
    ) -> None:
        super().__init__("rnn", input_size, hidden_size, bias, *arguments, nonlinearity=nonlinearity, **options)
