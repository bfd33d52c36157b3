"""A task around a network of the user's own as an ONNX model, by PyTorch's tracer, held against the run."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from src.config.errors import UserError
from src.config.in_words import one_line
from src.data.batches import Batch
from src.data.describe import Tokens
from src.exporting.check import TOLERANCE, difference, says
from src.exporting.graph import OPSET
from src.exporting.model import described
from src.exporting.session import session
from src.rng import derive
from src.tasks.base import Task
from src.tasks.forecasting import Forecasting

if TYPE_CHECKING:
    from onnx import ModelProto

TIMES = (11, 4, 23)  # steps at which a graph of free time is tried, the first of them that which is traced


class Whole(nn.Module):
    """A task from ``input`` and ``lengths`` to its outputs."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """The outputs that `src.exporting.check.says` names, for a batch of padded sequences."""
        if isinstance(self.task, Forecasting):
            return (self.task.predict_future(x, 1 if self.task.strategy == "recursive" else self.task.horizon),)
        rows = torch.zeros(len(x), dtype=torch.int64)
        batch = Batch(x, torch.zeros(len(x)), lengths, rows)
        outputs = self.task(batch)
        return outputs if isinstance(outputs, tuple) else (outputs,)


def to_onnx_by_trace(task: Task, time: int | None, facts: dict[str, str]) -> tuple[ModelProto, float]:
    """The model of a task around any network, and by how much onnxruntime differs from the run on random sequences.

    Inputs are ``input``, (batch, time, features) float32 or (batch, time) int64 of tokens, and ``lengths``, int64
    (batch,), where the graph reads them; a forecast reads windows that are full. The outputs are those of
    `src.exporting.model.to_onnx`, without states.

    Args:
        task: in evaluation mode.
        time: steps of every input, to which shorter sequences are padded; None: as many as there are, which a loop over
            time in Python does not allow.
        facts: for the metadata.

    Raises:
        UserError: PyTorch cannot trace it, or the graph says something else than the run.
    """
    import onnx

    generator = torch.Generator().manual_seed(derive(0, "generation"))
    traced = inputs(task, 3, time or TIMES[0], generator)
    with torch.no_grad():
        one = Batch(
            traced[0][:1], torch.zeros(1), torch.tensor([traced[0].shape[1]]), torch.zeros(1, dtype=torch.int64)
        )
        names = [*says(task, one)]
    axes: dict[str, dict[int, str]] = {
        "input": {0: "batch"},
        "lengths": {0: "batch"},
        **{n: {0: "batch"} for n in names},
    }
    if time is None:
        axes["input"][1] = "time"
        axes |= {name: {0: "batch", 1: "time"} for name in names if task.description.per_step}
    out = BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer, whose doubts are settled below
            torch.onnx.export(
                Whole(task), traced, out,  # type: ignore[arg-type]  # by tracing it may be a file
                input_names=["input", "lengths"], output_names=names, dynamic_axes=axes,
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except Exception as error:  # the exporter and the network raise whatever they happen to hit
        raise UserError(
            f"{type(task.network).__name__} cannot be exported by torch.onnx.export ({one_line(str(error))[:200]}): it "
            "must be made of operations that ONNX has."
        ) from error
    model = onnx.load_from_string(out.getvalue())
    onnx.helper.set_model_props(model, described(task) | facts)
    worst = max(worst_of(model, task, steps, generator, time) for steps in ([time] if time else TIMES))
    return model, worst


def inputs(task: Task, batch: int, time: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Standard normal features or uniform tokens, and lengths of which the first is ``time``."""
    form = task.description.input
    if isinstance(form, Tokens):
        x = torch.randint(form.vocabulary, (batch, time), generator=generator)
    else:
        x = torch.randn(batch, time, form.size, generator=generator)
    lengths = torch.randint(1, time + 1, (batch,), generator=generator)
    lengths[0] = time
    return x, torch.full_like(lengths, time) if isinstance(task, Forecasting) else lengths


def worst_of(model: ModelProto, task: Task, time: int, generator: torch.Generator, fixed: int | None) -> float:
    """The largest difference between the model and the run on each sequence alone, relative to values above 1."""
    graph = session(model.SerializeToString(), quiet=True)
    wanted = {given.name for given in graph.get_inputs()}
    names, worst = [output.name for output in graph.get_outputs()], 0.0
    for batch in (1, 5):
        x, lengths = inputs(task, batch, time, generator)
        given = {name: value.numpy() for name, value in (("input", x), ("lengths", lengths)) if name in wanted}
        try:
            outputs = dict(zip(names, graph.run(names, given), strict=True))
            for row, length in enumerate(lengths.tolist()):
                ends = torch.tensor([length])
                one = Batch(x[row : row + 1, :length], torch.zeros(1), ends, torch.zeros(1, dtype=torch.int64))
                with torch.no_grad():
                    expected = says(task, one)
                for name, ours in expected.items():
                    theirs = outputs[name][row]
                    theirs = theirs[:length] if task.description.per_step else theirs
                    worst = max(worst, difference(name, ours.numpy(), theirs))
        except Exception:  # another shape, or one of onnxruntime's own refusals
            worst = float("inf")
    if worst <= TOLERANCE:
        return worst
    kind = type(task.network).__name__
    if fixed is None:
        raise UserError(
            f"The graph of {kind} says what the run says for one number of steps alone, as where a loop over time is "
            "unrolled: time=100 writes it for 100, to which shorter sequences are padded."
        )
    by = f" by {worst:.2g}" if worst < float("inf") else ""
    raise UserError(
        f"The graph of {kind} says something else than the run{by}, so that nothing was written: what the network does "
        "must not depend on values, lengths or len(input) in Python, which torch.onnx.export does not see (it sees "
        "input.shape)."
    )
