"""Recurrent networks: readable cells, and drop-in replacements for PyTorch's layers."""

from .budget import count_multiply_adds, count_parameters, count_state, nearest_width
from .cell_modules import GRUCell, LSTMCell, RNNCell, RNNCellBase
from .layers import GRU, LSTM, RNN, RNNBase, is_recurrent
from .quantise import Quantised
from .stack import StackedRNN
from .state import detach_state, last_valid, map_state, select_rows
from .trace import trace_gates

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "Quantised",
    "RNNBase",
    "RNNCell",
    "RNNCellBase",
    "StackedRNN",
    "count_multiply_adds",
    "count_parameters",
    "count_state",
    "detach_state",
    "is_recurrent",
    "last_valid",
    "map_state",
    "nearest_width",
    "select_rows",
    "trace_gates",
]
