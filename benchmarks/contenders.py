"""Timed contenders: a cell in a backend, or PyTorch's own layer, in a training step or in inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.measuring.clock import Work
from src.recurrent import GRU, LSTM, RNN, StackedRNN
from src.rng import derive, drawing

TOLERANCE = 1e-3  # a float32 contender that differs more from the reference loop computes something else


class Shape(NamedTuple):
    """Sizes of a layer and its input."""

    batch: int
    time: int
    input_size: int
    hidden_size: int

    def __str__(self) -> str:
        return f"({', '.join(map(str, self))})"


class Cell(NamedTuple):
    """A network of ours and the PyTorch layer it is compared with.

    Args:
        network: the class.
        options: its arguments beside the sizes.
        layer: PyTorch's; where it has no such cell, the one with the same number of gates.
        baseline: that layer's name.
        gates: blocks of hidden_size rows in its weights.
    """

    network: Callable[..., StackedRNN]
    options: dict[str, Any]
    layer: Callable[..., nn.RNNBase]
    baseline: str
    gates: int


CELLS = {
    "gru": Cell(GRU, {}, nn.GRU, "nn.GRU", 3),
    "gru_cho": Cell(GRU, {"reset_after": False, "bias": "single"}, nn.GRU, "nn.GRU", 3),
    "lstm": Cell(LSTM, {}, nn.LSTM, "nn.LSTM", 4),
    "lstm_peephole": Cell(LSTM, {"peepholes": True}, nn.LSTM, "nn.LSTM", 4),
    "rnn": Cell(RNN, {}, nn.RNN, "nn.RNN", 1),
    "gru_layer_norm": Cell(GRU, {"layer_norm": True}, nn.GRU, "nn.GRU", 3),
    "lstm_layer_norm": Cell(LSTM, {"layer_norm": True}, nn.LSTM, "nn.LSTM", 4),
    "gru_zoneout": Cell(GRU, {"zoneout": 0.1}, nn.GRU, "nn.GRU", 3),
    "gru_recurrent_dropout": Cell(GRU, {"recurrent_dropout": 0.25}, nn.GRU, "nn.GRU", 3),
}
MODES = ("training", "inference")
PYTORCH = "pytorch"  # where a backend stands: a layer of its own
BACKENDS = ("auto", "fused", "triton", "torch", "reference", "compiled")
PRECISIONS = {"32-true": TOLERANCE, "bf16-mixed": 3e-2}  # with the difference that rounding may make of the output


@dataclass(frozen=True)
class Case:
    """One table entry: the contenders of a case run in turn."""

    shape: Shape
    mode: str
    threads: int
    precision: str = "32-true"

    def __str__(self) -> str:
        return f"{self.shape} {self.mode}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return the autocast context of forward passes in this precision."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed")


@dataclass(frozen=True)
class Contender:
    """Something to time.

    Args:
        name: unique within its case, e.g. ``gru fused`` or ``nn.GRU``.
        cell: its key in :data:`CELLS`.
        backend: as asked for; ``pytorch`` for PyTorch's own layer; the peer's name for a peer.
        ran: the backend that ran, where ``auto`` chose one.
        work: one step.
        difference: from the readable loop's output, the largest; None for the baselines and for what has weights of
            its own.
    """

    name: str
    cell: str
    backend: str
    ran: str
    work: Work
    difference: float | None = None


class Refused(Exception):
    """A contender is unavailable; the message says why."""


def baselines(cells: Sequence[str], case: Case, device: torch.device, seed: int = 0) -> list[Contender]:
    """Return the PyTorch layers with which the cells are compared, once each."""
    layers: dict[str, Contender] = {}
    for name in cells:
        cell = CELLS[name]
        if cell.baseline not in layers:
            with drawing(seed, "initialisation"):
                layer = cell.layer(case.shape.input_size, case.shape.hidden_size, batch_first=True, device=device)
            ran = "cuDNN" if device.type == "cuda" else "torch"
            key = next(key for key in CELLS if CELLS[key].layer is cell.layer)
            layers[cell.baseline] = Contender(cell.baseline, key, PYTORCH, ran, work(layer, case, seed))
    return list(layers.values())


def contender(
    name: str, backend: str, case: Case, device: torch.device, seed: int = 0, check: bool = True
) -> Contender:
    """Return a cell in one of our backends, compared with the reference loop before anything is timed.

    Args:
        name: a key of :data:`CELLS`.
        backend: one of :data:`BACKENDS`; ``compiled`` is the readable loop under ``torch.compile``.
        case: sizes, mode and threads.
        device: where it runs.
        seed: of weights and input.
        check: hold its output against the readable loop's.

    Raises:
        Refused: when the backend does not run this cell here.
        RuntimeError: when it computes something else than the readable loop.
    """
    if backend == "compiled" and device.type == "cpu":
        raise Refused("compiling the loop over time takes many minutes on a CPU, so it is measured on a GPU only")
    try:
        network = build(name, "reference" if backend == "compiled" else backend, case, device, seed)
    except ValueError as error:
        raise Refused(str(error)) from error
    ran = network.resolved_backend(device, torch.float32, inference=case.mode == "inference")
    runs: Any = torch.compile(network) if backend == "compiled" else network
    difference = None
    if check and backend != "reference":
        x = batch(case, device, seed)
        with torch.no_grad():
            expected = reference(name, case, device, seed)(x)[0]
            with case.autocast(device):
                output = runs.eval()(x)[0]
        difference = float((output - expected).abs().max())
        if not difference <= PRECISIONS[case.precision]:
            raise RuntimeError(f"{name} {backend} differs from the reference loop by {difference:.2g} at {case.shape}")
    ran = "torch.compile of reference" if backend == "compiled" else ran
    return Contender(f"{name} {backend}", name, backend, ran, work(runs, case, seed), difference)


def build(name: str, backend: str, case: Case, device: torch.device, seed: int) -> StackedRNN:
    """A network of one of our backends; all of a cell and seed have the same weights.

    Raises:
        ValueError: the backend cannot run the cell.
    """
    cell, shape = CELLS[name], case.shape
    with drawing(seed, "initialisation"):
        return cell.network(
            shape.input_size, shape.hidden_size, batch_first=True, backend=backend, device=device, **cell.options
        )


def reference(name: str, case: Case, device: torch.device, seed: int) -> StackedRNN:
    """Return the output of the readable loop, with which others are compared, in evaluation mode."""
    return build(name, "reference", case, device, seed).eval()


def batch(case: Case, device: torch.device, seed: int) -> Tensor:
    """Draw standard normal input of the case's shape."""
    generator = torch.Generator().manual_seed(derive(seed, "split"))
    return torch.randn(case.shape[:3], generator=generator).to(device)


