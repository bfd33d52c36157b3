"""What a network has read when it has read everything."""

from __future__ import annotations

import torch
from torch import Tensor


def last_valid(output: Tensor, lengths: Tensor | None, num_directions: int) -> Tensor:
    """The output of each row after its whole sequence: the last valid step, and step 0 of the backward direction.

    It equals the last layer's entries of nn.GRU's h_n on a packed batch.

    >>> last_valid(torch.arange(6.0).view(1, 3, 2), torch.tensor([2]), num_directions=2)
    tensor([[2., 1.]])

    Args:
        output: (batch, time, num_directions*hidden_size).
        lengths: int64 (batch,), or None where every row is whole.
        num_directions: 1 or 2.

    Returns:
        (batch, num_directions*hidden_size).
    """
    if lengths is None:
        last = output[:, -1]
    else:
        rows = torch.arange(output.shape[0], device=output.device)
        last = output[rows, lengths.to(output.device) - 1]
    if num_directions == 1:
        return last
    half = output.shape[-1] // 2
    return torch.cat([last[:, :half], output[:, 0, half:]], dim=-1)
