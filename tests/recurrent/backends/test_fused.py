"""The fused kernels against a plain loop written here, and against PyTorch's own layers."""

from __future__ import annotations

import ctypes
import math

import pytest
import torch
from torch import Tensor

from src.recurrent.backends import fused
from src.recurrent.backends.spec import CallSpec
from src.recurrent.cells.base import CellParameters, Equations, find_cell
from src.recurrent.kernels import operator
from src.recurrent.kernels.build import library

CELLS = {
    "gru": find_cell("gru"),
    "gru takes": find_cell("gru", update_gate="takes"),
    "gru before": find_cell("gru", reset_after=False),
    "gru before takes": find_cell("gru", reset_after=False, update_gate="takes"),
    "lstm": find_cell("lstm"),
    "lstm peepholes": find_cell("lstm", peepholes=True),
    "rnn": find_cell("rnn"),
}
NORMALISED = {
    "gru normalised": find_cell("gru", layer_norm=True),
    "gru before takes normalised": find_cell("gru", reset_after=False, update_gate="takes", layer_norm=True),
    "lstm normalised": find_cell("lstm", layer_norm=True),
    "lstm peepholes normalised": find_cell("lstm", peepholes=True, layer_norm=True),
    "lstm coupled normalised": find_cell("lstm_coupled", layer_norm=True),
    "rnn normalised": find_cell("rnn", layer_norm=True),
}
PLAIN = list(CELLS)
CELLS |= NORMALISED
# batch, time, input, hidden: nothing a multiple of anything, one of everything, more than one chunk of 512 rows.
SHAPES = [
    (3, 7, 5, 4), (1, 1, 1, 1), (2, 3, 3, 1), (1, 9, 2, 46), (5, 110, 3, 37), (16, 40, 1, 100), (9, 6, 7, 227),
    (1, 700, 5, 20), (33, 20, 17, 17),
]  # fmt: skip
NORMALISED_SHAPES = [(3, 7, 5, 4), (1, 1, 1, 1), (1, 9, 2, 46), (5, 110, 3, 37), (9, 6, 7, 227), (33, 20, 17, 17)]
call = CallSpec(4, torch.device("cpu"), torch.float32)
if isinstance(library(), Exception):
    pytest.skip(f"no kernels here: {library()}", allow_module_level=True)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loop(cell, x, lengths, state, parameters, *, reverse=False, recurrent_mask=None):
    """Row by row and step by step, every formula in full."""
    W, U, b, c, p, *gains = parameters
    hidden = U.shape[1]
    zero = x.new_zeros(len(W))
    b, c = zero if b is None else b, zero if c is None else c

    def contribution(product, bias, gain, first=0):
        """To the gates from ``first`` on; with gains the rows of a GRU's candidate are normalised by themselves."""
        if gain is not None:
            rows = [2 * hidden, hidden] if cell.kind == "gru" else [len(W)]
            parts = product.split(rows) if first == 0 else [product]
            centred = [part - part.mean() for part in parts]
            product = torch.cat([v / torch.sqrt((v * v).mean() + 1e-5) for v in centred]) * gain[first * hidden :]
        return (product + bias[first * hidden :]).split(hidden)

    outputs, finals = [], []
    for row in range(len(x)):
        length = x.shape[1] if lengths is None else int(lengths[row])
        h, cell_state = state[0][row], state[-1][row]
        out = [x.new_zeros(hidden)] * x.shape[1]
        for t in reversed(range(length)) if reverse else range(length):
            seen = h if recurrent_mask is None else h * recurrent_mask[row]
            i, u = contribution(W @ x[row, t], b, gains[0]), contribution(U @ seen, c, gains[1])
            if cell.kind == "gru":
                r, z = torch.sigmoid(i[0] + u[0]), torch.sigmoid(i[1] + u[1])
                if cell.reset_after:
                    n = torch.tanh(i[2] + r * u[2])
                else:
                    n = torch.tanh(i[2] + contribution(U[2 * hidden :] @ (r * seen), c, gains[1], 2)[0])
                h = z * h + (1 - z) * n if cell.update_gate == "keeps" else (1 - z) * h + z * n
            elif cell.kind == "lstm":
                pi, pf, po = zero[: 3 * hidden].split(hidden) if p is None else p.split(hidden)
                old = cell_state
                cell_state = torch.sigmoid(i[1] + u[1] + pf * old) * old
                cell_state = cell_state + torch.sigmoid(i[0] + u[0] + pi * old) * torch.tanh(i[2] + u[2])
                h = torch.sigmoid(i[3] + u[3] + po * cell_state) * torch.tanh(cell_state)
            elif cell.kind == "lstm_coupled":
                f = torch.sigmoid(i[0] + u[0])
                cell_state = f * cell_state + (1 - f) * torch.tanh(i[1] + u[1])
                h = torch.sigmoid(i[2] + u[2]) * torch.tanh(cell_state)
            else:
                h = torch.tanh(i[0] + u[0])
            out[t] = h
        outputs.append(torch.stack(out))
        finals.append((h, cell_state)[: len(state)])
    return torch.stack(outputs), tuple(torch.stack(s) for s in zip(*finals, strict=True))


