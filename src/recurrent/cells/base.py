"""What a cell is: its equations, and everything that follows from them. Each cell is a file beside this one."""

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
    """A cell without its sizes and weights: one step, its options, and what initialisation, counts and traces ask.

    A new cell is a subclass in a file of its own: `kind`, `gates` and `step` are needed, the rest has defaults. Its
    fields are its options, checked in `__post_init__`.

    Class attributes:
        kind: the name by which configs ask for it.
        gates: names of the blocks of hidden_size rows in the weights, in their order. "candidate" is what could be
            taken into the state; all others lie between 0 and 1.
        states: names of the tensors (batch, hidden_size) that one step hands to the next; the first is the output. See
            `state_sizes` for those of another width.
        keep_gate: the gate that decides how much of the old state stays; None where there is none.
        gates_by_block: how many gates each block of weights has that is multiplied, and normalised, together.

    Args:
        layer_norm: the input's and the state's contribution are normalised (Ba et al. 2016).
        zoneout: rate in [0, 1) at which a unit keeps its old state (Krueger et al. 2017).

    Raises:
        ValueError: an option is out of its range.
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
            raise ValueError(f"kind: {cls.kind!r} is {KINDS[cls.kind].__name__}, so {cls.__name__} needs another")
        KINDS[cls.kind] = cls

    def __post_init__(self) -> None:
        check_flag("layer_norm", self.layer_norm)
        check_rate("zoneout", self.zoneout)

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """One step.

        Args:
            inputs: ``W x + b`` (batch, G*hidden_size).
            seen: h_{t-1} as the recurrent product sees it, (batch, hidden_size): where recurrent dropout masks it.
            state: the old state.
            blocks: the parameters by `weight_blocks`.

        Returns:
            The new state, and the gates by their names in `gates`, each (batch, hidden_size).
        """
        raise NotImplementedError

    def weight_blocks(self, parameters: CellParameters) -> WeightBlocks:
        """The parameters by the blocks of their rows that are multiplied, and normalised, together."""
        if not self.gates_by_block:
            return (parameters,)
        rows = [gates * parameters.weight_hh.shape[1] for gates in self.gates_by_block]
        none = [None] * len(rows)
        return tuple(map(CellParameters, *(none if tensor is None else tensor.split(rows) for tensor in parameters)))

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        """How many numbers each of `states` has.

        Raises:
            ValueError: no cell of this width has these options.
        """
        return (hidden_size,) * len(self.states)

    @property
    def peephole_gates(self) -> tuple[str, ...]:
        """The gates that see a state through a diagonal matrix, ``weight_peephole``."""
        return ()

    @property
    def keep_sign(self) -> int:
        """1 where a unit keeps more of its old state the more `keep_gate` is open, -1 where it keeps less."""
        return 1

    @property
    def convention(self) -> str:
        """What `keep_gate` does where it is near 1, for a picture of it; empty where its name says so."""
        return ""

    @property
    def gates_with_two_biases(self) -> int:
        """How many gates have two bias vectors that do not merely add up."""
        return 0

    @property
    def standard(self) -> Equations:
        """The cell of PyTorch's or ONNX's definition that computes the same from `standard_weights`; or itself."""
        return self

    def standard_weights(self, parameters: CellParameters) -> CellParameters:
        """The parameters with which `standard` computes the same."""
        return parameters

    def multiply_adds(self, parameters: CellParameters) -> int:
        """Multiply-adds of one step of one sequence: each weight takes part in one."""
        weights = (parameters.weight_ih, parameters.weight_hh, parameters.weight_peephole, parameters.weight_hr)
        return sum(weight.numel() for weight in weights if weight is not None)

    def rows(self, vector: Tensor, gate: str) -> Tensor:
        """A gate's part of a vector (G*hidden_size,), as a view."""
        return vector.chunk(len(self.gates))[self.gates.index(gate)]

    def fill_chrono(self, bias: Tensor, steps: int) -> None:
        """Put the biases of Tallec and Ollivier 2018 (arXiv 1804.11188) into a vector of zeros (G*hidden_size,).

        That of the gate that keeps is log U(1, T-1), where T = ``steps`` is the longest dependency expected.
        """
        assert self.keep_gate is not None
        self.rows(bias, self.keep_gate).uniform_(1, steps - 1).log_().mul_(self.keep_sign)


KINDS: dict[str, type[Equations]] = {}


def find_cell(kind: str, **options: Any) -> Equations:
    """The cell of a kind with these options; those of other kinds may be given at their defaults.

    >>> find_cell("gru", reset_after=False).gates
    ('reset', 'update', 'candidate')

    Raises:
        ValueError: the kind is unknown, or an option is out of its range or not one of that kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(sorted(KINDS))}, got {kind!r}")
    own = {f.name for f in fields(KINDS[kind])}
    for name in options.keys() - own:
        owners = {other: f.default for other, cell in KINDS.items() for f in fields(cell) if f.name == name}
        if options[name] not in owners.values():
            only = " and ".join(sorted(owners)) or "no cell"
            raise ValueError(f"{name}: is an option of {only} alone, got {options[name]!r} for {kind}")
    return KINDS[kind](**{name: value for name, value in options.items() if name in own})


def option_names() -> set[str]:
    """The names of the options of all cells."""
    return {field.name for cell in KINDS.values() for field in fields(cell)}


def from_input(x: Tensor, blocks: WeightBlocks) -> Tensor:
    """The input's contribution ``W x + b``: (..., input_size) to (..., G*hidden_size)."""
    return torch.cat([contribution(x, b.weight_ih, b.bias_ih, b.gain_ih) for b in blocks], dim=-1)


def from_state(h: Tensor, block: CellParameters) -> Tensor:
    """The state's contribution ``U h + b'`` to the rows of one block."""
    return contribution(h, block.weight_hh, block.bias_hh, block.gain_hh)


def contribution(x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    """``W x + b``, or with a gain ``gain * normalised(W x) + b`` (Ba et al. 2016, arXiv 1607.06450, eq. 4).

    As in the paper's supplement the rows of all gates are normalised together in an LSTM and in a tanh network, in a
    GRU those of its two gates and, apart, those of the candidate; epsilon is 1e-5. The paper's further normalisation
    of the LSTM's cell is left out, so that every kind of cell gets the same treatment.
    """
    if gain is None:
        return linear(x, weight, bias)
    product = linear(x, weight)
    return layer_norm(product, product.shape[-1:], gain, bias)
