"""Other libraries' recurrent layers, timed in the same rounds as ours; ``make benchmark-peers`` installs them.

A peer takes part where it has the cell: oneDNN's primitives called directly (`benchmarks.onednn`) in both modes,
with PyTorch's head and Adam; onnxruntime in inference; jax (a ``lax.scan`` written out, compiled) and flax
(``nnx.RNN``, as its documentation has it) in both modes, with optax's Adam. jax is kept to one thread per process by
XLA's flags; how many cores a contender really used stands in the result. On a GPU there is FlashRNN alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from benchmarks.contenders import TOLERANCE, Case, Contender, Refused, Work, batch, reference
from benchmarks.flashrnn import with_flashrnn
from benchmarks.onednn import WHEEL, with_onednn
from src.config.errors import UserError

Built = tuple[Work, float | None]  # a step, and the difference from the readable loop's output


def peer(name: str, cell: str, case: Case, device: torch.device, seed: int) -> Contender:
    """A cell in another library.

    Args:
        name: a key of :data:`PEERS`.
        cell: a key of ``CELLS``.
        case: sizes, mode and threads.
        device: the CPU; for FlashRNN a GPU.
        seed: of weights and input.

    Raises:
        Refused: when the library has not this cell in this mode, or cannot be held to that many threads.
        UserError: when it is not installed.
        RuntimeError: when it computes something else than the readable loop.
    """
    needs, build = PEERS[name]
    if not installed(needs):
        raise UserError(f"peers has {name}, which is not installed: run make benchmark-peers, or drop it.")
    on_gpu = needs == "flashrnn"
    if (device.type == "cuda") != on_gpu:
        raise Refused(f"{name} is measured on {'a GPU' if on_gpu else 'the CPU'} only")
    work, difference = build(cell, case, seed)
    if difference is not None and not on_gpu and difference > TOLERANCE:
        raise RuntimeError(f"{cell} {name} differs from the readable loop by {difference:.2g} at {case.shape}")
    return Contender(f"{cell} {name}", cell, name, "peer", work, difference)


def installed(package: str) -> bool:
    """Return whether a package is installed, by the name that pip uses."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------ onnxruntime

_ONNX = {"gru": ("GRU", [1, 0, 2]), "gru_cho": ("GRU", [1, 0, 2]), "lstm": ("LSTM", [0, 3, 1, 2])}