def make(cell: Equations, shape: tuple[int, ...], biases=2, dtype=torch.float64):
    """x, state, parameters, mask and lengths of a shape; always the same."""
    batch, time, inputs, hidden = shape
    generator = torch.Generator().manual_seed(hash(shape) % 1000)

    def uniform(*size: int, bound: float = 1.0) -> Tensor:
        return (2 * torch.rand(size, generator=generator, dtype=dtype) - 1) * bound

    rows, bound = len(cell.gates) * hidden, 1 / math.sqrt(hidden)
    bias = [uniform(rows, bound=bound) if n < biases else None for n in range(2)]
    peephole = uniform(3 * hidden) if cell.peephole_gates else None
    weights = (uniform(rows, inputs, bound=bound), uniform(rows, hidden, bound=bound))
    x, state = uniform(batch, time, inputs), tuple(uniform(batch, hidden) for _ in cell.states)
    mask = (torch.rand(batch, hidden, generator=generator) < 0.7).to(dtype) / 0.7
    lengths = torch.randint(1, time + 1, (batch,), generator=generator)
    gains = [uniform(rows, bound=0.5) if cell.layer_norm else None for _ in range(2)]
    return x, state, CellParameters(*weights, *bias, peephole, *gains), mask, lengths


def everything(run, cell, x, state, parameters, lengths=None, dtype=torch.float64, **options) -> list[Tensor]:
    """Outputs, final states and the gradients of all that has one, for a fixed gradient of the outputs."""
    mask = options.pop("recurrent_mask", None)
    leaves = [None if t is None else t.detach().to(dtype).requires_grad_() for t in (x, *state, *parameters, mask)]
    x, *rest = leaves
    state, parameters, mask = tuple(rest[: len(state)]), CellParameters(*rest[len(state) : -1]), rest[-1]
    output, final = run(cell, x, lengths, state, parameters, recurrent_mask=mask, **options)
    results = [output, *final]
    generator = torch.Generator().manual_seed(1)
    seeds = [torch.randn(r.shape, generator=generator, dtype=torch.float64).to(dtype) for r in results]
    loss = sum((r * s).sum() for r, s in zip(results, seeds, strict=True))
    return results + list(torch.autograd.grad(loss, [t for t in leaves if t is not None]))


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float, floor: float = 0) -> None:
    """By the maximum norm, relative to the largest entry of each tensor, or to ``floor`` where that is larger."""
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        assert (a.double() - e).abs().max() <= tolerance * max(e.abs().max(), floor)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", PLAIN)
def test_equals_the_loop(name: str, shape: tuple[int, ...]) -> None:
    cell = CELLS[name]
    x, state, parameters, mask, lengths = make(cell, shape)
    for options in (
        {},
        {"lengths": lengths, "recurrent_mask": mask},
        {"lengths": lengths, "reverse": True},
        {"reverse": True, "recurrent_mask": mask},
    ):
        expected = everything(loop, cell, x, state, parameters, **options)
        assert_close(everything(fused.run, cell, x, state, parameters, **options), expected, 1e-10)
        single = everything(fused.run, cell, x, state, parameters, dtype=torch.float32, **options)
        assert_close(single, expected, 1e-5)


