"""A check of the user's own network against docs/contract.md, on a small batch before training."""

from __future__ import annotations

import inspect
import logging
import random
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from src.config.errors import UserError
from src.config.in_words import one_line
from src.data.module import SequenceData
from src.rng import drawing
from src.tasks.base import Task
from src.tasks.budget import without_budget
from src.tasks.build import factory
from src.training.job import on_gpu

log = logging.getLogger(__name__)

SEE = "see docs/contract.md"
STEPS = 6
LENGTHS = (4, STEPS, 2)


def check_network(cfg: DictConfig, data: SequenceData, task: Task) -> None:
    """Check a network that is not GateBench's own; the task and all random states stay as they are.

    It is built once more and runs on a small batch of noise on the CPU. If it fails there but not on the first batch
    of the data (it may need their length), or if training has a GPU or a reduced precision that it may need, its
    failure says nothing.

    Raises:
        UserError: it does not accept or return what the contract says, or the output of a sequence depends on padding
            or on other sequences of the batch.
    """
    kind = type(task.network)
    if kind.__module__.startswith("src."):
        return
    precision = str(cfg.trainer.get("precision", "32-true"))
    exact = precision in ("32", "32-true", "64", "64-true")
    dtype = torch.float64 if precision in ("64", "64-true") else torch.float32
    changed = {"hidden_size": task.budget.hidden_size} if task.budget is not None else {}
    with _random_states_kept():
        network = factory(without_budget(cfg.model, **changed))(input_size=task.encoder.output_size).to(dtype).eval()
        x = torch.randn(len(LENGTHS), STEPS, task.encoder.output_size, dtype=dtype)
        lengths = torch.tensor(LENGTHS if task.description.varying_length else [STEPS] * len(LENGTHS))
        if (words := _refused_arguments(network, x, lengths)) is not None:
            raise UserError(f"{kind.__name__}.forward must accept (input, state, lengths=lengths): {words}; {SEE}.")
        try:
            with torch.no_grad():
                out = network(x, None, lengths=lengths)
        except Exception as error:
            if not exact or on_gpu(cfg.trainer) or _runs_on_data(network, data, task, dtype):
                return
            raise UserError(
                f"{kind.__name__}.forward failed on an input of (batch, time, features) = {tuple(x.shape)} with "
                f"lengths {lengths.tolist()}: {type(error).__name__}: {one_line(str(error))} ({_place(error)}); {SEE}."
            ) from error
        _check_output(kind.__name__, out, (*x.shape[:2], task.network.output_size), dtype if exact else None)
        _check_independence(network, x, lengths, out[0])
        _warn_of_no_gradient(network, x, lengths)


@contextmanager
def _random_states_kept() -> Iterator[None]:
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with drawing(0, "noise"):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def _refused_arguments(network: nn.Module, x: Tensor, lengths: Tensor) -> str | None:
    try:
        inspect.signature(network.forward).bind(x, None, lengths=lengths)
    except TypeError as error:
        return str(error)
    except ValueError:  # no signature
        return None
    return None


def _runs_on_data(network: nn.Module, data: SequenceData, task: Task, dtype: torch.dtype) -> bool:
    try:
        batch = next(iter(data.train_dataloader()))
        with torch.no_grad():
            x = task.encoder(batch.x)
            network(x.to(dtype) if x.is_floating_point() else x, None, lengths=batch.lengths)
    except Exception:
        return False
    return True


def _place(error: BaseException) -> str:
    """Return the file and line that an error came from, outside PyTorch where possible."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__] or list(frames)
    return f"{own[-1].filename}, line {own[-1].lineno}"


def _check_output(name: str, out: Any, shape: tuple[int, ...], dtype: torch.dtype | None) -> None:
    """Check what a network returned; without a ``dtype`` only float64 is refused.

    Raises:
        UserError: it is not (output, state), or the output has another shape or dtype.
    """
    if not isinstance(out, tuple | list) or len(out) != 2 or not isinstance(out[0], Tensor):
        got = f"{len(out)} values" if isinstance(out, tuple | list) else f"one {type(out).__name__}"
        raise UserError(f"{name}.forward must return (output, state), got {got}; {SEE}.")
    output = out[0]
    if tuple(output.shape) != shape:
        raise UserError(
            f"{name}.forward must return an output of (batch, time, output_size) = {shape}, one row for every step, "
            f"got {tuple(output.shape)}; {SEE}."
        )
    if (output.dtype != dtype) if dtype is not None else (output.dtype == torch.float64):
        wanted = str(dtype or "the precision of the weights").removeprefix("torch.")
        got = str(output.dtype).removeprefix("torch.")
        raise UserError(f"{name}.forward must return an output in {wanted} like its input, got {got}; {SEE}.")


def _check_independence(network: nn.Module, x: Tensor, lengths: Tensor, output: Tensor) -> None:
    """Compare each sequence in the batch, alone with its padding, and alone without.

    Nothing is said of a network that draws random numbers in evaluation mode, or does not take such batches.

    Raises:
        UserError: the outputs differ by more than rounding.
    """

    def alone(k: int, steps: int) -> Tensor:
        out: Tensor = network(x[k : k + 1, :steps], None, lengths=lengths[k : k + 1])[0]
        return out[0, : int(lengths[k])]

    def differ(a: Tensor, b: Tensor) -> bool:
        return a.shape == b.shape and bool((a - b).abs().max() > 1e-4 * output.abs().max() + 1e-6)

    name = type(network).__name__
    try:
        with torch.no_grad():
            if not torch.equal(network(x, None, lengths=lengths)[0], output):
                return
            inside = [output[k, : int(n)] for k, n in enumerate(lengths)]
            padded = [alone(k, STEPS) for k in range(len(x))]
            bare = [alone(k, int(n)) for k, n in enumerate(lengths)]
    except Exception:
        return
    if any(differ(a, b) for a, b in zip(padded, bare, strict=True)):
        raise UserError(
            f"The output of {name} before the end of a sequence depends on the padding after it, so that metrics would "
            f"depend on the batch size: use lengths to leave the padding out; {SEE}."
        )
    if any(differ(a, b) for a, b in zip(inside, bare, strict=True)):
        raise UserError(
            f"The output of {name} for a sequence depends on the other sequences of the batch: its input is (batch, "
            f"time, features), so PyTorch's layers need batch_first=True; {SEE}."
        )


def _warn_of_no_gradient(network: nn.Module, x: Tensor, lengths: Tensor) -> None:
    """Warn if no parameter to be trained gets a gradient; a reservoir may mean it."""
    weights = [p for p in network.parameters() if p.requires_grad]
    try:
        with torch.enable_grad():
            output = network.train()(x, None, lengths=lengths)[0]
            found = torch.autograd.grad(output.sum(), weights, allow_unused=True) if output.requires_grad else ()
    except Exception:  # training will say so
        return
    if weights and all(gradient is None for gradient in found):
        log.warning(
            "The output of %s has no gradient with respect to any of its parameters, so only the head is trained: is "
            "it computed under torch.no_grad or detached?",
            type(network).__name__,
        )
