"""Networks of the user's own leave by PyTorch's tracer, as far as the graph says what the run says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from omegaconf import DictConfig, open_dict
from torch import nn

from src.config.errors import UserError
from src.exporting.traced import to_onnx_by_trace
from src.tasks.base import Task
from src.tasks.build import build

Compose = Callable[..., DictConfig]


class Plain(nn.Module):
    """PyTorch's GRU, which has an operator of its own: any number of steps."""

    num_directions = 1

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = 5
        self.rnn = nn.GRU(input_size, 5, batch_first=True)

    def forward(self, input: Any, state: Any = None, lengths: Any = None) -> Any:
        return self.rnn(input, state)


class Doubtful(Plain):
    """What it does depends on a value, which a graph does not know."""

    def forward(self, input: Any, state: Any = None, lengths: Any = None) -> Any:
        output, state = self.rnn(input, state)
        return (2 * output if float(input.sum()) > 0 else output), state


class Strange(Plain):
    """It has an operation that ONNX has not."""

    def forward(self, input: Any, state: Any = None, lengths: Any = None) -> Any:
        output, state = self.rnn(input, state)
        return output + torch.linalg.eig(torch.eye(5))[0].real + torch.special.bessel_j0(output), state


def task_of(kind: type[nn.Module], quick: Compose, *overrides: str) -> Task:
    cfg = quick(*overrides)
    with open_dict(cfg):
        cfg.model = {"_target_": f"{__name__}.{kind.__name__}"}
    return build(cfg)[1].eval()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 9, 3)).astype("float32")
    np.savez(tmp_path / "sums.npz", x=x, y=x.sum((1, 2)))
    np.savez(tmp_path / "signs.npz", x=x, y=(x[..., 0] > 0).astype(int))
    np.savez(tmp_path / "tokens.npz", x=rng.integers(0, 7, (40, 9)))
    np.savez(tmp_path / "series.npz", x=rng.normal(size=(3, 90, 2)))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "overrides", "output"),
    [
        ("sums", (), ("values", (2, 1))),
        ("sums", ("task=regression", "task.pooling=mean"), ("values", (2, 1))),
        ("signs", (), ("logits", (2, 6, 2))),
        ("tokens", (), ("logits", (2, 6, 7))),
        ("series", ("data.lookback=8", "data.horizon=4"), ("forecast", (2, 4, 2))),
        (
            "series",
            ("data.lookback=8", "data.horizon=4", "task=forecasting", "task.strategy=recursive"),
            ("next_row", (2, 1, 2)),
        ),
    ],
)
def test_a_network_of_operators_takes_any_number_of_steps(
    name: str, overrides: tuple[str, ...], output: tuple[str, tuple[int, ...]], quick: Compose, files: Path
) -> None:
    task = task_of(Plain, quick, "data=npz", f"data.path={files / name}.npz", *overrides)
    model, worst = to_onnx_by_trace(task, None, {"id": "ab"})
    assert worst < 1e-5
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = {given.name for given in session.get_inputs()}
    x = (
        np.zeros((2, 6), np.int64)
        if name == "tokens"
        else np.zeros((2, 6, session.get_inputs()[0].shape[2]), np.float32)
    )
    given = {"input": x, "lengths": np.array([6, 3])}
    (said,) = session.run(None, {key: value for key, value in given.items() if key in wanted})
    assert (session.get_outputs()[0].name, said.shape) == output
    assert session.get_modelmeta().custom_metadata_map["id"] == "ab"


@pytest.mark.parametrize("time", [None, 6])
def test_what_a_graph_cannot_know_is_refused(time: int | None, quick: Compose, files: Path) -> None:
    task = task_of(Doubtful, quick, "data=npz", f"data.path={files / 'sums'}.npz")
    words = "matches the run for one number of steps" if time is None else "does not match the run by"
    with pytest.raises(UserError, match=f"The graph of Doubtful {words}"):
        to_onnx_by_trace(task, time, {})


def test_what_onnx_has_not_is_refused(quick: Compose, files: Path) -> None:
    task = task_of(Strange, quick, "data=npz", f"data.path={files / 'sums'}.npz")
    with pytest.raises(UserError, match=r"Strange cannot be exported by torch\.onnx\.export .*must consist of"):
        to_onnx_by_trace(task, None, {})
