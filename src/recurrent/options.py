"""The layers that were asked for, checked: every mistake is named before a tensor is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .cells.base import find_cell, option_names
from .checks import check_size
from .parameters import LayerSpec


def layer_specs(input_size: int, layers: Sequence[Mapping[str, Any]], num_directions: int) -> list[LayerSpec]:
    """One `LayerSpec` for each mapping with ``kind``, ``hidden_size`` and, if wanted, ``bias`` and a cell's options.

    Raises:
        ValueError: an option is unknown, out of its range, or not one of that kind of cell.
    """
    if not layers:
        raise ValueError("layers: expected at least one layer, got none")
    known = {"kind", "hidden_size", "bias"} | option_names()
    specs: list[LayerSpec] = []
    for layer in layers:
        if set(layer) - known or "kind" not in layer or "hidden_size" not in layer:
            raise ValueError(
                f"layers: each needs kind and hidden_size and may have {', '.join(sorted(known))}, got {dict(layer)}"
            )
        options = dict(layer)
        hidden_size, bias = options.pop("hidden_size"), options.pop("bias", True)
        check_size("hidden_size", hidden_size)
        if not (isinstance(bias, bool) or bias == "single"):
            raise ValueError(f"bias: expected True, False or 'single', got {bias!r}")
        width = num_directions * specs[-1].hidden_size if specs else check_size("input_size", input_size)
        specs.append(LayerSpec(find_cell(**options), width, hidden_size, bias))
    return specs


def widths(hidden_size: int | Sequence[int], num_layers: int) -> list[int]:
    """The width of each layer: one number for all of them, or one number for each."""
    check_size("num_layers", num_layers)
    if not isinstance(hidden_size, Sequence) or isinstance(hidden_size, str):
        return [hidden_size] * num_layers
    if len(hidden_size) != num_layers:
        raise ValueError(
            f"hidden_size: expected one width or {num_layers} of them (num_layers), got {list(hidden_size)}"
        )
    return list(hidden_size)
