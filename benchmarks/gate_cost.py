"""The cost of gates: GRU, LSTM and tanh network at the same width, counted and timed, with exceptions to common claims.

The common claims are that a GRU has fewer parameters, computes less, uses less memory and is faster than an LSTM.
One row is one implementation at one width and length; its last column names the claims that do not hold there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from benchmarks.contenders import CELLS, Case, Shape, batch, build, operations
from benchmarks.measure import measure
from benchmarks.progress import Show
from benchmarks.settings import COST, read_settings
from benchmarks.statistics import Median, median_interval, ratios
from src.config.rules import check_values
from src.recurrent import StackedRNN, count_parameters

KINDS = ("gru", "lstm", "rnn")
TORCH = "PyTorch"


class Counted(NamedTuple):
    """Counts, which do not vary between measurements.

    Args:
        parameters: of the layer.
        multiply_adds: of its matrix products, forward, over the whole batch.
        saved_mb: activations that the backward pass needs, in MB (10^6 bytes), excluding weights and input.
    """

    parameters: int
    multiply_adds: float
    saved_mb: float


class Row(NamedTuple):
    """One implementation at one width and length.

    Args:
        implementation: :data:`TORCH`, or the backend of ours.
        shape: batch, time, input_size, hidden_size.
        counted: by cell.
        milliseconds: by mode, then by cell: median and interval of a step.
        faster: by mode: how many times as fast as the LSTM the GRU is, round by round.
        noisy: by mode, whether the machine was too noisy to tell.
    """

    implementation: str
    shape: Shape
    counted: dict[str, Counted]
    milliseconds: dict[str, dict[str, Median]]
    faster: dict[str, Median]
    noisy: dict[str, bool]

    @property
    def exceptions(self) -> list[str]:
        """Return the claims that do not hold here, with a question mark if the machine was too noisy to tell."""
        gru, lstm = self.counted["gru"], self.counted["lstm"]
        exceptions = [
            words
            for words, ours, theirs in (
                ("not fewer parameters", gru.parameters, lstm.parameters),
                ("not fewer operations", gru.multiply_adds, lstm.multiply_adds),
                ("not less memory", gru.saved_mb, lstm.saved_mb),
            )
            if ours >= theirs
        ]
        for mode, times in self.faster.items():
            doubt = " ?" if self.noisy[mode] else ""
            if times.low <= 1:
                exceptions.append(f"{mode} {'slower' if times.high < 1 else 'no faster'}{doubt}")
        return exceptions


def measured(cfg: DictConfig, show: Show) -> dict[str, Any]:
    """Time all cells in all shapes by `benchmarks.measure`, and count what needs no clock.

    Args:
        cfg: composed from ``benchmarks/conf/cost.yaml``.
        show: as in `measure`.

    Raises:
        UserError: a setting is impossible.
    """
    settings = read_settings(as_benchmark(cfg))
    device = torch.device(settings.device)
    counted = [
        {"shape": list(case.shape), "implementation": name, "cell": kind} | count(kind, name, case, device)._asdict()
        for case in settings.cases
        if case.mode == settings.cases[0].mode
        for name in (TORCH, *settings.backends)
        for kind in KINDS
    ]
    return measure(settings, show) | {"counted": counted}


def as_benchmark(cfg: DictConfig) -> DictConfig:
    """Return the settings of a benchmark of the three cells over widths and lengths."""
    given: Any = OmegaConf.to_container(cfg, resolve=True)
    check_values(given, keys=COST)
    every = product(given["widths"], given["lengths"])
    shapes = [[given["batch"], time, given["input_size"], width] for width, time in every]
    return OmegaConf.create(
        given | {"shapes": shapes, "cells": list(KINDS), "peers": [], "memory": False, "precision": "32-true"}
    )


def count(kind: str, implementation: str, case: Case, device: torch.device) -> Counted:
    """Count parameters, operations and saved memory of one layer of an implementation."""
    if implementation == TORCH:
        network: Any = CELLS[kind].layer(case.shape.input_size, case.shape.hidden_size, batch_first=True, device=device)
        parameters = sum(p.numel() for p in network.parameters())
    else:
        network = build(kind, implementation, case, device, 0)
        parameters = count_parameters(network)["recurrent"]
    forward = operations(kind, Case(case.shape, "inference", case.threads)) / 2
    return Counted(parameters, forward, saved_bytes(network, batch(case, device, 0)) / 1e6)


def saved_bytes(network: nn.Module | StackedRNN, x: Tensor) -> int:
    """Bytes of all tensors that a training step's forward pass keeps for its backward pass.

    Each block of memory counts once, however many tensors are views of it; weights and input, which are there anyway,
    do not count. What a kernel keeps inside itself is not seen.
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in (x, *network.parameters())}
    held: dict[int, int] = {}
    kept: list[Tensor] = []  # or else a block could be freed and its address be used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            held[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor.detach())
        return tensor

    network.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network(x)[0]
        output.sum()
    return sum(held.values())


def rows(result: dict[str, Any]) -> list[Row]:
    """A result of :func:`measured` as rows: implementation by implementation, width by width."""
    counted: dict[tuple[str, Shape], dict[str, Counted]] = {}
    for entry in result["counted"]:
        key = (entry["implementation"], Shape(*entry["shape"]))
        counted.setdefault(key, {})[entry["cell"]] = Counted(*(entry[name] for name in Counted._fields))
    every = []
    for (implementation, shape), by_cell in counted.items():
        cases = [case for case in result["cases"] if Shape(*case["shape"]) == shape]
        seconds = {case["mode"]: seconds_of(case, implementation) for case in cases}
        every.append(
            Row(
                implementation,
                shape,
                by_cell,
                {
                    mode: {k: median_interval([1e3 * s for s in v]) for k, v in of.items()}
                    for mode, of in seconds.items()
                },
                {mode: median_interval(ratios(of["lstm"], of["gru"])) for mode, of in seconds.items()},
                {case["mode"]: bool(case["noise"]) for case in cases},
            )
        )
    order = list(dict.fromkeys(row.implementation for row in every))
    return sorted(every, key=lambda row: (order.index(row.implementation), row.shape.hidden_size, row.shape.time))


def seconds_of(case: dict[str, Any], implementation: str) -> dict[str, Sequence[float]]:
    """Return by cell the times of a step, one for each round."""
    names = {kind: CELLS[kind].baseline if implementation == TORCH else f"{kind} {implementation}" for kind in KINDS}
    return {kind: next(e["seconds"] for e in case["contenders"] if e["name"] == name) for kind, name in names.items()}
