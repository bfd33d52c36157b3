"""Recurrent networks: cells one can read, and layers that take the place of PyTorch's."""

from .last_valid import last_valid
from .layers import GRU, LSTM, RNN
from .stack import Stack
from .state import detach_state, map_state, select_rows

__all__ = ["GRU", "LSTM", "RNN", "Stack", "detach_state", "last_valid", "map_state", "select_rows"]
