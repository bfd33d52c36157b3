"""``compile=true``: head and loss as kernels of ``torch.compile``, on a GPU.

The network stays as it is. Where it is fast it is one call already (the fused kernels, cuDNN), and a loop over time
would be unrolled, step by step, anew for every length. What may gain is a head of many small operations, such as the
mixture of Gaussians over sound (``task=waveform``).
"""

from __future__ import annotations

from typing import Any

import torch
import torch._functorch.config

from src.config.errors import UserError
from src.tasks.base import Task

BACKEND = "inductor"


def refuse_on_cpu(accelerator: str) -> None:
    """Refuse compilation where it gains nothing: docs/benchmarks_training.md has the figures.

    Raises:
        UserError: the trainer runs on a CPU.
    """
    if accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available()):
        raise UserError("compile=true is for GPUs: on a CPU it makes no step faster; use compile=null.")


def compile_head(task: Task) -> None:
    """Compile in place what a task does between the network's output and the losses of a batch.

    Functions are replaced and no module is, so the names in checkpoints stay as they are. Compiled once for all batch
    sizes and lengths, at the first batch. Random numbers are drawn as without it.
    """
    # As without it, no autocast surrounds the backward pass. On a GPU it is written down by a thread that would take
    # float16 for the type of bf16-mixed, and fail.
    torch._functorch.config.backward_pass_autocast = "off"
    options: dict[str, Any] = {"options": {"fallback_random": True}} if BACKEND == "inductor" else {}
    task.run = torch.compiler.disable(task.run)  # type: ignore[method-assign]
    task.network.forward = torch.compiler.disable(task.network.forward)  # for tasks that call it themselves
    task.losses = torch.compile(task.losses, dynamic=True, backend=BACKEND, **options)  # type: ignore[method-assign]
