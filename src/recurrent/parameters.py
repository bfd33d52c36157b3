"""The layers of a network and their tensors: names, shapes, registration and lookup in a module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from .cells.base import CellParameters, Equations, find_cell, option_names
from .checks import check_size


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its cell, sizes and biases: True (PyTorch's two vectors), "single" (one per gate) or False."""

    cell: Equations
    input_size: int
    hidden_size: int
    bias: bool | str = True

    def __post_init__(self) -> None:
        if not (isinstance(self.bias, bool) or self.bias == "single"):
            raise ValueError(f"bias: expected True, False or 'single', got {self.bias!r}")

    @cached_property
    def state_sizes(self) -> tuple[int, ...]:
        """Return the size of each state of the cell; the first one is the output of a step."""
        return self.cell.state_sizes(self.hidden_size)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the layer's fields of `CellParameters`, in the order in which nn.GRU registers them."""
        return tuple(parameter_shapes(self))


def layer_specs(input_size: int, layers: Sequence[Mapping[str, Any]], num_directions: int) -> list[LayerSpec]:
    """Return one `LayerSpec` per mapping with ``kind``, ``hidden_size``, and optionally ``bias`` and cell options.

    Raises:
        ValueError: an option is unknown, out of range, or not available for that kind of cell.
    """
    if not layers:
        raise ValueError("layers: expected at least one layer, got none")
    known = {"kind", "hidden_size", "bias"} | option_names()
    width, specs = check_size("input_size", input_size), []
    for layer in layers:
        if set(layer) - known or "kind" not in layer or "hidden_size" not in layer:
            raise ValueError(
                f"layers: expected kind, hidden_size and optionally {', '.join(sorted(known))}, got {dict(layer)}"
            )
        options = dict(layer)
        hidden_size, bias = check_size("hidden_size", options.pop("hidden_size")), options.pop("bias", True)
        specs.append(LayerSpec(find_cell(**options), width, hidden_size, bias))
        width = num_directions * specs[-1].state_sizes[0]
    return specs


def parameter_shapes(layer: LayerSpec) -> dict[str, tuple[int, ...]]:
    """Return shapes by field of `CellParameters`, in the order in which nn.GRU registers and initialises them."""
    rows = len(layer.cell.gates) * layer.hidden_size
    width = layer.state_sizes[0]
    shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, layer.input_size), "weight_hh": (rows, width)}
    if layer.bias:
        shapes["bias_ih"] = (rows,)
    if layer.bias is True:
        shapes["bias_hh"] = (rows,)
    if width != layer.hidden_size:
        shapes["weight_hr"] = (width, layer.hidden_size)
    if peepholes := len(layer.cell.peephole_gates):
        shapes["weight_peephole"] = (peepholes * layer.hidden_size,)
    if layer.cell.layer_norm:
        shapes["gain_ih"] = shapes["gain_hh"] = (rows,)
    return shapes


def register(
    module: nn.Module,
    layer: LayerSpec,
    suffix: str = "",
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Register the layer's parameters in a module, named like nn.GRU's: ``weight_ih`` plus e.g. ``_l0_reverse``."""
    for name, shape in parameter_shapes(layer).items():
        module.register_parameter(name + suffix, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))


def collect(module: nn.Module, layer: LayerSpec, suffix: str = "") -> CellParameters:
    """Return the parameters that `register` added to a module, with None for those that the layer does not have."""
    return CellParameters(**{name: getattr(module, name + suffix) for name in layer.names})
