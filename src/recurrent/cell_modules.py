"""One step at a time: modules that take the place of nn.GRUCell, nn.LSTMCell and nn.RNNCell and show their gates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .cells.base import CellState, Gates, find_cell, from_input
from .checks import check_size
from .initialise import initialise
from .inputs import check_state, check_tensor
from .parameters import LayerSpec, collect, register


class RNNCellBase(nn.Module):
    """One step of any kind of cell, its parameters named like nn.GRUCell's.

    >>> cell = RNNCellBase("rnn", input_size=3, hidden_size=5)
    >>> cell(torch.zeros(2, 3)).shape
    torch.Size([2, 5])

    Args:
        kind: of the cell: the name of one of `src.recurrent.cells`.
        input_size: features of a step.
        hidden_size: units.
        bias: True for PyTorch's two vectors, "single" for one vector a gate, False for none.
        device: where the parameters are made.
        dtype: of the parameters.
        initialisation: "pytorch", "xavier", "chung" or "chrono"; see `initialise`.
        keep_gate_bias: mean of the bias of the gate that keeps the old state, at the start; see `initialise`.
        chrono_steps: the longest dependency that "chrono" expects, in steps.
        options: the cell's own.

    Raises:
        ValueError: an argument is impossible.
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
        register(self, LayerSpec(self.cell, input_size, hidden_size, bias), "", device, dtype)
        initialise(self.cell, collect(self), initialisation, keep_gate_bias, chrono_steps)

    def forward(self, input: Tensor, hx: Any = None, return_gates: bool = False) -> Any:
        """Take one step.

        Args:
            input: (batch, input_size) or (input_size,).
            hx: the state: (batch, hidden_size), for an LSTM a pair (h, c) of those; zero when None.
            return_gates: also return the gates.

        Returns:
            The new state in the form of ``hx``; with ``return_gates`` a pair of it and a dict from the names in
            `Equations.gates` to (batch, hidden_size).

        Raises:
            ValueError: the shape, dtype or device of an argument does not fit.
        """
        check_tensor(input, self.weight_ih)
        zeros = self.weight_ih.new_zeros(*input.shape[:-1], self.hidden_size)
        single = len(self.cell.states) == 1
        state: Any = zeros if single else (zeros,) * len(self.cell.states)
        if hx is not None:
            check_state(hx, state, self.weight_ih)
            state = hx
        new, gates = self.step(input, (state,) if single else tuple(state))
        return ((new[0] if single else new), gates) if return_gates else (new[0] if single else new)

    def step(self, x: Tensor, state: CellState) -> tuple[CellState, Gates]:
        """The equations on a state in the form of a tuple, batched or not."""
        if x.dim() == 2:
            blocks = self.cell.weight_blocks(collect(self))
            return self.cell.step(from_input(x, blocks), state[0], state, blocks)
        new, gates = self.step(x[None], tuple(tensor[None] for tensor in state))
        return tuple(tensor[0] for tensor in new), {name: gate[0] for name, gate in gates.items()}


class GRUCell(RNNCellBase):
    """One step of gated recurrent units: nn.GRUCell, with the papers' variants beside it.

    >>> h, gates = GRUCell(3, 5, reset_after=False)(torch.zeros(2, 3), return_gates=True)
    >>> h.shape, list(gates)
    (torch.Size([2, 5]), ['reset', 'update', 'candidate'])

    Arguments are those of `RNNCellBase` without ``kind``, which are nn.GRUCell's in its order, and the options
    ``reset_after`` and ``update_gate`` of `src.recurrent.GRU`.

    Raises:
        ValueError: an argument is impossible.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__("gru", *arguments, **options)


class LSTMCell(RNNCellBase):
    """One step of a long short-term memory: nn.LSTMCell, with peepholes if wanted.

    >>> (h, c), gates = LSTMCell(3, 5)(torch.zeros(2, 3), return_gates=True)
    >>> c.shape, list(gates)
    (torch.Size([2, 5]), ['input', 'forget', 'candidate', 'output'])

    Arguments are those of `RNNCellBase` without ``kind``, which are nn.LSTMCell's in its order, and the option
    ``peepholes`` of `src.recurrent.LSTM`.

    Raises:
        ValueError: an argument is impossible.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__("lstm", *arguments, **options)


class RNNCell(RNNCellBase):
    """One step of tanh units: nn.RNNCell.

    >>> RNNCell(3, 5)(torch.zeros(2, 3)).shape
    torch.Size([2, 5])

    Arguments are those of `RNNCellBase` without ``kind``, which are nn.RNNCell's in its order; ``nonlinearity`` is only
    "tanh" and stands here because nn.RNNCell has it here.

    Raises:
        ValueError: an argument is impossible.
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
        if nonlinearity != "tanh":
            raise ValueError(f"nonlinearity: expected 'tanh', got {nonlinearity!r}")
        super().__init__("rnn", input_size, hidden_size, bias, *arguments, **options)
