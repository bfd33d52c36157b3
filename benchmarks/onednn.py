"""oneDNN's recurrent primitives by their C interface: ctypes and a wheel, no compiler and no header.

The primitives are ``gru`` (reset gate before the product), ``lbr_gru`` (after it) and ``lstm``, forward and backward,
in float32. oneDNN numbers the gates of a GRU u, r, o (PyTorch r, z, n) and those of an LSTM as PyTorch does; its
``lbr_gru`` has a fourth bias, which is PyTorch's recurrent one of n. Signatures and constants stand in
``oneapi/dnnl/dnnl.h`` and ``dnnl_types.h``, the same in oneDNN 3.2 and 3.13.

The wheel is ``onednn-cpu-gomp`` 2023.2 (oneDNN 3.2), which computes in the thread that calls. The newest, ``onednn``
2026.1, exists for SYCL alone: it hands every call to another thread, brings 600 MB, and was slower where both were run.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.metadata import distribution
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.contenders import Case, Refused, Work, batch, reference

WHEEL = "onednn-cpu-gomp"
Pointer = ctypes.c_void_p
KINDS = {"gru": "lbr_gru", "gru_cho": "gru", "lstm": "lstm"}
GATES = {"gru": [1, 0, 2], "gru_cho": [1, 0, 2], "lstm": [0, 1, 2, 3]}  # the block of PyTorch's that stands there
TRAINING, INFERENCE, BACKWARD = 64, 96, 128  # dnnl_prop_kind_t
ANY, LDGO, LDIGO, NTC = 1, 5, 6, 16  # dnnl_format_tag_t; l = d = 1: layers, directions
SOURCE, RESULT, WEIGHTS, BIAS, WORKSPACE, GRADIENT = 1, 17, 33, 41, 64, 128  # DNNL_ARG_*; a gradient's is 128 more
ASK_WEIGHTS, ASK_WORKSPACE = 131, 135  # dnnl_query_t


class Argument(ctypes.Structure):
    """``dnnl_exec_arg_t``.

    >>> Argument(SOURCE, None).arg
    1
    """

    _fields_ = (("arg", ctypes.c_int), ("memory", Pointer))


class Call(NamedTuple):
    """A primitive and the memories it works on.

    >>> Call(Pointer(), {}).memories
    {}
    """

    primitive: Pointer
    memories: dict[int, Pointer]


class Library(NamedTuple):
    """The loaded library with a CPU engine and a stream; what it makes lives as long as the process."""

    functions: ctypes.CDLL
    openmp: ctypes.CDLL
    engine: Pointer
    stream: Pointer

    def call(self, name: str, *arguments: Any) -> None:
        """Call ``dnnl_<name>``.

        Raises:
            RuntimeError: it answers with another status than success.
        """
        status = getattr(self.functions, f"dnnl_{name}")(*arguments)
        if status:
            raise RuntimeError(f"dnnl_{name} failed with dnnl_status_t {status}")

    def make(self, name: str, *arguments: Any) -> Pointer:
        """What ``dnnl_<name>`` puts behind its first argument."""
        made = Pointer()
        self.call(name, ctypes.byref(made), *arguments)
        return made

    def description(self, sizes: tuple[int, ...], tag: int) -> Pointer:
        """A float32 memory description."""
        return self.make("memory_desc_create_with_tag", len(sizes), (ctypes.c_int64 * 12)(*sizes), 3, tag)

    def memory(self, description: Pointer, tensor: Tensor) -> Pointer:
        """A tensor as oneDNN sees it; whoever calls keeps the tensor alive."""
        return self.make("memory_create", description, self.engine, Pointer(tensor.data_ptr()))

    def room(self, primitive: Pointer, question: int, index: int = 0) -> tuple[Tensor, Pointer, Pointer]:
        """What a primitive's description wants of the caller: a tensor, its memory and its description."""
        description = Pointer(self.functions.dnnl_primitive_desc_query_md(primitive, question, index))
        tensor = torch.zeros(self.functions.dnnl_memory_desc_get_size(description), dtype=torch.uint8)
        return tensor, self.memory(description, tensor), description

    def run(self, call: Call, threads: int) -> None:
        """Execute and wait."""
        self.openmp.omp_set_num_threads(threads)
        listed = (Argument * len(call.memories))(*(Argument(*pair) for pair in call.memories.items()))
        self.call("primitive_execute", call.primitive, self.stream, len(call.memories), listed)
        self.call("stream_wait", self.stream)


