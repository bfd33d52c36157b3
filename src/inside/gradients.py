"""How much of a loss reaches earlier states: the norm of d loss / d state by lag.

The curves of Pascanu, Mikolov and Bengio 2013 ("On the difficulty of training recurrent neural networks"). A cell's
state is everything it passes to its next step: h, and in an LSTM also c.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.data.batches import Batch
from src.inside.gates import Direction, as_stack
from src.inside.unrolled import Unrolled, unrolled_forward
from src.tasks.base import Task


@dataclass(frozen=True)
class Gradients(Direction):
    """Gradients of one layer in one direction.

    ``norms`` maps states ("hidden", "cell", and "state" for all of them together) to (sequences, lags): the norm of the
    gradient of each sequence's loss with respect to the state ``lag`` steps before the last one read; NaN before a
    sequence's start.
    """

    norms: dict[str, np.ndarray]


def loss_gradients(task: Task, batch: Batch) -> list[Gradients]:
    """Compute the gradient of each sequence's last loss with respect to every state.

    The last loss is the sequence's if there is one per sequence, and the last step's if there is one per step, because
    sums over all steps would mix all lags.

    Args:
        task: in evaluation mode, with a network of ours (or PyTorch's).
        batch: full sequences, or their first steps.

    Raises:
        UserError: the kind of network is unknown.
    """
    unrolled: list[Unrolled] = []

    def instead(network: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> Any:
        """Return the unrolled pass on the first call, so that the loss is a function of it, then the network's own."""
        state = arguments[1] if len(arguments) > 1 else None
        if unrolled and state is not None:
            return output
        if not unrolled:
            lengths = keywords.get("lengths")
            unrolled.append(unrolled_forward(as_stack(network), arguments[0].detach(), lengths, state))
        return unrolled[0].output, unrolled[0].state

    hook = task.network.register_forward_hook(instead, with_kwargs=True)
    try:
        with torch.enable_grad():
            loss = last_loss(task, batch).sum()
    finally:
        hook.remove()
    paths = [(k, d, path) for k, layer in enumerate(unrolled[0].layers) for d, path in enumerate(layer)]
    nodes = [tensor for _, _, path in paths for step in path.states for tensor in step]
    gradients = iter(torch.autograd.grad(loss, nodes, materialize_grads=True))
    result = []
    for k, direction, path in paths:
        backward = direction == 1
        by_step = ([next(gradients).double().square().sum(-1) for _ in step] for step in path.states)
        squares = torch.stack([torch.stack(step, -1) for step in by_step], 1)
        norms = {name: squares[..., i].sqrt() for i, name in enumerate(path.cell.states)}
        norms["state"] = squares.sum(-1).sqrt()
        result.append(Gradients(k, backward, {n: by_lag(v, batch.lengths, backward) for n, v in norms.items()}))
    return result


def last_loss(task: Task, batch: Batch) -> Tensor:
    """Return the loss of each sequence, or of its last step if there is one per step, (sequences,)."""
    whole = task.losses(batch).loss
    if not task.description.per_step:
        return whole
    before = task.losses(replace(batch, lengths=(batch.lengths - 1).clamp_min(1))).loss
    return whole - before * (batch.lengths > 1).to(whole)


def by_lag(values: Tensor, lengths: Tensor, backward: bool) -> np.ndarray:
    """Convert (sequences, time) in input order to (sequences, lags), counted from the last step read."""
    values, time = values.detach().cpu(), values.shape[1]
    lag = torch.arange(time)
    at = lag.expand(len(values), time) if backward else lengths[:, None] - 1 - lag
    outside = lag >= lengths[:, None]
    return values.gather(1, at.clamp_min(0)).masked_fill(outside, float("nan")).numpy()
