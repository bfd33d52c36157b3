"""Gates and states of a network while it reads, and statistics: saturation, and how long units remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from src.config.errors import UserError
from src.recurrent import StackedRNN, trace_gates
from src.recurrent.cells.base import Equations
from src.recurrent.convert import from_pytorch
from src.recurrent.state import split_layers

STATES = ("hidden", "cell", "candidate")  # names that are not gates, whatever their values
LOW, HIGH = 0.05, 0.95  # a gate is closed below and open above


@dataclass(frozen=True)
class Direction:
    """One layer, counted from 0, in one direction: ``backward`` if it reads from the end."""

    layer: int
    backward: bool

    @property
    def name(self) -> str:
        """``layer0``, or ``layer0_backward``."""
        return f"layer{self.layer}" + ("_backward" if self.backward else "")


@dataclass(frozen=True)
class Declared:
    """What a network of the user's own declares about its gates, in place of a cell's equations."""

    gates: tuple[str, ...]
    keep_gate: str | None
    keep_sign: int = 1
    zoneout: float = 0.0
    convention: str = ""


@dataclass(frozen=True)
class Gates(Direction):
    """The activations of one layer in one direction.

    ``values`` maps names of gates and states to (sequences, time, units), NaN past a sequence's length; the backward
    direction is in input order as well.
    """

    cell: Equations | Declared
    values: dict[str, np.ndarray]

    @property
    def sigmoids(self) -> list[str]:
        """Names of the gates between 0 and 1, in order."""
        return [gate for gate in self.cell.gates if gate != "candidate"]


def as_stack(network: Any) -> StackedRNN:
    """Return the network itself, or one of ours with the weights of an nn.GRU, nn.LSTM or nn.RNN.

    Raises:
        UserError: the network is neither.
    """
    if isinstance(network, StackedRNN):
        return network
    if type(network) in (nn.GRU, nn.LSTM, nn.RNN):
        return from_pytorch(network)
    raise UserError(
        f"{type(network).__name__} is neither a network of src.recurrent nor an nn.GRU, nn.LSTM or nn.RNN: its gates "
        "are unknown unless it has a method gates(input, lengths) that returns them (docs/contract.md)."
    )


def says_its_gates(network: Any) -> bool:
    """Return whether a network of the user's own has the method ``gates`` of docs/contract.md."""
    return not isinstance(network, StackedRNN) and callable(getattr(network, "gates", None))


def declared_gates(network: Any, x: Tensor, lengths: Tensor | None = None) -> list[Gates]:
    """Return the checked result of a network's method ``gates``, by layer.

    Raises:
        UserError: the result does not follow docs/contract.md.
    """
    said, kind = network.gates(x, lengths), type(network).__name__
    layers = said if isinstance(said, list | tuple) else [said]
    found = []
    for k, layer in enumerate(layers):
        for name, values in layer.items() if isinstance(layer, Mapping) else [("", None)]:
            if not isinstance(values, Tensor) or values.ndim != 3 or values.shape[:2] != x.shape[:2]:
                form = (
                    f"{tuple(values.shape)}" if isinstance(values, Tensor) else type(values if name else layer).__name__
                )
                raise UserError(
                    f"{kind}.gates must return for each layer a dict of gates and states to tensors ({x.shape[0]}, "
                    f"{x.shape[1]}, units), got {form}{f' for {name}' if name else ''}."
                )
        values = as_arrays(layer, x, lengths)
        if "hidden" not in values:
            raise UserError(f"{kind}.gates lacks hidden, the output of a layer, in layer {k}.")
        open_or_shut = tuple(
            n for n, v in values.items() if n not in STATES and bool(((v >= 0) & (v <= 1) | np.isnan(v)).all())
        )
        keep = getattr(network, "keep_gate", None)
        if keep is not None and keep not in open_or_shut:
            raise UserError(f"{kind}.keep_gate must be a gate of layer {k}, {', '.join(open_or_shut)}, got {keep}.")
        found.append(Gates(k, False, Declared(open_or_shut, keep), values))
    return found


