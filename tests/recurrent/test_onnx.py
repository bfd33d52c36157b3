"""Both resets and the peepholes against the ONNX operators, as onnx.reference and onnxruntime evaluate them."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from src.recurrent import GRU, LSTM

ORDER = {"GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}
PEEPHOLES = [0, 2, 1]


def blocks(vector, order):
    """Our gate blocks in the order of ONNX: z, r, n and i, o, f, g; peepholes i, o, f."""
    parts = vector.detach().chunk(len(order))
    return torch.cat([parts[k] for k in order]).numpy()


def onnx_inputs(operator, network, x, lengths=None):
    suffixes = network.suffixes(0)
    order = ORDER[operator]

    def stacked(*names):
        rows = [[blocks(getattr(network, n + s), order) for n in names] for s in suffixes]
        return np.stack([np.concatenate(row) for row in rows])

    inputs = {
        "X": x.transpose(0, 1).numpy(),
        "W": stacked("weight_ih"),
        "R": stacked("weight_hh"),
        "B": stacked("bias_ih", "bias_hh"),
    }
    if lengths is not None:
        inputs["L"] = lengths.to(torch.int32).numpy()
    if operator == "LSTM":
        inputs["P"] = np.stack([blocks(getattr(network, "weight_peephole" + s), PEEPHOLES) for s in suffixes])
    return inputs


def model(operator, network, inputs, **attributes):
    slots = ["X", "W", "R", "B", "L"] + (["", "", "P"] if operator == "LSTM" else [])
    outputs = ["Y", "Y_h"] + (["Y_c"] if operator == "LSTM" else [])
    direction = "bidirectional" if network.bidirectional else "forward"
    node = helper.make_node(
        operator, [s if s in inputs else "" for s in slots], outputs,
        hidden_size=network.hidden_size, direction=direction, **attributes,
    )  # fmt: skip
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    graph = helper.make_graph(
        [node], "cell",
        [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, kinds["X"], None) for name in outputs],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def networks(dtype, bidirectional=False):
    common = {"batch_first": True, "bidirectional": bidirectional, "dtype": dtype, "backend": "reference"}
    yield "GRU", GRU(3, 5, reset_after=False, **common), {"linear_before_reset": 0}
    yield "GRU", GRU(3, 5, reset_after=True, **common), {"linear_before_reset": 1}
    yield "LSTM", LSTM(3, 5, peepholes=True, **common), {}


@pytest.mark.parametrize("case", [0, 1, 2])
def test_onnx_reference_agrees_in_float64(case):
    operator, network, attributes = list(networks(torch.float64))[case]
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    inputs = onnx_inputs(operator, network, x)
    assert helper.np_dtype_to_tensor_dtype(inputs["X"].dtype) == TensorProto.DOUBLE
    expected = ReferenceEvaluator(model(operator, network, inputs, **attributes)).run(None, inputs)
    output, state = network(x)
    hidden = state if operator == "GRU" else state[0]
    np.testing.assert_allclose(output.detach().numpy(), expected[0][:, 0].transpose(1, 0, 2), rtol=0, atol=1e-13)
    np.testing.assert_allclose(hidden.detach().numpy(), expected[1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("case", [0, 1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_onnxruntime_agrees_on_lengths(case, bidirectional):
    operator, network, attributes = list(networks(torch.float32, bidirectional))[case]
    x, lengths = torch.randn(4, 6, 3), torch.tensor([3, 6, 1, 4])
    inputs = onnx_inputs(operator, network, x, lengths)
    serialised = model(operator, network, inputs, **attributes).SerializeToString()
    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    expected = session.run(None, inputs)
    output, state = network(x, lengths=lengths)
    joined = expected[0].transpose(2, 0, 1, 3).reshape(4, 6, -1)
    np.testing.assert_allclose(output.detach().numpy(), joined, rtol=0, atol=1e-5)
    for ours, theirs in zip([state] if operator == "GRU" else state, expected[1:], strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=1e-5)


def test_the_check_sees_a_wrong_reset():
    _, network, _ = next(networks(torch.float64))
    inputs = onnx_inputs("GRU", network, x := torch.randn(4, 6, 3, dtype=torch.float64))
    wrong = ReferenceEvaluator(model("GRU", network, inputs, linear_before_reset=1)).run(["Y_h"], inputs)
    assert np.abs(network(x)[1].detach().numpy() - wrong[0]).max() > 1e-3
