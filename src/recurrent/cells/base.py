"""The interface of cells: equations, and everything derived from them. Each cell is a file in this folder."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from ..checks import check_flag, check_rate

CellState = tuple[Tensor, ...]
Gates = dict[str, Tensor]


class CellParameters(NamedTuple):
    """The tensors of one layer in one direction; G gates in the order of `Equations.gates`.

    Shapes: ``weight_ih`` (G*hidden, input), ``weight_hh`` (G*hidden, hidden), ``bias_ih`` and ``bias_hh`` (G*hidden,)
    or None (``bias_hh`` alone is None with a single bias), ``weight_peephole`` (hidden,) for each of
    `Equations.peephole_gates`, in one vector, or None, ``gain_ih`` and ``gain_hh`` (G*hidden,), the gains of the layer
    normalisation, or None, ``weight_hr`` (projected, hidden), the projection of the output, or None; with one
    ``weight_hh`` is (G*hidden, projected).
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    weight_peephole: Tensor | None = None
    gain_ih: Tensor | None = None
    gain_hh: Tensor | None = None
    weight_hr: Tensor | None = None


WeightBlocks = tuple[CellParameters, ...]


@dataclass(frozen=True, kw_only=True)
class Equations:
    """A cell without sizes and weights: one step, its options, and what initialisation, counts and traces need.

    A new cell is a subclass in its own file: `kind`, `gates` and `step` are required, the rest has defaults. Its fields
    are its options, checked in `__post_init__`.

    Class attributes:
        kind: its name in configs.
        gates: names of the blocks of hidden_size rows in the weights, in order. "candidate" is the proposed new
            content;
        all others are between 0 and 1.
        states: names of the tensors (batch, hidden_size) carried from step to step; the first is the output. See
        `state_sizes` for other widths.
        keep_gate: the gate that decides how much of the old state is kept; None if there is none.
        gates_by_block: number of gates in each block of weights that is multiplied, and normalised, together.

    Args:
        layer_norm: the input's and the state's contribution are normalised (Ba et al. 2016).
        zoneout: rate in [0, 1) at which a unit keeps its old state (Krueger et al. 2017).

    Raises:
        ValueError: an option is out of range.
    """

    kind: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]
    states: ClassVar[tuple[str, ...]] = ("hidden",)
    keep_gate: ClassVar[str | None] = None
    gates_by_block: ClassVar[tuple[int, ...]] = ()

    layer_norm: bool = False
    zoneout: float = 0.0

    def __init_subclass__(cls) -> None:
        if cls.kind in KINDS:
            raise ValueError(
                f"kind: {cls.kind!r} is already {KINDS[cls.kind].__name__}, so {cls.__name__} needs another"
            )
        KINDS[cls.kind] = cls

    def __post_init__(self) -> None:
        check_flag("layer_norm", self.layer_norm)
        check_rate("zoneout", self.zoneout)

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """Compute one step.

        Args:
            inputs: ``W x + b`` (batch, G*hidden_size).
            seen: h_{t-1} as used in the recurrent product, (batch, hidden_size), i.e. after recurrent dropout.
            state: the old state.
            blocks: the parameters by `weight_blocks`.

        Returns:
            The new state, and the gates by name in `gates`, each (batch, hidden_size).
        """
        raise NotImplementedError

    def weight_blocks(self, parameters: CellParameters) -> WeightBlocks:
        """Split the parameters into blocks of rows that are multiplied, and normalised, together."""
        if not self.gates_by_block:
            return (parameters,)
        rows = [gates * parameters.weight_hh.shape[1] for gates in self.gates_by_block]
        none = [None] * len(rows)
        return tuple(map(CellParameters, *(none if tensor is None else tensor.split(rows) for tensor in parameters)))

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        """Return the size of each of `states`.

        Raises:
            ValueError: the options do not fit this width.
        """
        return (hidden_size,) * len(self.states)

    @property
    def peephole_gates(self) -> tuple[str, ...]:
        """The gates that see a state through a diagonal matrix, ``weight_peephole``."""
        return ()

    @property
    def keep_sign(self) -> int:
        """1 if a unit keeps more of its old state the more `keep_gate` is open, -1 if less."""
        return 1

    @property
    def convention(self) -> str:
        """What an open `keep_gate` does, for figures; empty if its name says so."""
        return ""

    @property
    def gates_with_two_biases(self) -> int:
        """Number of gates with two bias vectors that are not simply added."""
        return 0

    @property
    def standard(self) -> Equations:
        """The equivalent cell in PyTorch's or ONNX's definition, used with `standard_weights`; or itself."""
        return self

    def standard_weights(self, parameters: CellParameters) -> CellParameters:
        """Return the parameters with which `standard` computes the same function."""
        return parameters

    def multiply_adds(self, parameters: CellParameters) -> int:
        """Return the multiply-adds of one step of one sequence: one per weight."""
        weights = (parameters.weight_ih, parameters.weight_hh, parameters.weight_peephole, parameters.weight_hr)
        return sum(weight.numel() for weight in weights if weight is not None)

    def rows(self, vector: Tensor, gate: str) -> Tensor:
        """Return a gate's part of a vector (G*hidden_size,), as a view."""
        return vector.chunk(len(self.gates))[self.gates.index(gate)]

    def fill_chrono(self, bias: Tensor, steps: int) -> None:
        """Write the biases of Tallec and Ollivier 2018 (arXiv 1804.11188) into a vector of zeros (G*hidden_size,).

        The keep gate gets log U(1, T-1), where T = ``steps`` is the longest dependency expected.
        """
        assert self.keep_gate is not None
        self.rows(bias, self.keep_gate).uniform_(1, steps - 1).log_().mul_(self.keep_sign)


