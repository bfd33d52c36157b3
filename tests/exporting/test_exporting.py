"""Every task and every network that ONNX can express, against the run in onnxruntime; the rest is refused in words."""

from dataclasses import replace
from functools import partial

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from src.config.errors import UserError
from src.exporting import layers
from src.exporting.check import MOST, TOLERANCE, check
from src.exporting.model import to_onnx
from src.recurrent import GRU, LSTM, RNN, RNNBase, StackedRNN
from src.recurrent.cells.gru import GRUEquations
from src.tasks.forecasting import Forecasting
from tests.exporting.tasks import TASKS, make

MIXED = [{"kind": "lstm", "hidden_size": 4, "peepholes": True}, {"kind": "gru", "hidden_size": 6, "bias": "single"},
         {"kind": "rnn", "hidden_size": 6, "bias": False}]  # fmt: skip
NETWORKS = {
    "gru": partial(GRU, hidden_size=5),
    "gru of the papers": partial(GRU, hidden_size=5, reset_after=False, bias="single", update_gate="takes"),
    "gru that takes": partial(GRU, hidden_size=5, update_gate="takes", num_layers=2),
    "gru single bias": partial(GRU, hidden_size=5, bias="single"),
    "gru no bias": partial(GRU, hidden_size=5, bias=False, bidirectional=True),
    "gru residual": partial(GRU, hidden_size=[5, 5, 4], num_layers=3, residual=True),
    "gru residual both ways": partial(GRU, hidden_size=5, num_layers=3, residual=True, bidirectional=True),
    "gru noise of training": partial(GRU, hidden_size=5, recurrent_dropout=0.5, weight_noise=0.1),
    "lstm": partial(LSTM, hidden_size=5, num_layers=2),
    "lstm peepholes": partial(LSTM, hidden_size=5, peepholes=True, bidirectional=True),
    "lstm learned start": partial(LSTM, hidden_size=5, num_layers=2, bidirectional=True, learn_initial_state=True),
    "lstm coupled": partial(RNNBase, "lstm_coupled", hidden_size=5, num_layers=2, bidirectional=True),
    "rnn": partial(RNN, hidden_size=5, bidirectional=True),
    "rnn relu": partial(RNN, hidden_size=5, bidirectional=True, nonlinearity="relu"),
    "mixed": partial(StackedRNN, layers=MIXED, residual=True, learn_initial_state=True),
}


@pytest.mark.parametrize("name", TASKS)
def test_every_task(name):
    task = make(name)
    assert check(to_onnx(task), task) < TOLERANCE


def test_rounding_that_grows_from_step_to_step_is_not_a_difference():
    """With large recurrent weights float32 and float64 part; a wrong bias is found all the same."""
    task = make("last", partial(GRU, hidden_size=24, batch_first=True))
    with torch.no_grad():
        for name, weight in task.network.named_parameters():
            weight *= 2 if name.startswith("weight_hh") else 1
    model = to_onnx(task)
    assert TOLERANCE < check(model, task) < MOST
    with torch.no_grad():
        task.network.bias_ih_l0[0] += 0.5
    with pytest.raises(UserError, match="differs from the run by"):
        check(model, task)


@pytest.mark.parametrize("name", ["last", "values per step", "relative forecast"])
def test_what_reads_both_ways(name):
    task = make(name, partial(LSTM, hidden_size=4, bidirectional=True, batch_first=True))
    assert check(to_onnx(task), task) < TOLERANCE


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network(name, state):
    task = make("last", partial(NETWORKS[name], batch_first=True))
    assert check(to_onnx(task, state=state), task) < TOLERANCE


@pytest.mark.parametrize(("name", "fault"), [
    ("gru", {"gru": ("reset", "update", "candidate")}),
    ("lstm", {"lstm": ("input", "forget", "output", "candidate")}),
])  # fmt: skip
def test_gates_in_another_order_are_seen(name, fault, monkeypatch):
    monkeypatch.setattr(layers, "ORDER", layers.ORDER | fault)
    task = make("last", partial(NETWORKS[name], batch_first=True))
    with pytest.raises(UserError, match="differs from the run"):
        check(to_onnx(task), task)


def test_the_other_update_convention_is_seen(monkeypatch):
    monkeypatch.setattr(GRUEquations, "standard_weights", lambda self, parameters: parameters)
    task = make("last", partial(NETWORKS["gru that takes"], batch_first=True))
    with pytest.raises(UserError, match="differs from the run"):
        check(to_onnx(task), task)


