"""The layers that were asked for, and which tensors each holds: names, shapes, how a module stores and finds them."""

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
    """One layer: its cell, its sizes, and its biases: True (PyTorch's two vectors), "single" (one a gate) or False."""

    cell: Equations
    input_size: int
    hidden_size: int
    bias: bool | str = True

    @cached_property
    def state_sizes(self) -> tuple[int, ...]:
        """How many numbers each state of the cell has; of the first, the output of a step."""
        return self.cell.state_sizes(self.hidden_size)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields of `CellParameters` that the layer has, in the order in which nn.GRU registers them."""
        return tuple(parameter_shapes(self))


def layer_specs(input_size: int, layers: Sequence[Mapping[str, Any]], num_directions: int) -> list[LayerSpec]:
    """One `LayerSpec` for each mapping with ``kind``, ``hidden_size`` and, if wanted, ``bias`` and a cell's options.

    Raises:
        ValueError: an option is unknown, out of its range, or not one of that kind of cell.
    """
    if not layers:
        raise ValueError("layers: expected at least one layer, got none")
    known = {"kind", "hidden_size", "bias"} | option_names()
    width, specs = check_size("input_size", input_size), []
    for layer in layers:
        if set(layer) - known or "kind" not in layer or "hidden_size" not in layer:
            raise ValueError(
                f"layers: each needs kind and hidden_size and may have {', '.join(sorted(known))}, got {dict(layer)}"
            )
        options = dict(layer)
        hidden_size, bias = check_size("hidden_size", options.pop("hidden_size")), options.pop("bias", True)
        if not (isinstance(bias, bool) or bias == "single"):
            raise ValueError(f"bias: expected True, False or 'single', got {bias!r}")
        specs.append(LayerSpec(find_cell(**options), width, hidden_size, bias))
        width = num_directions * specs[-1].state_sizes[0]
    return specs


def parameter_shapes(layer: LayerSpec) -> dict[str, tuple[int, ...]]:
    """Shapes by field of `CellParameters`, in the order in which nn.GRU registers and initialises them."""
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
    """Give a module the layer's parameters, named like nn.GRU's: ``weight_ih`` plus, say, ``_l0_reverse``."""
    for name, shape in parameter_shapes(layer).items():
        module.register_parameter(name + suffix, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))


def collect(module: nn.Module, layer: LayerSpec, suffix: str = "") -> CellParameters:
    """The parameters that `register` gave to a module, None for those that the layer does not have."""
    return CellParameters(**{name: getattr(module, name + suffix) for name in layer.names})
