"""``compile=true``: compile head and loss with ``torch.compile`` on a GPU.

The network is not compiled. Fast backends are a single call already (the fused kernels, cuDNN), and a loop over time
would be unrolled again for every length. A head with many small operations may benefit, such as the
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
    """Refuse compilation on a CPU, where it gains nothing (measured in docs/benchmarks_training.md).

    Raises:
        UserError: the trainer runs on a CPU.
    """
    if accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available()):
        raise UserError("compile=true needs a GPU, because it does not speed up training on a CPU: use compile=null.")


def compile_head(task: Task) -> None:
    """Compile in place a task's functions between the network's output and a batch's losses.

    Only functions are replaced, not modules, so the names in checkpoints do not change. Compiled once for all batch
    sizes and lengths, at the first batch. Random numbers are drawn as without compilation.
    """
    # As without compilation, keep autocast out of the backward pass. On a GPU a thread traces that pass, would take
    # float16 for the type of bf16-mixed, and would fail.
    torch._functorch.config.backward_pass_autocast = "off"
    options: dict[str, Any] = {"options": {"fallback_random": True}} if BACKEND == "inductor" else {}
    task.run = torch.compiler.disable(task.run)  # type: ignore[method-assign]
    task.network.forward = torch.compiler.disable(task.network.forward)  # for tasks that call it directly
    task.losses = torch.compile(task.losses, dynamic=True, backend=BACKEND, **options)  # type: ignore[method-assign]
