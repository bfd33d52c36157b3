"""How a kernel is launched for a size: warps, and where the weights are while it walks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl

from .parts import HELD, READ, STREAMED

REGISTERS = 65536  # of 32 bits, of one multiprocessor, and so of one program at most
WHOLE = 128  # width up to which a whole block of weights is in a program's hands at once


@dataclass(frozen=True)
class Plan:
    """A launch.

    Args:
        width: the hidden size, rounded up to a power of two.
        warps: of a program, 32 threads each.
        where: for each gate HELD, READ or STREAMED; see `parts`.
        rows: of a strip, where weights are streamed.
    """

    width: int
    warps: int
    where: tuple[int, ...]
    rows: int

    @property
    def streams(self) -> bool:
        """Whether the weights are streamed."""
        return self.where[0] == STREAMED.value

    def flags(self, number: torch.dtype) -> dict[str, Any]:
        """What the kernels are compiled for."""
        places = (*self.where, *[self.where[-1]] * (4 - len(self.where)))
        flags = {f"WHERE_{k}": place for k, place in enumerate(places)}
        return flags | {
            "WIDTH": self.width, "ROWS": self.rows, "NUMBER": tl.float64 if number == torch.float64 else tl.float32,
        }  # fmt: skip


@cache
def plan(hidden_size: int, gates: int, number: torch.dtype, *, backward: bool) -> Plan:
    """How to walk: up to a width of 128 with as many gates in registers as two thirds of them can hold."""
    width = max(16, triton.next_power_of_2(hidden_size))
    if width > WHOLE:
        return Plan(width, 16, (STREAMED.value,) * gates, max(1, 8192 // width))
    words = width * width * (2 if number == torch.float64 else 1)
    held = min(gates, int(REGISTERS * 2 / 3) // words)
    warps = 4 if width <= 32 else 8
    return Plan(width, warps, tuple(HELD.value if k < held else READ.value for k in range(gates)), 1)