@pytest.mark.parametrize("shape", NORMALISED_SHAPES, ids=str)
@pytest.mark.parametrize("name", NORMALISED)
def test_equals_the_loop_with_layer_norm(name: str, shape: tuple[int, ...]) -> None:
    """In float32 to 1e-5 too, or where few units differ little, to what the loop itself makes of that in float32."""
    cell = NORMALISED[name]
    x, state, parameters, mask, lengths = make(cell, shape)
    floor = float(shape[3] == 1)  # a unit that is normalised alone has no gradient, only rounding
    for options in ({}, {"lengths": lengths, "recurrent_mask": mask}, {"lengths": lengths, "reverse": True}):
        expected = everything(loop, cell, x, state, parameters, **options)
        assert_close(everything(fused.run, cell, x, state, parameters, **options), expected, 1e-10, floor)
        fused32, loop32 = (
            everything(run, cell, x, state, parameters, dtype=torch.float32, **options) for run in (fused.run, loop)
        )
        pairs = zip(loop32, expected, strict=True)
        off = max(((a - e).abs().max() / max(e.abs().max(), floor)).item() for a, e in pairs)
        assert_close(fused32, expected, max(1e-5, 5 * off), floor)


@pytest.mark.parametrize("biases", [0, 1])
@pytest.mark.parametrize("name", CELLS)
def test_missing_biases(name: str, biases: int) -> None:
    x, state, parameters, _, lengths = make(CELLS[name], (3, 5, 2, 6), biases)
    expected = everything(loop, CELLS[name], x, state, parameters, lengths)
    assert_close(everything(fused.run, CELLS[name], x, state, parameters, lengths), expected, 1e-10)


