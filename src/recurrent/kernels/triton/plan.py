"""Launch parameters of a kernel for a given size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl

REGISTERS = 65536  # 32-bit registers per multiprocessor, and so at most per program


@dataclass(frozen=True)
class Plan:
    """Launch parameters.

    Args:
        width: the hidden size, rounded up to a power of two.
        warps: per program, with 32 threads each.
        held: whether the weights stay in registers; see `parts`.
        rows: per strip, if streamed.
    """

    width: int
    warps: int
    held: bool
    rows: int = 1

    def flags(self, number: torch.dtype) -> dict[str, Any]:
        """Return the compile-time constants of the kernels."""
        kind = tl.float64 if number == torch.float64 else tl.float32
        return {"WIDTH": self.width, "ROWS": self.rows, "NUMBER": kind, "HELD": self.held}


@cache
def plan(hidden_size: int, gates: int, number: torch.dtype, *, backward: bool) -> Plan:
    """Choose launch parameters: weights stay in registers if they fit, with a few spilled to the L1 cache.

    The numbers of warps and rows are the fastest on an H200, out of 1 to 32 and 8 to 64.
    """
    width = max(16, triton.next_power_of_2(hidden_size))
    words = gates * width * width * (2 if number == torch.float64 else 1)
    if words > REGISTERS:
        return Plan(width, 8, False, max(4, (4096 if gates == 4 else 8192) // width))
    return Plan(width, min(8, triton.next_power_of_2(max(1, words // 4096))), True)