KINDS: dict[str, type[Equations]] = {}


def find_cell(kind: str, **options: Any) -> Equations:
    """Return the cell of a kind with these options; options of other kinds may be given at their defaults.

    >>> find_cell("gru", reset_after=False).gates
    ('reset', 'update', 'candidate')

    Raises:
        ValueError: the kind is unknown, or an option is out of range or not available for that kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(sorted(KINDS))}, got {kind!r}")
    own = {f.name for f in fields(KINDS[kind])}
    for name in options.keys() - own:
        owners = {other: f.default for other, cell in KINDS.items() for f in fields(cell) if f.name == name}
        if options[name] not in owners.values():
            where = f"available for {' and '.join(sorted(owners))} only" if owners else "not an option of any cell"
            raise ValueError(f"{name}: {where}, got {options[name]!r} for {kind}")
    return KINDS[kind](**{name: value for name, value in options.items() if name in own})


def option_names() -> set[str]:
    """Return the names of the options of all cells."""
    return {field.name for cell in KINDS.values() for field in fields(cell)}


def from_input(x: Tensor, blocks: WeightBlocks) -> Tensor:
    """Return the input's contribution ``W x + b``: (..., input_size) to (..., G*hidden_size)."""
    return torch.cat([contribution(x, b.weight_ih, b.bias_ih, b.gain_ih) for b in blocks], dim=-1)


def from_state(h: Tensor, block: CellParameters) -> Tensor:
    """Return the state's contribution ``U h + b'`` to the rows of one block."""
    return contribution(h, block.weight_hh, block.bias_hh, block.gain_hh)


def contribution(x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    """Return ``W x + b``, or with a gain ``gain * normalised(W x) + b`` (Ba et al. 2016, arXiv 1607.06450, eq. 4).

    As in the paper's supplement, the rows of all gates are normalised together in an LSTM and in a tanh network; in a
    GRU the two gates together, and the candidate separately; epsilon is 1e-5. The paper's further normalisation of the
    LSTM's cell is omitted, so that all kinds of cells are treated alike.
    """
    if gain is None:
        return linear(x, weight, bias)
    product = linear(x, weight)
    return layer_norm(product, product.shape[-1:], gain, bias)