@pytest.mark.parametrize("kind", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("shape", [(4, 11, 3, 10), (8, 160, 88, 46), (2, 5, 6, 130)], ids=str)
def test_equals_the_layers_of_torch(kind: str, shape: tuple[int, ...]) -> None:
    x, state, parameters, _, _ = make(CELLS[kind], shape)
    layer = getattr(torch.nn, kind.upper())(shape[2], shape[3], batch_first=True, dtype=torch.float64)

    def run(cell, x, lengths, state, parameters, recurrent_mask=None):
        weights = dict(zip((n for n, _ in layer.named_parameters()), parameters, strict=False))
        hx = tuple(s[None] for s in state)
        output, final = torch.func.functional_call(layer, weights, (x, hx if kind == "lstm" else hx[0]))
        return output, tuple(f[0] for f in final) if kind == "lstm" else (final[0],)

    expected = everything(run, CELLS[kind], x, state, parameters)
    assert_close(everything(fused.run, CELLS[kind], x, state, parameters), expected, 1e-10)


@pytest.mark.parametrize("name", CELLS)
def test_lengths_of_one(name: str) -> None:
    x, state, parameters, mask, _ = make(CELLS[name], (4, 5, 3, 6))
    lengths = torch.ones(4, dtype=torch.int64)
    for reverse in (False, True):
        options = {"lengths": lengths, "recurrent_mask": mask, "reverse": reverse}
        expected = everything(loop, CELLS[name], x, state, parameters, **options)
        assert_close(everything(fused.run, CELLS[name], x, state, parameters, **options), expected, 1e-10)


def test_padding_is_never_read() -> None:
    x, state, parameters, _, lengths = make(CELLS["lstm"], (5, 9, 3, 6))
    dirty = x.masked_fill(torch.arange(9)[None, :, None] >= lengths[:, None, None], math.nan)
    for reverse in (False, True):
        clean = everything(fused.run, CELLS["lstm"], x, state, parameters, lengths, reverse=reverse)
        for c, d in zip(
            clean, everything(fused.run, CELLS["lstm"], dirty, state, parameters, lengths, reverse=reverse), strict=True
        ):
            assert torch.equal(c, d)


def test_a_nan_is_not_swallowed() -> None:
    for dtype in (torch.float32, torch.float64):
        x, state, parameters, _, _ = make(CELLS["gru"], (2, 4, 3, 6), dtype=dtype)
        x[0, 1, 0] = math.nan
        output, _ = fused.run(CELLS["gru"], x, None, state, parameters)
        assert output[0, 1:].isnan().all()
        assert not output[0, 0].isnan().any()
        assert not output[1].isnan().any()


def test_large_inputs_saturate() -> None:
    x, state, parameters, _, _ = make(CELLS["lstm"], (2, 4, 3, 6))
    expected = loop(CELLS["lstm"], 1e6 * x, None, state, parameters)[0]
    single = [tuple(t.float() for t in group if t is not None) for group in (state, parameters)]
    output = fused.run(CELLS["lstm"], 1e6 * x.float(), None, single[0], CellParameters(*single[1]))[0]
    assert_close([output], [expected], 1e-5)


def test_strides_do_not_matter() -> None:
    cell = CELLS["gru before"]
    x, state, parameters, mask, lengths = make(cell, (4, 6, 4, 8))
    parameters = parameters._replace(weight_hh=parameters.weight_hh.T.contiguous().T)
    strided = x.transpose(0, 2).contiguous().transpose(0, 2)
    state = (state[0][:1].expand(4, 8),)
    sparse_lengths = lengths.repeat_interleave(2)[::2]
    assert not strided.is_contiguous()
    assert not sparse_lengths.is_contiguous()
    expected, final = loop(cell, x, lengths, state, parameters, recurrent_mask=mask)
    output, (h,) = fused.run(cell, strided, sparse_lengths, state, parameters, recurrent_mask=mask)
    assert_close([output, h], [expected, final[0]], 1e-12)
    weight = parameters.weight_hh.detach().requires_grad_()
    output, _ = fused.run(cell, strided, lengths, state, parameters._replace(weight_hh=weight))
    output.sum().backward()  # the gradient of a sum is one number, expanded
    actual, weight.grad = weight.grad, None
    loop(cell, x, lengths, state, parameters._replace(weight_hh=weight))[0].sum().backward()
    assert_close([actual], [weight.grad], 1e-12)


def test_gradients_of_a_part() -> None:
    """Only what is asked for is computed, whichever output the loss uses, and it does not depend on the rest."""
    cell = CELLS["lstm peepholes"]
    x, state, parameters, _, _ = make(cell, (3, 5, 2, 6))
    for use in (lambda o, f: o.sum(), lambda o, f: f[0].sum(), lambda o, f: f[1].sum()):
        for name in ("weight_ih", "weight_hh", "bias_ih", "weight_peephole"):
            leaf = getattr(parameters, name).detach().requires_grad_()
            actual, expected = (
                torch.autograd.grad(use(*run(cell, x, None, state, parameters._replace(**{name: leaf}))), leaf)
                for run in (fused.run, loop)
            )
            assert_close(list(actual), list(expected), 1e-10)


@pytest.mark.parametrize("name", CELLS)
def test_gradcheck(name: str) -> None:
    cell = CELLS[name]
    x, state, parameters, mask, lengths = make(cell, (3, 4, 2, 3))
    given = {name: t for name, t in parameters._asdict().items() if t is not None}
    leaves = [t.requires_grad_() for t in (x, *state, mask, *given.values())]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        n = len(cell.states)
        state, mask, weights = rest[:n], rest[n], CellParameters(**dict(zip(given, rest[n + 1 :], strict=True)))
        output, final = fused.run(cell, x, lengths, state, weights, recurrent_mask=mask)
        return output, *final

    assert torch.autograd.gradcheck(run, leaves)


@pytest.mark.parametrize("name", ["gru", "gru before", "lstm peepholes", "rnn", *NORMALISED])
def test_opcheck(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # opcheck compares all outputs, and between its rows the memory for backward is never written.
    monkeypatch.setattr(operator.pool, "empty", lambda size, dtype: torch.zeros(size, dtype=dtype))
    cell = CELLS[name]
    x, state, p, mask, lengths = make(cell, (3, 4, 2, 3))
    kind = {True: "gru_after", False: "gru_before"}.get(getattr(cell, "reset_after", None), cell.kind)
    leaves = [None if t is None else t.requires_grad_() for t in (x, *state, *p[:7], mask)]
    x, h, *rest = leaves
    inputs = (x, lengths, h, *(rest if len(state) == 2 else [None, *rest]))
    torch.library.opcheck(operator.recurrent, (*inputs, kind, False, False, 1, True))
    output, h_n, c_n, saved = (t.detach() for t in operator.recurrent(*inputs, kind, False, False, 1, True))
    plain = [t if t is None else t.detach() for t in inputs]
    gradients = (torch.randn_like(output), torch.randn_like(h_n), torch.randn_like(c_n) if len(state) == 2 else None)
    wanted = [t is not None for t in (plain[0], *plain[2:])]
    arguments = (*gradients, *plain, output, saved, kind, False, False, 1, wanted)
    torch.library.opcheck(operator.recurrent_backward, arguments)


@pytest.mark.parametrize("name", CELLS)
def test_second_derivative(name: str) -> None:
    """The readable loop computes it, masks, lengths and both directions included."""
    cell = CELLS[name]
    x, state, parameters, mask, lengths = make(cell, (2, 3, 2, 3))
    given = {field: t for field, t in parameters._asdict().items() if t is not None}
    leaves = [t.requires_grad_() for t in (x, *state, mask, *given.values())]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        n = len(cell.states)
        state, mask, weights = rest[:n], rest[n], CellParameters(**dict(zip(given, rest[n + 1 :], strict=True)))
        output, final = fused.run(cell, x, lengths, state, weights, recurrent_mask=mask, reverse=True)
        return output, *final

    assert torch.autograd.gradgradcheck(run, leaves, fast_mode=True)


def test_an_input_computed_from_another_is_counted_once() -> None:
    """The second derivative takes each way to an input through autograd, not also inside the layer."""
    x, _, parameters, _, _ = make(CELLS["gru"], (2, 3, 4, 4))
    x.requires_grad_()
    slopes = []
    for run in (fused.run, loop):
        output, _ = run(CELLS["gru"], x, None, (x[:, 0] * 2,), parameters)
        (slope,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
        slopes.append([slope, *torch.autograd.grad(slope.square().sum(), x)])
    assert_close(*slopes, 1e-10)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["gru", "lstm peepholes", "gru normalised", "lstm coupled normalised"])
def test_same_bits_from_run_to_run(name: str, threads: int) -> None:
    x, state, parameters, mask, lengths = make(CELLS[name], (7, 150, 5, 37))
    options = {"recurrent_mask": mask, "lengths": lengths, "dtype": torch.float32}
    one = everything(fused.run, CELLS[name], x, state, parameters, **options)
    torch.set_num_threads(threads)
    first = everything(fused.run, CELLS[name], x, state, parameters, **options)
    for _ in range(3):
        again = everything(fused.run, CELLS[name], x, state, parameters, **options)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert_close(first, [t.double() for t in one], 1e-5)


def test_nothing_shares_memory() -> None:
    x, state, parameters, _, _ = make(CELLS["lstm"], (2, 1, 3, 4))
    output, final = fused.run(CELLS["lstm"], x, None, state, parameters)
    tensors = [x, *state, output, *final]
    assert len({t.untyped_storage().data_ptr() for t in tensors}) == len(tensors)


def test_graphs_may_be_kept() -> None:
    """What one call left for backward survives a second call and a first backward pass."""
    cell = CELLS["lstm"]
    x, state, parameters, _, _ = make(cell, (16, 300, 2, 46), dtype=torch.float32)
    x.requires_grad_()
    first = fused.run(cell, x, None, state, parameters)[0].sum()
    second = fused.run(cell, 2 * x, None, state, parameters)[0].sum()
    (expected,) = torch.autograd.grad(first, x, retain_graph=True)
    fused.run(cell, 3 * x, None, state, parameters)[0].sum().backward()
    (again,) = torch.autograd.grad(first, x)
    (other,) = torch.autograd.grad(second, x)
    (alone,) = torch.autograd.grad(fused.run(cell, 2 * x, None, state, parameters)[0].sum(), x)
    assert torch.equal(expected, again)
    assert torch.equal(other, alone)


@pytest.mark.parametrize("name", CELLS)
def test_what_is_left_for_backward_stays_within_its_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = []

    def guarded(size: int, dtype: torch.dtype) -> Tensor:
        blocks.append((size, torch.full((size + 4096,), 7.0, dtype=dtype)))
        return blocks[-1][1][:size]

    monkeypatch.setattr(operator.pool, "empty", guarded)
    for threads, shape in ((1, (1, 1, 1, 1)), (1, (2, 600, 1, 16)), (2, (5, 410, 3, 17)), (2, (33, 20, 2, 33))):
        torch.set_num_threads(threads)
        for dtype in (torch.float32, torch.float64):
            x, state, parameters, _, _ = make(CELLS[name], shape, dtype=dtype)
            fused.run(CELLS[name], x.requires_grad_(), None, state, parameters)[0].sum().backward()
    assert len(blocks) == 8
    assert all((block[size:] == 7).all() and not (block[:size] == 7).all() for size, block in blocks)


@pytest.mark.parametrize("name", ["gru", "gru normalised"])
def test_nothing_is_left_for_backward_without_a_gradient(name: str) -> None:
    cell = CELLS[name]
    x, state, parameters, _, _ = make(cell, (16, 300, 2, 46), dtype=torch.float32)
    lent = operator.pool.lent
    kept = fused.run(cell, x, None, state, parameters)
    assert operator.pool.lent == lent
    kept = fused.run(cell, x.requires_grad_(), None, state, parameters)
    assert operator.pool.lent > lent
    with torch.no_grad():
        assert not fused.run(cell, x, None, state, parameters)[0].requires_grad
    del kept
    assert operator.pool.lent == lent


def test_export() -> None:
    cell = CELLS["lstm"]
    x, state, parameters, _, _ = make(cell, (2, 6, 3, 5))

    class Layer(torch.nn.Module):
        def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
            return fused.run(cell, x, None, (h, c), parameters)[0]

    with torch.no_grad():
        program = torch.export.export(Layer(), (x, *state))
        assert torch.equal(program.module()(x, *state), fused.run(cell, x, None, state, parameters)[0])


def test_no_rows_and_no_steps() -> None:
    x, state, parameters, _, _ = make(CELLS["gru"], (3, 4, 2, 5))
    output, (h,) = fused.run(CELLS["gru"], x[:0], None, (state[0][:0],), parameters)
    assert output.shape == (0, 4, 5)
    output, (h,) = fused.run(CELLS["gru"], x[:, :0], None, state, parameters)
    assert output.shape == (3, 0, 5)
    assert torch.equal(h, state[0])


@pytest.mark.parametrize("bad", [[0, 3], [5, 1], [-1, 2]])
def test_lengths_outside_the_sequence(bad: list[int]) -> None:
    x, state, parameters, _, _ = make(CELLS["gru"], (2, 4, 2, 5))
    with pytest.raises(ValueError, match=r"lengths: expected 2 numbers from 1 to 4, got \["):
        fused.run(CELLS["gru"], x, torch.tensor(bad), state, parameters)


def test_what_does_not_fit_is_told() -> None:
    x, state, parameters, _, _ = make(CELLS["gru"], (2, 4, 3, 5))
    with pytest.raises(ValueError, match=r"weight_ih is torch.float64 of shape \(15, 3\), expected .* \(15, 4\)"):
        fused.run(CELLS["gru"], torch.cat([x, x[:, :, :1]], -1), None, state, parameters)
    with pytest.raises(ValueError, match=r"h0 is torch.float64 of shape .*, expected torch.float32"):
        fused.run(CELLS["gru"], x.float(), None, state, parameters)
    coupled = CELLS["lstm coupled normalised"]
    x, state, parameters, _, _ = make(coupled, (2, 4, 3, 5))
    with pytest.raises(ValueError, match="expected both gains or none"):
        fused.run(coupled, x, None, state, parameters._replace(gain_ih=None))
    with pytest.raises(ValueError, match="expected both gains or none"):
        fused.run(coupled, x, None, state, parameters._replace(gain_ih=None, gain_hh=None))
    with pytest.raises(ValueError, match=r"gain_hh is torch.float64 of shape \(14,\), expected .* \(15,\)"):
        fused.run(coupled, x, None, state, parameters._replace(gain_hh=parameters.gain_hh[1:]))


@pytest.mark.parametrize(
    ("cell", "changes", "reason"),
    [
        (find_cell("gru", zoneout=0.1, layer_norm=True), {}, "the fused kernels have no zoneout"),
        (find_cell("gru"), {"device": torch.device("meta")}, "the fused kernels run on the CPU, not on meta"),
        (find_cell("gru"), {"dtype": torch.bfloat16}, "compute in float32 and float64, not in bfloat16"),
    ],
)
def test_refusals(cell: Equations, changes: dict[str, object], reason: str) -> None:
    assert reason in fused.unsupported(cell, CallSpec(**{**vars(call), **changes}))


def test_no_refusal() -> None:
    assert all(fused.unsupported(cell, call) is None for cell in CELLS.values())


@pytest.mark.parametrize(("which", "exact"), [(0, torch.sigmoid), (1, torch.tanh)])
def test_activations_in_float32(which: int, exact) -> None:
    x = torch.cat([torch.linspace(-20, 20, 400_001), torch.tensor([-1e30, -100, -0.0, 1e-30, 100, 1e30])])
    y = torch.empty_like(x)
    library().gatebench_activate(*(ctypes.c_void_p(t.data_ptr()) for t in (x, y)), ctypes.c_long(len(x)), which)
    assert (y.double() - exact(x.double())).abs().max() < 3e-7
