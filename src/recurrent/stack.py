"""Depth, directions, residual connections and lengths, shared by all cells and backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence

from .backends.around import as_leaf, capturing, transformation
from .backends.builtin import flatten, scriptable
from .backends.choose import BACKENDS, Choice, choose, remembered
from .backends.spec import CallSpec
from .cells.base import CellParameters
from .checks import check_choice, check_flag, check_number, check_rate
from .initialise import initialise
from .inputs import check_state, give_back, take_in
from .parameters import collect, layer_specs, register
from .quantisable import Quantisable
from .regularise import dropped, noisy, recurrent_mask, zoneout_mask
from .state import LayerState, State, first_tensor, join_layers, map_state, reduced, split_layers


class StackedRNN(Quantisable):
    """Stacked recurrent layers, of one kind or several.

    >>> layers = [{"kind": "gru", "hidden_size": 6}, {"kind": "rnn", "hidden_size": 4}]
    >>> network = StackedRNN(8, layers, batch_first=True)
    >>> output, state = network(torch.zeros(2, 5, 8))
    >>> output.shape, [entry.shape for entry in state]
    (torch.Size([2, 5, 4]), [torch.Size([1, 2, 6]), torch.Size([1, 2, 4])])

    In each direction, layer k has ``weight_ih_l{k}``, ``weight_hh_l{k}``, ``bias_ih_l{k}``, ``bias_hh_l{k}``, with the
    suffix ``_reverse`` for the backward one, as in nn.GRU (`CellParameters` has shapes and further names), and
    ``initial_hidden_l{k}``, ``initial_cell_l{k}`` (hidden_size,) if the initial state is learned.

    Args:
        input_size: input features per step.
        layers: for each layer a mapping with ``kind`` (one of `src.recurrent.cells`) and ``hidden_size``;
            optionally ``bias`` (True, False, "single") and the options of its cell.
        batch_first: input and output are (batch, time, features) instead of (time, batch, features).
        dropout: rate in [0, 1) on the input of every layer but the first.
        bidirectional: every layer also reads backwards, and outputs both directions concatenated.
        residual: from the second layer on, a layer's input is added to its output if their widths are equal.
        recurrent_dropout: rate in [0, 1) on h_{t-1} in the recurrent product, one mask for all steps.
        weight_noise: standard deviation of the noise on the weights, drawn anew for every forward pass in training.
        learn_initial_state: the default initial state is a parameter, initialised to zero.
        initialisation: "pytorch", "xavier", "chung" or "chrono"; see `initialise`.
        keep_gate_bias: initial mean bias of the gate that keeps the old state; see `initialise`.
        chrono_steps: the longest dependency assumed by "chrono", in steps.
        backend: "auto", "fused", "torch", "triton" or "reference"; see `src.recurrent.backends`.
        allow_empty: lengths may be 0: such a row has zero output, and its state is unchanged.
        device, dtype: of the parameters.

    Attributes:
        output_size: output features per step, over both directions.
        num_directions: 1 or 2.

    Raises:
        ValueError: an argument is out of range, or the backend cannot run a layer.
    """

    weight_ih_l0: nn.Parameter

    def __init__(
        self,
        input_size: int,
        layers: Sequence[Mapping[str, Any]],
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        residual: bool = False,
        recurrent_dropout: float = 0.0,
        weight_noise: float = 0.0,
        learn_initial_state: bool = False,
        initialisation: str = "pytorch",
        keep_gate_bias: float = 0.0,
        chrono_steps: int | None = None,
        backend: str = "auto",
        allow_empty: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, flag in (
            ("batch_first", batch_first), ("bidirectional", bidirectional), ("residual", residual),
            ("learn_initial_state", learn_initial_state), ("allow_empty", allow_empty),
        ):  # fmt: skip
            check_flag(name, flag)
        check_rate("dropout", dropout)
        check_rate("recurrent_dropout", recurrent_dropout)
        check_number("weight_noise", weight_noise)
        check_choice("backend", backend, "auto", *BACKENDS)
        self.num_directions = 2 if bidirectional else 1
        self.layers = layer_specs(input_size, layers, self.num_directions)
        self.input_size = input_size
        self.output_size = self.num_directions * self.layers[-1].state_sizes[0]
        self.num_layers = len(self.layers)
        self.equal_layers = len({(layer.cell, layer.hidden_size, layer.bias) for layer in self.layers}) == 1
        # Whether there is only dropout between layers, so that one call may run them all.
        self.plain = self.equal_layers and not (residual and self.num_layers > 1)
        self.batch_first, self.bidirectional, self.residual = batch_first, bidirectional, residual
        self.dropout, self.recurrent_dropout, self.weight_noise = dropout, recurrent_dropout, weight_noise
        self.learn_initial_state = learn_initial_state
        self.initialisation, self.keep_gate_bias, self.chrono_steps = initialisation, keep_gate_bias, chrono_steps
        self.backend, self.allow_empty = backend, allow_empty
        if keep_gate_bias and not any(layer.cell.keep_gate for layer in self.layers):
            kinds = " and ".join(dict.fromkeys(layer.cell.kind for layer in self.layers))
            raise ValueError(f"keep_gate_bias: expected 0 for {kinds} cells (no keep gate), got {keep_gate_bias!r}")

        for k, layer in enumerate(self.layers):
            for suffix in self.suffixes(k):
                register(self, layer, suffix, device, dtype)
                if learn_initial_state:
                    for name, size in zip(layer.cell.states, layer.state_sizes, strict=True):
                        start = torch.empty(size, device=device, dtype=dtype)
                        self.register_parameter(f"initial_{name}{suffix}", nn.Parameter(start))
        self.reset_parameters()
        self.choices(self.weight_ih_l0.device, self.weight_ih_l0.dtype)
        self.flatten_parameters()

    def reset_parameters(self) -> None:
        """Redraw all parameters, layer by layer, forward before backward."""
        for k, layer in enumerate(self.layers):
            for parameters in self.parameters_of(k):
                initialise(layer.cell, parameters, self.initialisation, self.keep_gate_bias, self.chrono_steps)
        for name, parameter in self.named_parameters():
            if name.startswith("initial_"):
                nn.init.zeros_(parameter)

    def suffixes(self, k: int) -> list[str]:
        """Return the parameter name suffixes of layer k, one per direction."""
        return [f"_l{k}", f"_l{k}_reverse"][: self.num_directions]

    def forward(
        self, input: Tensor | PackedSequence, hx: State = None, lengths: Tensor | None = None
    ) -> tuple[Any, State]:
        """Read sequences.

        Args:
            input: (time, batch, input_size), or (batch, time, input_size) with batch_first, or (time, input_size), or
                a PackedSequence.
            hx: the initial state; in the form of `initial_state`, without dimension 1 if unbatched.
            lengths: valid steps of each row, int64 (batch,) on the CPU, each 1..time, in any order, or with
                ``allow_empty`` 0..time.

        Returns:
            The output in the form of the input with output_size features, zero past a row's length; and the state after
            each row's last valid step (for the backward direction, after step 0).

        Raises:
            ValueError: the shape, dtype or device of an argument does not match.
        """
        if isinstance(input, Proxy):
            return as_leaf(self, input, hx, lengths)
        # Read only once, because a parametrization recomputes or redraws them each time.
        parameters = [self.parameters_of(k) for k in range(self.num_layers)]
        weight = parameters[0][0].weight_ih
        batch = take_in(input, lengths, self.batch_first, weight, self.allow_empty)
        unbatched = isinstance(input, Tensor) and input.dim() == 2
        state = self._initial_state(batch.x.shape[0], weight)
        if hx is not None:
            check_state(hx, state, weight, unbatched)
            state = map_state(lambda tensor: tensor[:, None], hx) if unbatched else hx
        run = self._run_with_empty_rows if self.allow_empty and batch.lengths is not None else self._run
        output, state = run(batch.x, batch.lengths, state, parameters)
        if torch.is_autocast_enabled("cpu") and weight.dtype != torch.float64 and not weight.is_cuda:
            given = batch.x if hx is None else first_tensor(hx)
            dense = isinstance(input, Tensor) and lengths is None
            output, state = reduced(output, state, self.layers, given.dtype, dense)
        if unbatched:
            state = map_state(lambda tensor: tensor[:, 0], state)
        return give_back(output, batch, self.batch_first), state

    def _run_with_empty_rows(
        self, x: Tensor, lengths: Any, state: State, parameters: list[list[CellParameters]]
    ) -> tuple[Tensor, State]:
        """Call `_run` for lengths that may be 0: backends process one dummy step of zeros from a zero state."""
        time, empty = x.shape[1], (lengths == 0).to(x.device)[:, None]
        if time == 0:
            x = x.new_zeros(x.shape[0], 1, x.shape[2])
        start = map_state(lambda tensor: tensor.masked_fill(empty, 0), state)
        output, last = self._run(x, lengths + (lengths == 0).long(), start, parameters)
        pairs = zip(split_layers(state, self.layers), split_layers(last, self.layers), strict=True)
        states = [tuple(torch.where(empty, o, n) for o, n in zip(old, new, strict=True)) for old, new in pairs]
        return output.masked_fill(empty[:, :, None], 0)[:, :time], join_layers(states, self.layers)

    def _run(
        self, x: Tensor, lengths: Tensor | None, state: State, parameters: list[list[CellParameters]]
    ) -> tuple[Tensor, State]:
        """Run all layers on (batch, time, input_size) with zero padding; parameters are by layer and direction."""
        dtype = parameters[0][0].weight_ih.dtype
        choices = self.choices(x.device, dtype, inference=not (torch.is_grad_enabled() or capturing()))
        whole = getattr(choices[0].backend, "run_stack", None) if len(set(choices)) == 1 and self.plain else None
        # With lengths PyTorch needs a packed batch, which on a CPU is slower than padded layers, one at a time.
        # cuDNN draws dropout between layers from its own state, which no checkpoint includes.
        theirs = x.is_cuda and self.training and self.dropout > 0 and self.num_layers > 1
        if whole is not None and (lengths is None or x.is_cuda) and not theirs:
            tensors = (state,) if isinstance(state, Tensor) else tuple(state)
            noise = self.weight_noise if self.training else 0.0
            flat = [noisy(weights, noise) for layer in parameters for weights in layer]
            output, tensors = whole(
                self.layers[0].cell, x, lengths, tensors, flat,
                bidirectional=self.bidirectional, dropout=self.dropout, training=self.training,
            )  # fmt: skip
            return output, tensors[0] if len(tensors) == 1 else tensors

        states = []
        for k, old in enumerate(split_layers(state, self.layers)):
            if k > 0 and self.dropout and self.training:
                x = dropped(x, self.dropout, lengths)
            output, new = self._run_layer(k, choices[k], x, lengths, old, parameters[k])
            x = self.connect(k, x, output)
            states.append(new)
        return x, join_layers(states, self.layers)

    def _run_layer(
        self, k: int, choice: Choice, x: Tensor, lengths: Tensor | None, state: LayerState,
        parameters: list[CellParameters],
    ) -> tuple[Tensor, LayerState]:  # fmt: skip
        """Run layer k in its directions, and concatenate their outputs."""
        cell, noise, outputs, states = self.layers[k].cell, self.weight_noise if self.training else 0.0, [], []
        # Draw masks before the noise of the same direction; another order would change the results of a seed.
        for direction, weights in enumerate(parameters):
            old = tuple(tensor[direction] for tensor in state)
            options: dict[str, Any] = {"reverse": direction == 1}
            if self.recurrent_dropout and self.training:
                options["recurrent_mask"] = recurrent_mask(self.recurrent_dropout, old[0])
            if cell.zoneout:
                masks = (zoneout_mask(cell.zoneout, tensor, x.shape[1], self.training) for tensor in old)
                options["zoneout_masks"] = tuple(masks)
            output, new = choice.backend.run(cell, x, lengths, old, noisy(weights, noise), **options)
            outputs.append(output)
            states.append(new)
        if len(outputs) == 1:
            # No views, because unlike nn.GRU's state they could not be detached in place.
            return outputs[0], tuple(t.unsqueeze_(0) if t._base is None else torch.stack([t]) for t in states[0])
        return torch.cat(outputs, dim=-1), tuple(torch.stack(tensors) for tensors in zip(*states, strict=True))

    def connect(self, k: int, x: Tensor, output: Tensor) -> Tensor:
        """Return the output of layer k to the next layer, with the residual connection if any."""
        return output + x if self.residual and k > 0 and output.shape == x.shape else output

    def parameters_of(self, k: int) -> list[CellParameters]:
        """Return the parameters of layer k by direction."""
        layer = self.layers[k]
        return [collect(self, layer, suffix) for suffix in self.suffixes(k)]

    def initial_state(self, batch_size: int) -> State:
        """Return the initial state: zeros, or the learned one; every tensor has the batch at dimension 1.

        nn.GRU's (layers*directions, batch, hidden_size), nn.LSTM's pair (h, c) of those, with h as wide as its
        projection, or, if widths or kinds differ by layer, a tuple with one such entry (directions, batch, hidden_size)
        per layer.
        """
        return self._initial_state(batch_size, self.weight_ih_l0)

    def _initial_state(self, batch_size: int, weight: Tensor) -> State:
        """Return `initial_state`, with zeros in the dtype and device of a weight."""
        states = []
        for k, layer in enumerate(self.layers):
            if self.learn_initial_state:
                names = ([f"initial_{name}{suffix}" for suffix in self.suffixes(k)] for name in layer.cell.states)
                learned = (torch.stack([getattr(self, name) for name in pair]) for pair in names)
                states.append(tuple(vectors[:, None].expand(-1, batch_size, -1) for vectors in learned))
            else:
                sizes = layer.state_sizes
                states.append(tuple(weight.new_zeros(self.num_directions, batch_size, size) for size in sizes))
        return join_layers(states, self.layers)

    def choices(self, device: torch.device, dtype: torch.dtype, inference: bool = False) -> list[Choice]:
        """Return the backend of each layer for training, or with ``inference`` without gradients.

        Raises:
            ValueError: the requested backend does not support a layer.
        """
        asked = (device, dtype, self.recurrent_dropout > 0, inference, transformation())
        if torch.compiler.is_compiling():  # which warns about caches
            return [choose(self.backend, layer.cell, CallSpec(layer.hidden_size, *asked)) for layer in self.layers]
        return [remembered(self.backend, layer.cell, layer.hidden_size, *asked) for layer in self.layers]

    def extra_repr(self) -> str:
        """Describe the network, for print."""
        layers = " -> ".join(f"{layer.cell.kind} {layer.hidden_size}" for layer in self.layers)
        return f"{self.input_size} -> {layers}, bidirectional={self.bidirectional}, backend={self.backend}"

    def resolved_backend(self, device: torch.device | str, dtype: torch.dtype, inference: bool = False) -> str:
        """Return the name of the backend that trains this network, or (``inference``) runs it without gradients.

        Names are joined by "+" if the layers differ.
        """
        choices = self.choices(torch.device(device), dtype, inference)
        return "+".join(dict.fromkeys(choice.name for choice in choices))

    def backend_reason(self, device: torch.device | str, dtype: torch.dtype) -> str | None:
        """Return why the backend is not the fastest; None if it is, or if it was requested by name."""
        reasons = (choice.reason for choice in self.choices(torch.device(device), dtype))
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason)) or None

    def flatten_parameters(self) -> None:
        """Lay out the weights in one block of memory for cuDNN; does nothing elsewhere."""
        flatten(self)

    def __prepare_scriptable__(self) -> nn.RNNBase:
        """Return what torch.jit.script compiles in this network's place: PyTorch's, with the same parameters.

        Raises:
            ValueError: PyTorch's computes something else, or another backend was requested.
        """
        return scriptable(self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> StackedRNN:
        super()._apply(fn, recurse)
        self.flatten_parameters()
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.flatten_parameters()  # a copy's weights are not contiguous
