"""Networks of equal layers, including drop-in replacements for nn.GRU, nn.LSTM and nn.RNN."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .backends.builtin import is_pytorchs, mode_of
from .cells.base import option_names
from .checks import check_size
from .stack import StackedRNN


class RNNBase(StackedRNN):
    """Layers of one kind of cell, with the arguments of nn.RNNBase.

    >>> output, (h, c) = RNNBase("lstm", 8, 16, num_layers=2)(torch.zeros(5, 3, 8))
    >>> output.shape, c.shape
    (torch.Size([5, 3, 16]), torch.Size([2, 3, 16]))

    Args:
        kind: name of the cell, one of `src.recurrent.cells`.
        input_size: input features per step.
        hidden_size: units per layer, or a list with one width per layer.
        num_layers: number of stacked layers.
        bias: True for PyTorch's two vectors, "single" for one vector per gate (as in the papers), False for none.
        batch_first, dropout, bidirectional, device, dtype: as in nn.GRU.
        proj_size: projected size of the output and of h in an LSTM, below hidden_size; 0 or None: no projection. The
            parameters ``weight_hr_l0`` (proj_size, hidden_size), ... are nn.LSTM's.
        layer_norm: normalise the input's and the state's contribution (Ba et al. 2016).
        zoneout: rate in [0, 1) at which units keep their old state (Krueger et al. 2017).
        options: the cell's own, and ``residual``, ``recurrent_dropout``, ``weight_noise``, ``learn_initial_state``,
            ``initialisation``, ``keep_gate_bias``, ``chrono_steps``, ``backend``; see `StackedRNN`.

    Raises:
        ValueError: an argument is out of range, or the requested backend cannot run the network.
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        bias: bool | str = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int | None = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        zoneout: float = 0.0,
        **options: Any,
    ) -> None:
        proj_size = 0 if proj_size is None else proj_size
        cell = {name: options.pop(name) for name in option_names() & options.keys()}
        cell |= {"kind": kind, "bias": bias, "layer_norm": layer_norm, "zoneout": zoneout, "proj_size": proj_size}
        check_size("num_layers", num_layers)
        each = isinstance(hidden_size, Sequence) and not isinstance(hidden_size, str | bytes)
        widths = list(hidden_size) if each else [hidden_size] * num_layers  # type: ignore[arg-type]
        if len(widths) != num_layers:
            raise ValueError(f"hidden_size: expected one width or {num_layers} of them (num_layers), got {widths}")
        layers = [{"hidden_size": width, **cell} for width in widths]
        super().__init__(
            input_size, layers, batch_first, dropout, bidirectional, device=device, dtype=dtype, **options
        )  # fmt: skip
        self.hidden_size = widths if each else hidden_size
        self.bias, self.proj_size = bias, proj_size
        if dropout and num_layers == 1:
            warnings.warn(f"dropout={dropout} acts between layers and has no effect with num_layers=1", stacklevel=3)

    @property
    def mode(self) -> str | None:
        """nn.RNNBase's "GRU", "LSTM", "RNN_TANH" or "RNN_RELU"; None if that would compute something else."""
        return mode_of(self.layers[0].cell) if is_pytorchs(self) else None

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction, forward before backward, in nn.RNNBase's order."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _all_weights(self) -> list[list[str]]:
        """The names of `all_weights`; as in nn.RNNBase."""
        return [[n + s for n in layer.names] for k, layer in enumerate(self.layers) for s in self.suffixes(k)]

    @property
    def _flat_weights_names(self) -> list[str]:
        """The names of `_flat_weights`."""
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> tuple[Tensor, ...]:
        """All weights; unlike nn.RNNBase's list, a tuple, because this network would not notice changes to a list.

        Assignment sets the attributes after which the weights are named.
        """
        return tuple(weight for weights in self.all_weights for weight in weights)

    @_flat_weights.setter
    def _flat_weights(self, given: Sequence[Tensor]) -> None:
        for name, weight in zip(self._flat_weights_names, given, strict=True):
            if getattr(self, name, None) is not weight:
                setattr(self, name, weight)


