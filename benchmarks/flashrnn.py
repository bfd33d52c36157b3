"""FlashRNN as a peer on a GPU: its LSTM, fused, in bfloat16 (Poeppel, Beck and Hochreiter 2024, arXiv 2412.07752).

nvcc builds its CUDA kernels for each shape when it is first asked for, which takes minutes; what was built stays in
torch's cache of extensions. Those in Triton need no building.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.contenders import PRECISIONS, Case, Refused, batch, reference, work
from src.measuring.clock import Work


class FlashLSTM(nn.Module):
    """FlashRNN behind an input projection, with the weights of a layer of ours.

    Args:
        layer: has ``weight_ih_l0`` and the like.
        backend: one of FlashRNN's: ``cuda_fused`` or ``triton_fused``; ``vanilla`` runs on a CPU.
    """

    def __init__(self, layer: nn.Module, backend: str = "cuda_fused") -> None:
        super().__init__()
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        self.weights = nn.ParameterList(getattr(layer, f"{name}_l0").detach().clone() for name in names)
        self.backend = backend

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, time, input_size) to the output (batch, time, hidden_size) and the last states."""
        from flashrnn import flashrnn

        weight_ih, weight_hh, bias_ih, bias_hh = self.weights
        units = weight_hh.shape[1]
        projected = F.linear(x, weight_ih).view(*x.shape[:2], 4, 1, units)
        recurrent, bias = (w.to(projected.dtype).view(4, 1, units, -1) for w in (weight_hh, bias_ih + bias_hh))
        states, last = flashrnn(
            projected, recurrent, bias[..., 0], function="lstm", backend=self.backend,
            dtype=str(projected.dtype).removeprefix("torch."),
        )  # fmt: skip
        return states[0][:, :, 0], last


def with_flashrnn(cell: str, case: Case, seed: int, backend: str = "cuda_fused") -> tuple[Work, float | None]:
    """A step, and its difference from the readable loop's output.

    Raises:
        Refused: for another cell or precision.
    """
    if cell != "lstm" or (case.precision != "bf16-mixed" and backend == "cuda_fused"):
        raise Refused("FlashRNN is measured for the LSTM, its CUDA kernels in bf16-mixed alone")
    device = torch.device("cuda")
    ours = reference(cell, case, device, seed)
    theirs, x = FlashLSTM(ours, backend), batch(case, device, seed)
    with torch.no_grad():
        expected = ours(x)[0]
        with case.autocast(device):
            output = theirs(x)[0]
    difference = float((output - expected).abs().max())
    if not difference <= PRECISIONS[case.precision]:
        raise Refused(f"its output differs from the readable loop's by {difference:.2g}")
    return work(theirs, case, seed), difference