def work(network: nn.Module, case: Case, seed: int) -> Work:
    """Return one step in the case's mode, ready to call."""
    device = next(network.parameters()).device
    x = batch(case, device, seed)
    return training_step(network, x, case) if case.mode == "training" else inference(network, x, case)


def training_step(network: nn.Module, x: Tensor, case: Case) -> Work:
    """Forward, linear head, loss, backward, Adam.

    The head predicts the input's features at every step under the squared error; the gradient of the input itself is
    not computed, as in a network's first layer.
    """
    head = nn.Linear(case.shape.hidden_size, case.shape.input_size, device=x.device)
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=1e-3)
    network.train()

    def step() -> None:
        optimizer.zero_grad()
        with case.autocast(x.device):
            loss = F.mse_loss(head(network(x)[0]), x)
        loss.backward()
        optimizer.step()

    return step


def inference(network: nn.Module, x: Tensor, case: Case) -> Work:
    """Run the layer alone, without gradients."""
    network.eval()

    def step() -> Tensor:
        with torch.inference_mode(), case.autocast(x.device):
            return network(x)[0]

    return step


def prepared(cell: str, backend: str, case: Case) -> Work:
    """One step on the CPU, in a process that has run nothing yet.

    Args:
        cell: a key of :data:`CELLS`.
        backend: one of :data:`BACKENDS`, or :data:`PYTORCH`.
        case: sizes, mode and threads.

    Raises:
        Refused: when the backend does not run this cell here.
    """
    torch.set_num_threads(case.threads)
    device = torch.device("cpu")

    def step_of(case: Case) -> Work:
        if backend == PYTORCH:
            return baselines([cell], case, device)[0].work
        return contender(cell, backend, case, device, check=False).work

    step_of(replace(case, shape=Shape(1, 2, 1, 1)))()  # the pages of libraries that come in with a first step
    return step_of(case)


def operations(cell: str, case: Case) -> float:
    """Floating-point operations of a step's matrix products (a multiplication and an addition each count).

    Forward: input and recurrent projection; in training also the weights' gradients, the state's gradient and the
    head's three products. Everything else, activations above all, is not counted, so that the share of the sgemm
    peak says how far a step is from being limited by products alone.
    """
    b, t, i, h = case.shape
    rows = CELLS[cell].gates * h
    forward = 2.0 * b * t * rows * (i + h)
    if case.mode == "inference":
        return forward
    return 2 * forward + 2.0 * b * t * rows * h + 3 * 2.0 * b * t * h * i
