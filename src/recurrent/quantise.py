"""Dynamic quantisation (torch.ao.quantization.quantize_dynamic) with PyTorch's quantised networks and lengths.

It looks up modules by class, so ours are registered in its table and must be named, as in
``quantize_dynamic(model, {nn.Linear, GRU})``. If not named, or without a quantised form, they stay in float with a
warning (`src.recurrent.quantisable`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .convert import to_pytorch
from .layers import GRU, LSTM, RNN, RNNBase
from .stack import StackedRNN
from .state import State


class Quantised(nn.Module):
    """PyTorch's quantised network in place of one of ours, accepting ``lengths`` like ours.

    Args:
        network: PyTorch's quantised network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @classmethod
    def from_float(cls, network: Any, use_precomputed_fake_quant: bool = False) -> Quantised:
        """Return the replacement that quantize_dynamic uses for a network.

        Raises:
            ValueError: PyTorch's quantised networks do not support it.
        """
        from torch.ao.quantization import get_dynamic_quant_module_class

        theirs = to_pytorch(network)
        if isinstance(theirs, nn.RNN) or theirs.proj_size or not theirs.bias:
            raise ValueError(
                f"{type(network).__name__}: PyTorch quantises GRU and LSTM networks with biases and without "
                "projections only, so do not name this one"
            )
        theirs.qconfig = network.qconfig
        return cls(get_dynamic_quant_module_class(type(theirs)).from_float(theirs))

    def forward(
        self, input: Tensor | PackedSequence, hx: State = None, lengths: Tensor | None = None
    ) -> tuple[Any, State]:
        """Like `src.recurrent.StackedRNN.forward`, except for unbatched input."""
        if lengths is None:
            return self.network(input, hx)
        if isinstance(input, PackedSequence):
            raise ValueError("lengths: a PackedSequence has its own lengths: drop lengths=")
        batch_first: Any = self.network.batch_first
        output, state = self.network(pack_padded_sequence(input, lengths, batch_first, enforce_sorted=False), hx)
        time = input.shape[1 if batch_first else 0]
        return pad_packed_sequence(output, batch_first, total_length=time)[0], state


with suppress(ImportError):  # it will move out of torch
    from torch.ao.quantization.quantization_mappings import DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS

    DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS.update(dict.fromkeys((StackedRNN, RNNBase, GRU, LSTM, RNN), Quantised))