def ends(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the number of valid steps of each sequence of (sequences, time, ...), by default all."""
    return torch.full((len(x),), x.shape[1]) if lengths is None else lengths


def as_arrays(trace: Mapping[str, Tensor], x: Tensor, lengths: Tensor | None) -> dict[str, np.ndarray]:
    """Convert values (sequences, time, units) to arrays, with NaN past the length of a sequence of ``x``."""
    past = (torch.arange(x.shape[1]) >= ends(x, lengths)[:, None])[:, :, None]
    exact = {name: v.detach().cpu().to(torch.promote_types(v.dtype, torch.float32)) for name, v in trace.items()}
    return {name: v.masked_fill(past, float("nan")).numpy() for name, v in exact.items()}


@torch.no_grad()
def read_gates(network: Any, x: Tensor, lengths: Tensor | None = None) -> list[Gates]:
    """Return every gate and state at every step, by layer, forward before backward, as in evaluation.

    Args:
        network: a `StackedRNN`, or an nn.GRU, nn.LSTM or nn.RNN; batch first; or one that returns its gates itself.
        x: (sequences, time, input_size).
        lengths: valid steps of each; None: all.
    """
    if says_its_gates(network):
        return declared_gates(network, x, lengths)
    stack = as_stack(network)
    return [
        Gates(k, direction == 1, stack.layers[k].cell, as_arrays(trace, x, lengths))
        for k, directions in enumerate(trace_gates(stack, x, lengths=lengths))
        for direction, trace in enumerate(directions)
    ]


@torch.no_grad()
def difference(network: Any, x: Tensor, lengths: Tensor | None, gates: list[Gates]) -> float:
    """Return the largest difference between the recomputed final states and the network's own.

    Relative for values above 1, because an LSTM's cell may count to hundreds; NaN if a state is.
    """
    stack = as_stack(network)
    own = network if stack is not network else stack.eval()
    _, state = own(x) if lengths is None else own(x, lengths=lengths)
    rows, worst = np.arange(len(x)), 0.0
    states = split_layers(state, stack.layers)
    for entry in gates:
        at = 0 if entry.backward else ends(x, lengths).numpy() - 1
        assert isinstance(entry.cell, Equations)
        for name, tensor in zip(entry.cell.states, states[entry.layer], strict=True):
            theirs = tensor[int(entry.backward)].cpu().numpy()
            off = np.abs(entry.values[name][rows, at] - theirs) / np.maximum(1, np.abs(theirs))
            worst = float(np.maximum(worst, off.max()))  # max() would lose NaN
    return worst


def saturation(gates: Gates) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by gate the fractions of all steps in which each unit is below :data:`LOW` and above :data:`HIGH`."""
    shares = {}
    for name in gates.sigmoids:
        value = gates.values[name]
        steps = np.isfinite(value).sum((0, 1))
        shares[name] = ((value < LOW).sum((0, 1)) / steps, (value > HIGH).sum((0, 1)) / steps)
    return shares


def kept(gates: Gates) -> np.ndarray | None:
    """Return the fraction of its old value that each unit keeps at each step, (sequences, time, units), if defined.

    The update gate if it keeps (h = z h' + (1-z) n), one minus it if it takes, the LSTM's forget gate; zoneout adds the
    fraction that it keeps in addition.
    """
    if gates.cell.keep_gate is None:
        return None
    value = gates.values[gates.cell.keep_gate]
    share = value if gates.cell.keep_sign > 0 else 1 - value
    return gates.cell.zoneout + (1 - gates.cell.zoneout) * share


def horizon(gates: Gates) -> np.ndarray | None:
    """Return each unit's memory in steps, 1 / (1 - mean fraction kept), (units,); None where `kept` is.

    A unit that keeps the fraction z at every step weights inputs k steps ago by z^k: these weights sum to this.
    """
    share = kept(gates)
    if share is None:
        return None
    with np.errstate(divide="ignore"):
        return np.divide(1, 1 - np.nanmean(share, axis=(0, 1), dtype=np.float64))
