"""The layers that were asked for, checked: every mistake is named before a tensor is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from .backends.spec import GATES, CellSpec
from .parameters import LayerSpec

OF_ONE_KIND = {"reset_after": "gru", "update_gate": "gru", "peepholes": "lstm"}
OPTIONS = {"hidden_size", "bias", *(field.name for field in fields(CellSpec))}


def layer_specs(input_size: int, layers: Sequence[Mapping[str, Any]], num_directions: int) -> list[LayerSpec]:
    """One `LayerSpec` for each mapping with ``kind``, ``hidden_size`` and, if wanted, ``bias`` and a cell's options.

    Raises:
        ValueError: an option is unknown, out of its range, or not one of that kind of cell.
    """
    if not layers:
        raise ValueError("layers: expected at least one layer, got none")
    specs: list[LayerSpec] = []
    for layer in layers:
        unknown = set(layer) - OPTIONS
        if unknown or "kind" not in layer or "hidden_size" not in layer:
            raise ValueError(
                f"layers: each needs kind and hidden_size and may have {', '.join(sorted(OPTIONS))}, got {dict(layer)}"
            )
        options = dict(layer)
        hidden_size, bias = options.pop("hidden_size"), options.pop("bias", True)
        check_size("hidden_size", hidden_size)
        if not (isinstance(bias, bool) or bias == "single"):
            raise ValueError(f"bias: expected True, False or 'single', got {bias!r}")
        width = num_directions * specs[-1].hidden_size if specs else check_size("input_size", input_size)
        specs.append(LayerSpec(cell_spec(**options), width, hidden_size, bias))
    return specs


def cell_spec(kind: str, **options: Any) -> CellSpec:
    """A checked `CellSpec`; options at their default may be given to any kind."""
    if kind not in GATES:
        raise ValueError(f"kind: expected one of {', '.join(GATES)}, got {kind!r}")
    default = CellSpec(kind)
    for name, only in OF_ONE_KIND.items():
        if kind != only and options.get(name, getattr(default, name)) != getattr(default, name):
            raise ValueError(f"{name}: is an option of {only} alone, got {options[name]!r} for {kind}")
    cell = CellSpec(kind, **options)
    if cell.update_gate not in ("keeps", "takes"):
        raise ValueError(f"update_gate: expected 'keeps' or 'takes', got {cell.update_gate!r}")
    for name in ("reset_after", "peepholes", "layer_norm"):
        check_flag(name, getattr(cell, name))
    check_rate("zoneout", cell.zoneout)
    return cell


def check_size(name: str, size: Any) -> int:
    """Refuse what is not a positive whole number."""
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ValueError(f"{name}: expected a positive whole number, got {size!r}")
    return size


def check_rate(name: str, rate: Any) -> None:
    """Refuse what is not a number in [0, 1)."""
    check_number(name, rate)
    if rate >= 1:
        raise ValueError(f"{name}: expected a number in [0, 1), got {rate!r}")


def check_number(name: str, number: Any) -> None:
    """Refuse what is not a number of at least 0."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < float("inf"):
        raise ValueError(f"{name}: expected a number of at least 0, got {number!r}")


def check_flag(name: str, flag: Any) -> None:
    """Refuse what is not True or False."""
    if not isinstance(flag, bool):
        raise ValueError(f"{name}: expected True or False, got {flag!r}")


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