def with_onnxruntime(cell: str, case: Case, seed: int) -> Built:
    """The ONNX operator in onnxruntime, inference only; the batch is turned to time first beforehand."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    if case.mode != "inference" or cell not in _ONNX:
        raise Refused("onnxruntime has the GRU and the LSTM, in inference only")
    operator, order = _ONNX[cell]
    network, x = reference(cell, case, torch.device("cpu"), seed), batch(case, torch.device("cpu"), seed)

    def blocks(parameter: Any) -> Any:
        if parameter is None:
            return np.zeros(len(order) * case.shape.hidden_size, np.float32)
        parts = parameter.detach().chunk(len(order))
        return torch.cat([parts[k] for k in order]).numpy()

    biases = [blocks(network.bias_ih_l0), blocks(getattr(network, "bias_hh_l0", None))]
    weights = {
        "W": blocks(network.weight_ih_l0)[None],
        "R": blocks(network.weight_hh_l0)[None],
        "B": np.concatenate(biases)[None],
    }
    options: dict[str, Any] = {"linear_before_reset": int(cell == "gru")} if operator == "GRU" else {}
    node = helper.make_node(operator, ["X", "W", "R", "B"], ["Y"], hidden_size=case.shape.hidden_size, **options)
    time_first = np.ascontiguousarray(x.transpose(0, 1).numpy())
    graph = helper.make_graph(
        [node], "cell", [helper.make_tensor_value_info("X", TensorProto.FLOAT, time_first.shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = case.threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])

    def step() -> Any:
        return session.run(None, {"X": time_first})[0]

    with torch.no_grad():
        expected = network(x)[0].numpy()
    return step, float(np.abs(step()[:, 0].swapaxes(0, 1) - expected).max())


# --------------------------------------------------------------------------------------------------------------- jax


def with_jax(cell: str, case: Case, seed: int) -> Built:
    """The equations in a compiled ``lax.scan`` behind one input projection; the weights are ours, transposed."""
    jax = import_jax(case)
    import jax.numpy as jnp

    if cell not in ("gru", "gru_cho", "lstm"):
        raise Refused("the scan in jax supports the GRU and the LSTM only")
    hidden, sigmoid = case.shape.hidden_size, jax.nn.sigmoid
    network = reference(cell, case, torch.device("cpu"), seed)
    x = jnp.asarray(batch(case, torch.device("cpu"), seed).numpy())
    weights = {
        key.removesuffix("_l0"): jnp.asarray(value.detach().numpy().T) for key, value in network.named_parameters()
    }

    def gru(w: dict[str, Any], h: Any, a: Any) -> Any:
        u = h @ w["weight_hh"] + w["bias_hh"]
        r, z = sigmoid(a[:, :hidden] + u[:, :hidden]), sigmoid(a[:, hidden:-hidden] + u[:, hidden:-hidden])
        n = jnp.tanh(a[:, -hidden:] + r * u[:, -hidden:])
        return n + z * (h - n), None

    def gru_cho(w: dict[str, Any], h: Any, a: Any) -> Any:
        gates = sigmoid(a[:, :-hidden] + h @ w["weight_hh"][:, :-hidden])
        r, z = gates[:, :hidden], gates[:, hidden:]
        n = jnp.tanh(a[:, -hidden:] + (r * h) @ w["weight_hh"][:, -hidden:])
        return n + z * (h - n), None

    def lstm(w: dict[str, Any], state: Any, a: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(a + h @ w["weight_hh"] + w["bias_hh"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        return (sigmoid(o) * jnp.tanh(c), c), None

    cells: dict[str, Callable[..., Any]] = {"gru": gru, "gru_cho": gru_cho, "lstm": lstm}

    def forward(w: dict[str, Any], x: Any) -> Any:
        projected = (x @ w["weight_ih"] + w["bias_ih"]).swapaxes(0, 1)
        zeros = jnp.zeros((x.shape[0], hidden))

        def step(state: Any, a: Any) -> Any:
            new, _ = cells[cell](w, state, a)
            return new, new[0] if cell == "lstm" else new

        return jax.lax.scan(step, (zeros, zeros) if cell == "lstm" else zeros, projected)[1].swapaxes(0, 1)

    with torch.no_grad():
        expected = network(batch(case, torch.device("cpu"), seed))[0].numpy()
    difference = float(np.abs(np.asarray(jax.jit(forward)(weights, x)) - expected).max())
    if case.mode == "inference":
        run = jax.jit(forward)
        return lambda: run(weights, x).block_until_ready(), difference
    return jax_training(forward, weights, x, case), difference


def jax_training(forward: Callable[..., Any], weights: Any, x: Any, case: Case) -> Work:
    """The training step of `benchmarks.contenders.training_step` in jax, with optax's Adam."""
    import jax
    import jax.numpy as jnp
    import optax

    hidden, features = case.shape.hidden_size, case.shape.input_size
    head = {"w": jax.random.normal(jax.random.key(0), (hidden, features)) / hidden**0.5, "b": jnp.zeros(features)}
    optimizer = optax.adam(1e-3)

    def loss(parameters: Any) -> Any:
        net, head = parameters
        return ((forward(net, x) @ head["w"] + head["b"] - x) ** 2).mean()

    @jax.jit
    def update(parameters: Any, state: Any) -> Any:
        changes, state = optimizer.update(jax.grad(loss)(parameters), state, parameters)
        return optax.apply_updates(parameters, changes), state

    now = [((weights, head), optimizer.init((weights, head)))]

    def step() -> None:
        now[0] = jax.block_until_ready(update(*now[0]))

    return step


def import_jax(case: Case) -> Any:
    """jax on one thread: XLA reads how many it may use when it starts.

    Raises:
        Refused: for more threads.
    """
    if case.threads != 1:
        raise Refused("jax is held to one thread")
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if flags not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    return jax


# -------------------------------------------------------------------------------------------------------------- flax


def with_flax(cell: str, case: Case, seed: int) -> Built:
    """``nnx.RNN`` around flax's own cells, weights drawn by flax (its GRU has the reset gate after the product)."""
    import_jax(case)
    import jax
    import jax.numpy as jnp
    from flax import nnx

    cells = {"gru": nnx.GRUCell, "lstm": nnx.LSTMCell}
    if cell not in cells:
        raise Refused("flax has only the LSTM and the GRU with the reset gate after the product")
    x = jnp.asarray(batch(case, torch.device("cpu"), seed).numpy())
    network = nnx.RNN(cells[cell](case.shape.input_size, case.shape.hidden_size, rngs=nnx.Rngs(seed)))
    zeros = jnp.zeros((case.shape.batch, case.shape.hidden_size))
    graph, weights, others = nnx.split(network, nnx.Param, ...)

    def forward(w: Any, x: Any) -> Any:
        return nnx.merge(graph, w, others)(x, initial_carry=(zeros, zeros) if cell == "lstm" else zeros)

    if case.mode == "inference":
        run = jax.jit(forward)
        return lambda: run(weights, x).block_until_ready(), None
    return jax_training(forward, weights, x, case), None


PEERS: dict[str, tuple[str, Callable[[str, Case, int], Built]]] = {  # what pip must have, and who builds it
    "onednn": (WHEEL, with_onednn),
    "onnxruntime": ("onnxruntime", with_onnxruntime),
    "jax": ("jax", with_jax),
    "flax": ("flax", with_flax),
    "flashrnn": ("flashrnn", with_flashrnn),
    "flashrnn_triton": ("flashrnn", partial(with_flashrnn, backend="triton_fused")),
}
