"""Build an ONNX graph: nodes are added one by one and return the names of their outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8  # GRU, LSTM and RNN as of opset 14; read by onnxruntime from 1.14 on
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
Shape = tuple[int | str, ...]
Values = np.ndarray | np.generic | list[int]  # whole numbers become int64


class Graph:
    """Nodes, weights, inputs and outputs, collected in order.

    >>> graph = Graph()
    >>> x = graph.input("x", "float32", ("batch", 3))
    >>> graph.output("y", graph.node("Add", x, np.ones(3, np.float32)), ("batch", 3))
    >>> [node.op_type for node in graph.model("sum", {}).graph.node]
    ['Add', 'Identity']
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._number = 0

    def input(self, name: str, dtype: str, shape: Shape) -> str:
        """Declare an input; a named dimension is free."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return name

    def output(self, name: str, value: str, shape: Shape) -> None:
        """Output a value under a name, as float32."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, values: Values) -> str:
        """Add a weight shared by several nodes."""
        self._number += 1
        array = np.asarray(values)
        kind = np.int64 if array.dtype.kind in "iu" else array.dtype
        name = f"w{self._number}"
        self._weights.append(numpy_helper.from_array(np.array(array, kind, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str | Values, **attributes: Any) -> str:
        """Add a node with one output, and return its name. Inputs are names or weights; "" omits an input."""
        return self.nodes(operator, 1, *inputs, **attributes)[0]

    def nodes(self, operator: str, outputs: int, *inputs: str | Values, **attributes: Any) -> list[str]:
        """Add a node with several outputs, and return their names."""
        given = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self._number += 1
        names = [f"{operator.lower()}{self._number}_{k}" for k in range(outputs)]
        self._nodes.append(helper.make_node(operator, given, names, **attributes))
        return names

    def size(self, value: str, dimension: int) -> str:
        """Return one dimension of a value at run time, int64 (1,)."""
        return self.node("Shape", value, start=dimension, end=dimension + 1)

    def model(self, name: str, facts: dict[str, str]) -> onnx.ModelProto:
        """Return the finished model, checked by onnx's checker and shape inference; ``facts`` become its metadata."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="gatebench"
        )
        helper.set_model_props(model, facts)
        onnx.checker.check_model(model, full_check=True)
        return model