class GRU(RNNBase):
    """Gated recurrent units: nn.GRU, with the variants of the papers.

    >>> gru = GRU(8, 16, num_layers=2, batch_first=True)
    >>> output, state = gru(torch.zeros(3, 5, 8))
    >>> output.shape, state.shape
    (torch.Size([3, 5, 16]), torch.Size([2, 3, 16]))

    With default arguments it computes and initialises exactly what nn.GRU does, with the same parameter names
    (``weight_ih_l0`` (3*hidden_size, input_size), ..., rows: reset, update, candidate).

    Args:
        arguments, options: as in `RNNBase` without ``kind``, which are nn.GRU's in nn.GRU's order.
        reset_after: the reset gate multiplies U h + b (True: nn.GRU, cuDNN) or h (False: Cho et al. 2014, Chung et
            al. 2014); see `src.recurrent.cells.gru`.
        update_gate: "keeps" (h = z h' + (1-z) n: nn.GRU, Cho) or "takes" (h = (1-z) h' + z n: Chung).
    """

    def __init__(
        self, *arguments: Any, reset_after: bool = True, update_gate: str = "keeps", **options: Any
    ) -> None:  # fmt: skip
        super().__init__("gru", *arguments, reset_after=reset_after, update_gate=update_gate, **options)


class LSTM(RNNBase):
    """Long short-term memory: nn.LSTM, optionally with peepholes.

    >>> lstm = LSTM(8, 16, batch_first=True, peepholes=True)
    >>> output, (h, c) = lstm(torch.zeros(3, 5, 8))
    >>> output.shape, c.shape
    (torch.Size([3, 5, 16]), torch.Size([1, 3, 16]))

    With default arguments it computes and initialises exactly what nn.LSTM does, with the same parameter names
    (``weight_ih_l0`` (4*hidden_size, input_size), ..., rows: input, forget, candidate, output).

    Args:
        arguments, options: as in `RNNBase` without ``kind``, which are nn.LSTM's in nn.LSTM's order.
        peepholes: connections from the cell to the gates (Graves 2013, Chung et al. 2014); ``weight_peephole_l0``
            (3*hidden_size,) has the diagonals for the input, forget and output gates; see `src.recurrent.cells.lstm`.
    """

    def __init__(self, *arguments: Any, peepholes: bool = False, **options: Any) -> None:
        super().__init__("lstm", *arguments, peepholes=peepholes, **options)


class RNN(RNNBase):
    """Units without gates: nn.RNN.

    >>> RNN(8, 16)(torch.zeros(5, 3, 8))[0].shape
    torch.Size([5, 3, 16])

    With default arguments it computes and initialises exactly what nn.RNN does, with the same parameter names.

    Args:
        input_size, hidden_size, num_layers, arguments, options: as in `RNNBase` without ``kind``, which are nn.RNN's
            in nn.RNN's order.
        nonlinearity: "tanh" (the default) or "relu"; see `src.recurrent.cells.rnn`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        nonlinearity: str | None = "tanh",
        *arguments: Any,
        **options: Any,
    ) -> None:
        chosen = "tanh" if nonlinearity is None else nonlinearity
        super().__init__("rnn", input_size, hidden_size, num_layers, *arguments, nonlinearity=chosen, **options)
        self.nonlinearity = chosen


def is_recurrent(module: nn.Module) -> bool:
    """Return whether a module is a recurrent network, PyTorch's or ours; replaces ``isinstance(module, nn.RNNBase)``.

    >>> is_recurrent(GRU(8, 16)), is_recurrent(nn.GRU(8, 16)), is_recurrent(nn.Linear(8, 16))
    (True, True, False)
    """
    return isinstance(module, nn.RNNBase | StackedRNN)