@cache
def load() -> Library:
    """oneDNN out of its wheel.

    Raises:
        Refused: the system cannot load it.
    """
    file = next(f for f in distribution(WHEEL).files or [] if f.name == "libdnnl.so.3")
    try:
        openmp, functions = ctypes.CDLL("libgomp.so.1"), ctypes.CDLL(str(file.locate()))
    except OSError as error:
        raise Refused(f"onednn cannot be loaded here ({error})") from error
    functions.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    functions.dnnl_primitive_desc_query_md.restype = Pointer
    library = Library(functions, openmp, Pointer(), Pointer())
    library.call("engine_create", ctypes.byref(library.engine), 1, ctypes.c_size_t(0))
    library.call("stream_create", ctypes.byref(library.stream), library.engine, 1)
    return library


class Layer:
    """A layer with its buffers, which oneDNN reads and writes in place.

    Args:
        library: from `load`.
        cell: a key of `KINDS`.
        shape: batch, time, input_size, hidden_size.
        training: whether `backward` is to follow.
        threads: how many it uses.
    """

    def __init__(
        self, library: Library, cell: str, shape: tuple[int, int, int, int], training: bool, threads: int
    ) -> None:
        b, t, i, h = shape
        gates, kind = len(GATES[cell]), KINDS[cell]
        self.library, self.training, self.threads, self._rooms = library, training, threads, list[Tensor]()
        self.x, self.output = torch.zeros(b, t, i), torch.zeros(b, t, h)
        self.weights = [torch.zeros(n, gates, h) for n in (i, h)]
        self.bias = torch.zeros(gates + (cell == "gru"), h)
        self.output_gradient, self._input_gradient = torch.zeros(b, t, h), torch.zeros(b, t, i)
        self.gradients = [torch.zeros_like(parameter) for parameter in (*self.weights, self.bias)]

        library.openmp.omp_set_num_threads(threads)  # a primitive is made for as many as there are now
        x, output = (library.description((t, b, n), NTC) for n in (i, h))
        bias = library.description((1, 1, *self.bias.shape), LDGO)
        self._plain = [library.description((1, 1, n, gates, h), LDIGO) for n in (i, h)]
        anything = [library.description((1, 1, n, gates, h), ANY) for n in (i, h)]
        wanted, plain = operands(kind, x, anything, bias, output), operands(kind, x, self._plain, bias, output)

        described = library.make(
            f"{kind}_forward_primitive_desc_create",
            library.engine, TRAINING if training else INFERENCE, 1, *wanted, 0, None,
        )  # fmt: skip
        memories = {
            SOURCE: library.memory(x, self.x),
            RESULT: library.memory(output, self.output),
            BIAS: library.memory(bias, self.bias),
        }
        if training:
            room, memories[WORKSPACE], _ = library.room(described, ASK_WORKSPACE)
            self._rooms.append(room)
        self._forward, self._before_forward = self._with_weights(described, memories)
        if training:
            described = library.make(
                f"{kind}_backward_primitive_desc_create",
                library.engine, BACKWARD, 1, *wanted, *plain, 0, described, None,
            )  # fmt: skip
            memories |= {
                GRADIENT + SOURCE: library.memory(x, self._input_gradient),
                GRADIENT + RESULT: library.memory(output, self.output_gradient),
                GRADIENT + WEIGHTS: library.memory(self._plain[0], self.gradients[0]),
                GRADIENT + WEIGHTS + 1: library.memory(self._plain[1], self.gradients[1]),
                GRADIENT + BIAS: library.memory(bias, self.gradients[2]),
            }
            self._backward, self._before_backward = self._with_weights(described, memories)

    def _with_weights(self, described: Pointer, memories: dict[int, Pointer]) -> tuple[Call, list[Call]]:
        # The primitive, and what brings the weights into the layout that it prefers.
        library, reorders = self.library, []
        for index, (plain, weight) in enumerate(zip(self._plain, self.weights, strict=True)):
            room, memory, wanted = library.room(described, ASK_WEIGHTS, index)
            reorder = library.make("reorder_primitive_desc_create", plain, library.engine, wanted, library.engine, None)
            self._rooms.append(room)
            memories = memories | {WEIGHTS + index: memory}
            between = {SOURCE: library.memory(plain, weight), RESULT: memory}
            reorders.append(Call(library.make("primitive_create", reorder), between))
        return Call(library.make("primitive_create", described), memories), reorders

    def forward(self) -> None:
        """From `x` (batch, time, input_size) to `output` (batch, time, hidden_size).

        In inference with the weights that the last `pack` saw.
        """
        if self.training:
            self.pack()
        self.library.run(self._forward, self.threads)

    def backward(self) -> None:
        """Add to `gradients` (of both weights and the bias) what `output_gradient` makes of them.

        oneDNN has no call without the gradient of the input, so that is computed too.
        """
        for call in (*self._before_backward, self._backward):
            self.library.run(call, self.threads)

    def pack(self) -> None:
        """Put the weights into the layout of the forward primitive."""
        for call in self._before_forward:
            self.library.run(call, self.threads)


