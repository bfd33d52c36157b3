"""Measure the inside of one network: gates and their statistics, gradients and Jacobians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from src.data.batches import Batch
from src.explaining.sample import network_input
from src.figures.gradients import band
from src.inside.gates import Gates, as_stack, difference, ends, horizon, kept, read_gates, saturation, says_its_gates
from src.inside.gradients import loss_gradients
from src.inside.jacobians import jacobians
from src.inside.unrolled import unrolled_forward
from src.recurrent import StackedRNN
from src.tasks.base import Task

VANISHED = 0.01  # a gradient below this fraction of the one at lag 0 has vanished


@dataclass(frozen=True)
class LayerView:
    """One layer of a network in one direction."""

    name: str  # ``layer0``, ``layer0_backward``, ...
    # By gate, fractions of steps in which it is closed and open in each unit, (units,) each.
    saturation: dict[str, tuple[np.ndarray, np.ndarray]]
    kept: np.ndarray | None  # (units,) mean fraction of the old value kept; None for tanh units
    horizon: np.ndarray | None  # (units,) steps, see `src.inside.gates.horizon`; None for tanh units
    # By quantity (keys of `src.figures.gradients.QUANTITIES`), (sequences, lags); empty for a network of the user's
    # own.
    curves: dict[str, np.ndarray]

    @property
    def median(self) -> np.ndarray:
        """(lags,) the median over sequences of the loss gradient; NaN where fewer than half of them are long enough."""
        if not self.curves:
            return np.empty(0)
        middle = band(self.curves["loss"])[1]
        return np.pad(middle, (0, self.curves["loss"].shape[1] - len(middle)), constant_values=np.nan)

    @property
    def reach(self) -> int:
        """Number of lags for which the median loss gradient stays above :data:`VANISHED` of that at lag 0."""
        return reach(self.curves["loss"]) if self.curves else 0


@dataclass(frozen=True)
class View:
    """A whole network; ``difference`` is that between its own states and recomputed ones, if any."""

    layers: list[LayerView]
    difference: float | None

    @property
    def by_name(self) -> dict[str, LayerView]:
        """The layers by name, in order."""
        return {layer.name: layer for layer in self.layers}


def look_inside(task: Task, batch: Batch, steps: int, jacobian_sequences: int | None = 0) -> View:
    """Measure a task's network on a batch of whole sequences.

    Args:
        task: in evaluation mode, in float32 or float64.
        batch: from `src.explaining.sample.sample`.
        steps: number of lags of the Jacobians.
        jacobian_sequences: number of sequences for which to compute them; 0: none; None: :func:`affordable`.

    Raises:
        UserError: the kind of network is unknown.
    """
    x, lengths = network_input(task, batch)
    gates = read_gates(task.network, x, lengths)
    if says_its_gates(task.network):
        return View(
            [LayerView(entry.name, saturation(entry), _mean(entry), horizon(entry), {}) for entry in gates], None
        )
    gradients = {layer.name: layer.norms["state"] for layer in loss_gradients(task, batch)}
    number = affordable(as_stack(task.network)) if jacobian_sequences is None else jacobian_sequences
    few, known = x[:number], None if lengths is None else lengths[:number]
    with torch.no_grad():
        paths = unrolled_forward(as_stack(task.network), few, known).layers if number else []
    views = []
    for entry in gates:
        curves = {"loss": relative(gradients[entry.name])}
        if paths:
            path = paths[entry.layer][int(entry.backward)]
            values = jacobians(path, ends(few, known), steps, entry.backward)
            curves |= {"strongest": values.strongest, "typical": values.typical, "largest": values.largest}
        views.append(LayerView(entry.name, saturation(entry), _mean(entry), horizon(entry), curves))
    return View(views, difference(task.network, x, lengths, gates))


def _mean(entry: Gates) -> np.ndarray | None:
    """Return the mean fraction of the old value kept by each unit, (units,)."""
    share = kept(entry)
    return None if share is None else np.nanmean(share, axis=(0, 1))


def affordable(network: StackedRNN) -> int:
    """Return how many sequences take a minute or two: 8 up to 128 numbers in a state, 4 up to 256, 2, 1."""
    widest = max(sum(layer.state_sizes) for layer in network.layers)
    return max(1, min(8, 1024 // widest))


def gates_of_one(task: Task, batch: Batch) -> list[Gates]:
    """Return every gate and state while reading a batch of one sequence."""
    return read_gates(task.network, *network_input(task, batch))


def relative(norms: np.ndarray) -> np.ndarray:
    """Return (sequences, lags) relative to the value at lag 0; NaN where that is 0."""
    first = norms[:, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(first > 0, norms / first, np.nan)


def reach(curve: np.ndarray) -> int:
    """Return the first lag at which the median of (sequences, lags) is below :data:`VANISHED`, or all lags."""
    middle = band(curve)[1]
    gone = np.flatnonzero(middle < VANISHED)
    return int(gone[0]) if len(gone) else len(middle)
