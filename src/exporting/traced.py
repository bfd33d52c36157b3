"""Export a task with a network of the user's own, using PyTorch's tracer, and compare it with the run."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from src.config.errors import UserError
from src.config.in_words import one_line
from src.data.batches import Batch
from src.exporting.check import TOLERANCE, difference, random_sequences, says
from src.exporting.graph import OPSET
from src.exporting.model import described
from src.exporting.session import session
from src.rng import derive
from src.tasks.base import Task
from src.tasks.forecasting import Forecasting

if TYPE_CHECKING:
    from onnx import ModelProto

TIMES = (11, 4, 23)  # numbers of steps at which a graph of free time is tested; the first one is traced


class Whole(nn.Module):
    """A task from ``input`` and ``lengths`` to its outputs."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs named in `src.exporting.check.says`, for a batch of padded sequences."""
        if isinstance(self.task, Forecasting):
            return (self.task.predict_future(x, 1 if self.task.strategy == "recursive" else self.task.horizon),)
        rows = torch.zeros(len(x), dtype=torch.int64)
        batch = Batch(x, torch.zeros(len(x)), lengths, rows)
        outputs = self.task(batch)
        return outputs if isinstance(outputs, tuple) else (outputs,)


def to_onnx_by_trace(task: Task, time: int | None, facts: dict[str, str]) -> tuple[ModelProto, float]:
    """Return the model of a task with any network, and its largest difference from the run on random sequences.

    Inputs are ``input``, (batch, time, features) float32 or (batch, time) int64 tokens, and ``lengths``, int64
    (batch,), if the graph reads them; a forecast reads full windows. Outputs are those of
    `src.exporting.model.to_onnx`, without states.

    Args:
        task: in evaluation mode.
        time: number of steps of every input, to which shorter sequences are padded; None: any number, which a Python
            loop over time does not allow.
        facts: added to the metadata.

    Raises:
        UserError: PyTorch cannot trace the network, or the graph's output differs from the run's.
    """
    import onnx

    generator = torch.Generator().manual_seed(derive(0, "generation"))
    traced = inputs(task, 3, time or TIMES[0], generator)
    with torch.no_grad():
        names = [*says(task, traced[0][:1])]
    axes = {name: {0: "batch"} for name in ("input", "lengths", *names)}
    if time is None:
        axes["input"][1] = "time"
        axes |= {name: {0: "batch", 1: "time"} for name in names if task.description.per_step}
    out = BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from the tracer; the comparison below settles its doubts
            torch.onnx.export(
                Whole(task), traced, out,  # type: ignore[arg-type]  # by tracing it may be a file
                input_names=["input", "lengths"], output_names=names, dynamic_axes=axes,
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except Exception as error:  # the exporter and the network may raise anything
        raise UserError(
            f"{type(task.network).__name__} cannot be exported by torch.onnx.export ({one_line(str(error))[:200]}): it "
            "must consist of operations that ONNX supports."
        ) from error
    model = onnx.load_from_string(out.getvalue())
    onnx.helper.set_model_props(model, described(task) | facts)
    worst = max(worst_of(model, task, steps, generator, time) for steps in ([time] if time else TIMES))
    return model, worst


def inputs(task: Task, batch: int, time: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return random sequences, and lengths, the first of which is ``time``; those of forecasts all are."""
    x, lengths = random_sequences(task, batch, time, generator)
    lengths[0] = time
    return x, torch.full_like(lengths, time) if isinstance(task, Forecasting) else lengths


def worst_of(model: ModelProto, task: Task, time: int, generator: torch.Generator, fixed: int | None) -> float:
    """Return the largest difference between model and run on each sequence alone, relative to values above 1."""
    graph = session(model.SerializeToString(), quiet=True)
    wanted = {given.name for given in graph.get_inputs()}
    names, worst = [output.name for output in graph.get_outputs()], 0.0
    for batch in (1, 5):
        x, lengths = inputs(task, batch, time, generator)
        given = {name: value.numpy() for name, value in (("input", x), ("lengths", lengths)) if name in wanted}
        try:
            outputs = dict(zip(names, graph.run(names, given), strict=True))
            for row, length in enumerate(lengths.tolist()):
                with torch.no_grad():
                    expected = says(task, x[row : row + 1, :length])
                for name, ours in expected.items():
                    theirs = outputs[name][row]
                    theirs = theirs[:length] if task.description.per_step else theirs
                    worst = max(worst, difference(name, ours.numpy(), theirs))
        except Exception:  # another shape, or an error of onnxruntime
            worst = float("inf")
    if worst <= TOLERANCE:
        return worst
    kind = type(task.network).__name__
    if fixed is None:
        raise UserError(
            f"The graph of {kind} matches the run for one number of steps only, as for an unrolled loop over time: use "
            "time=100 to export it for 100 steps, to which shorter sequences are padded."
        )
    by = f" by {worst:.2g}" if worst < float("inf") else ""
    raise UserError(
        f"The graph of {kind} does not match the run{by}, so nothing was written: the network's computation "
        "must not depend on values, lengths or len(input) in Python, which torch.onnx.export does not see (it sees "
        "input.shape)."
    )
