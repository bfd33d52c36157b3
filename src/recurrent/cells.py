"""One step at a time: cells that take the place of nn.GRUCell, nn.LSTMCell and nn.RNNCell and show their gates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .backends.spec import CellSpec
from .equations import EQUATIONS, Gates, State, from_input, split
from .initialise import initialise
from .inputs import check_state, check_tensor
from .options import cell_spec, check_size
from .parameters import LayerSpec, collect, register


class Cell(nn.Module):
    """What the three cells share: parameters named like the twin's, and a step.

    >>> cell = Cell(CellSpec("rnn"), input_size=3, hidden_size=5)
    >>> cell(torch.zeros(2, 3)).shape
    torch.Size([2, 5])

    Args:
        cell: the equations.
        input_size: features of a step.
        hidden_size: units.
        bias: True for the twin's two vectors, "single" for one vector a gate, False for none.
        initialisation: "pytorch", "xavier", "chung" or "chrono"; see `initialise`.
        retain_bias: mean of the bias of the gate that keeps the old state, at the start; see `initialise`.
        device: where the parameters are made.
        dtype: of the parameters.

    Raises:
        ValueError: an argument is impossible.
    """

    weight_ih: nn.Parameter

    def __init__(
        self,
        cell: CellSpec,
        input_size: int,
        hidden_size: int,
        bias: bool | str = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        initialisation: str = "pytorch",
        retain_bias: float = 0.0,
        chrono_steps: int | None = None,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.input_size = check_size("input_size", input_size)
        self.hidden_size = check_size("hidden_size", hidden_size)
        register(self, LayerSpec(cell, input_size, hidden_size, bias), "", device, dtype)
        initialise(cell, collect(self), initialisation, retain_bias, chrono_steps)

    def forward(self, input: Tensor, hx: Any = None, return_gates: bool = False) -> Any:
        """Take one step.

        Args:
            input: (batch, input_size) or (input_size,).
            hx: the state: (batch, hidden_size), for an LSTM a pair (h, c) of those; zero when None.
            return_gates: also return the gates.

        Returns:
            The new state in the form of ``hx``; with ``return_gates`` a pair of it and a dict from the names in
            `CellSpec.gates` to (batch, hidden_size).

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

    def step(self, x: Tensor, state: State) -> tuple[State, Gates]:
        """The equations on a state in the form of a tuple, batched or not."""
        if x.dim() == 2:
            parts = split(self.cell, collect(self))
            return EQUATIONS[self.cell.kind](self.cell, from_input(x, parts), state, parts)
        new, gates = self.step(x[None], tuple(part[None] for part in state))
        return tuple(part[0] for part in new), {name: gate[0] for name, gate in gates.items()}


class GRUCell(Cell):
    """One step of gated recurrent units: nn.GRUCell, with the papers' variants beside it.

    >>> h, gates = GRUCell(3, 5, reset_after=False)(torch.zeros(2, 3), return_gates=True)
    >>> h.shape, list(gates)
    (torch.Size([2, 5]), ['reset', 'update', 'candidate'])

    Args:
        reset_after, update_gate, layer_norm: as in `src.recurrent.GRU`; the equations in `src.recurrent.equations.gru`.
        input_size, hidden_size, bias, device, dtype, options: as in `Cell`.

    Raises:
        ValueError: an argument is impossible.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool | str = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        update_gate: str = "keeps",
        layer_norm: bool = False,
        **options: Any,
    ) -> None:
        cell = cell_spec("gru", reset_after=reset_after, update_gate=update_gate, layer_norm=layer_norm)
        super().__init__(cell, input_size, hidden_size, bias, device, dtype, **options)


class LSTMCell(Cell):
    """One step of a long short-term memory: nn.LSTMCell, with peepholes if wanted.

    >>> (h, c), gates = LSTMCell(3, 5)(torch.zeros(2, 3), return_gates=True)
    >>> c.shape, list(gates)
    (torch.Size([2, 5]), ['input', 'forget', 'candidate', 'output'])

    Args:
        peepholes, layer_norm: as in `src.recurrent.LSTM`; the equations in `src.recurrent.equations.lstm`.
        input_size, hidden_size, bias, device, dtype, options: as in `Cell`.

    Raises:
        ValueError: an argument is impossible.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool | str = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        peepholes: bool = False,
        layer_norm: bool = False,
        **options: Any,
    ) -> None:
        cell = cell_spec("lstm", peepholes=peepholes, layer_norm=layer_norm)
        super().__init__(cell, input_size, hidden_size, bias, device, dtype, **options)


class RNNCell(Cell):
    """One step of tanh units: nn.RNNCell.

    >>> RNNCell(3, 5)(torch.zeros(2, 3)).shape
    torch.Size([2, 5])

    Args:
        nonlinearity: only "tanh"; it stands here because nn.RNNCell has it here.
        input_size, hidden_size, bias, device, dtype, layer_norm, options: as in `GRUCell`.

    Raises:
        ValueError: an argument is impossible.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool | str = True,
        nonlinearity: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        **options: Any,
    ) -> None:
        if nonlinearity != "tanh":
            raise ValueError(f"nonlinearity: expected 'tanh', got {nonlinearity!r}")
        cell = cell_spec("rnn", layer_norm=layer_norm)
        super().__init__(cell, input_size, hidden_size, bias, device, dtype, **options)