def test_padding_read_as_input_is_seen():
    task = make("mean", partial(GRU, hidden_size=5, batch_first=True))
    model = to_onnx(task)
    for node in model.graph.node:
        if node.op_type == "GRU":
            node.input[4] = ""  # without lengths
    with pytest.raises(UserError, match="differs from the run"):
        check(model, task)


def test_outputs_that_are_no_numbers_are_seen():
    task = make("last")
    model = to_onnx(task)
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(weight)
            weight.CopyFrom(numpy_helper.from_array(np.full_like(values, np.nan), weight.name))
    with pytest.raises(UserError, match="differs from the run"):
        check(model, task)


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_names_forms_and_facts():
    model = session(to_onnx(make("text"), state=True, facts={"run": "mine"}))
    assert [(i.name, i.shape, i.type) for i in model.get_inputs()] == [
        ("input", ["batch", "time"], "tensor(int64)"),
        ("lengths", ["batch"], "tensor(int64)"),
        ("hidden_l0", [1, "batch", 5], "tensor(float)"),
    ]
    assert [(o.name, o.shape) for o in model.get_outputs()] == [
        ("logits", ["batch", "time", 3]),
        ("hidden_l0_last", [1, "batch", 5]),
    ]
    assert model.get_modelmeta().custom_metadata_map == {
        "task": "LanguageModel",
        "classes": '["a", "b", "c"]',
        "run": "mine",
    }


def test_a_sequence_in_two_pieces_is_the_sequence_in_one():
    task = make("music", partial(LSTM, hidden_size=[5, 3], num_layers=2, batch_first=True))
    model = session(to_onnx(task, state=True))
    x = torch.randn(2, 9, 4).numpy()
    start = {f"{s}_l{k}": np.zeros((1, 2, w), np.float32) for k, w in ((0, 5), (1, 3)) for s in ("hidden", "cell")}
    whole = model.run(None, {"input": x, "lengths": np.array([9, 9]), **start})[0]
    first, *state = model.run(None, {"input": x[:, :4], "lengths": np.array([4, 4]), **start})
    names = [output.name.removesuffix("_last") for output in model.get_outputs()[1:]]
    rest = model.run(None, {"input": x[:, 4:], "lengths": np.array([5, 5]), **dict(zip(names, state, strict=True))})[0]
    np.testing.assert_allclose(np.concatenate([first, rest], axis=1), whole, rtol=0, atol=1e-6)


class Mean(nn.Module):
    num_directions = 1

    def __init__(self, input_size):
        super().__init__()
        self.output_size = input_size


@pytest.mark.parametrize(("network", "words"), [
    (partial(GRU, hidden_size=5, layer_norm=True), "model.layer_norm=true"),
    (partial(LSTM, hidden_size=5, zoneout=0.25), "model.zoneout=0.25"),
    (partial(LSTM, hidden_size=5, proj_size=2), "model.proj_size"),
])  # fmt: skip
def test_what_the_operators_cannot_express_is_refused(network, words):
    with pytest.raises(UserError, match=words):
        to_onnx(make("last", partial(network, batch_first=True)))


@pytest.mark.parametrize(("options", "known"), [({"intervals": "gaussian"}, ()), ({}, (1,))])
def test_a_forecast_with_intervals_or_values_known_ahead_is_refused(options, known):
    _, description, _ = TASKS["forecast"]
    task = Forecasting(
        description=replace(description, output=replace(description.output, known=known)),
        network=partial(GRU, hidden_size=2, batch_first=True), optimizer=None, monitor="val/loss", **options,
    )  # fmt: skip
    with pytest.raises(UserError, match="have no ONNX graph: export a run without them"):
        to_onnx(task.eval())


def test_networks_and_tasks_of_others_are_refused():
    with pytest.raises(UserError, match=r"Mean cannot be exported"):
        to_onnx(make("last", Mean))

    from src.tasks.base import Task

    class Mine(Task):
        pass

    task = Mine(
        description=TASKS["last"][1],
        network=partial(GRU, hidden_size=2, batch_first=True),
        optimizer=None,
        monitor="val/loss",
    )
    with pytest.raises(UserError, match=r"Mine cannot be exported"):
        to_onnx(task.eval())