def operands(kind: str, x: Pointer, weights: list[Pointer], bias: Pointer, output: Pointer) -> list[Pointer | None]:
    """Descriptions in the order of the C functions; None: no initial or last state, no peepholes, no projection."""
    if kind == "lstm":
        return [x, None, None, *weights, None, None, bias, output, None, None]
    return [x, None, *weights, bias, output, None]


def with_onednn(cell: str, case: Case, seed: int) -> tuple[Work, float]:
    """oneDNN's primitive between PyTorch's head, loss and Adam; a step, and the difference from the readable loop.

    Raises:
        Refused: it has not this cell, or cannot be loaded.
    """
    if cell not in KINDS:
        raise Refused("the driver of onednn has the GRU and the LSTM without peepholes")
    network, x = reference(cell, case, torch.device("cpu"), seed), batch(case, torch.device("cpu"), seed)
    layer = prepared(cell, network, x, case.mode == "training", case.threads)
    layer.forward()
    with torch.no_grad():
        difference = float((network(x)[0] - layer.output).abs().max())
    return (step_of(layer) if case.mode == "training" else layer.forward), difference


def prepared(cell: str, network: Any, x: Tensor, training: bool, threads: int = 1) -> Layer:
    """A layer with the weights of a network of ours, and its input."""
    hidden, order = network.weight_hh_l0.shape[1], GATES[cell]
    layer = Layer(load(), cell, (x.shape[0], x.shape[1], x.shape[2], hidden), training, threads)

    def blocks(parameter: Tensor | None) -> Tensor:
        if parameter is None:
            return torch.zeros(len(order), hidden)
        parts = parameter.detach().chunk(len(order))
        return torch.stack([parts[k] for k in order])

    for weight, given in zip(layer.weights, (network.weight_ih_l0, network.weight_hh_l0), strict=True):
        weight.copy_(blocks(given).permute(2, 0, 1))
    first, second = blocks(network.bias_ih_l0), blocks(getattr(network, "bias_hh_l0", None))
    if cell == "gru":  # the candidate's two biases stand on both sides of the reset gate
        layer.bias.copy_(torch.cat([first[:2] + second[:2], first[2:], second[2:]]))
    else:
        layer.bias.copy_(first + second)
    layer.x.copy_(x)
    layer.pack()
    return layer


def step_of(layer: Layer) -> Work:
    """The training step of `benchmarks.contenders.training_step`; the layer's parameters are its own buffers."""
    head = nn.Linear(layer.output.shape[2], layer.x.shape[2])
    parameters = [nn.Parameter(buffer) for buffer in (*layer.weights, layer.bias)]
    for parameter, gradient in zip(parameters, layer.gradients, strict=True):
        parameter.grad = gradient
    optimizer = torch.optim.Adam([*parameters, *head.parameters()], lr=1e-3)
    output = layer.output.requires_grad_()
    output.grad = layer.output_gradient

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)  # oneDNN adds to what is there
        layer.output_gradient.zero_()
        layer.forward()
        F.mse_loss(head(output), layer.x).backward()
        layer.backward()
        optimizer.step()

    return step
