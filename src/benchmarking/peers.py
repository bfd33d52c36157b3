"""Other libraries' recurrent layers, timed in the same rounds; ``make benchmark-peers`` has them in its environment."""

from __future__ import annotations

import torch

from src.benchmarking.contenders import Case, Contender

PEERS: dict[str, str] = {}


def peer(name: str, cell: str, case: Case, device: torch.device, seed: int) -> Contender:
    """placeholder"""
    raise NotImplementedError
