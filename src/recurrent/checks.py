"""Argument checks, with one sentence for each mistake."""

from __future__ import annotations

import math
from typing import Any


def check_size(name: str, size: Any) -> int:
    """Check that a value is a positive whole number."""
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ValueError(f"{name}: expected a positive whole number, got {size!r}")
    return size


def check_whole(name: str, number: Any) -> None:
    """Check that a value is a whole number of at least 0."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"{name}: expected a whole number of at least 0, got {number!r}")


def check_rate(name: str, rate: Any) -> None:
    """Check that a value is a number in [0, 1)."""
    check_number(name, rate)
    if rate >= 1:
        raise ValueError(f"{name}: expected a number in [0, 1), got {rate!r}")


def check_number(name: str, number: Any) -> None:
    """Check that a value is a number of at least 0."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < float("inf"):
        raise ValueError(f"{name}: expected a number of at least 0, got {number!r}")


def check_finite(name: str, number: Any) -> None:
    """Check that a value is a finite number of any sign."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number, got {number!r}")


def check_choice(name: str, given: Any, *choices: str) -> None:
    """Check that a value is one of a few words."""
    if given not in choices:
        expected = " or ".join(map(repr, choices)) if len(choices) == 2 else f"one of {', '.join(choices)}"
        raise ValueError(f"{name}: expected {expected}, got {given!r}")


def check_flag(name: str, flag: Any) -> None:
    """Check that a value is True or False."""
    if not isinstance(flag, bool):
        raise ValueError(f"{name}: expected True or False, got {flag!r}")
