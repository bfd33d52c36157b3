"""What the kernels of all cells are made of: vectors of one row and step, recurrent products, activations.

A program has one row of the batch. Its state is a vector of ``WIDTH`` numbers, the hidden size rounded up to a power
of two; what stands past the hidden size is zero. The weights come packed, see `pack`. Where they are while the program
walks is said for each gate: ``HELD`` in registers for the whole sequence, ``READ`` as a whole in every step (they
then stand in the L1 cache), ``STREAMED`` strip by strip in every step (L2), for sizes of which no whole block fits.
"""

from __future__ import annotations

import os

import triton
import triton.language as tl
from torch import Tensor

HELD, READ, STREAMED = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
# Several sums in one exchange between the warps. The interpreter walks through such a reduction number by number.
TOGETHER = tl.constexpr(os.environ.get("TRITON_INTERPRET") != "1")
EPSILON = tl.constexpr(1e-5)  # of layer normalisation, as in torch


def pack(weight: Tensor, gates: int, *, transposed: bool) -> Tensor:
    """The blocks of weight_hh (G*hidden, hidden) as (G, hidden, columns), columns rounded up to 16 with zeros.

    A tile's rows are summed over, its columns are the result: forward needs the blocks ``transposed``.
    """
    hidden_size = weight.shape[1]
    blocks = weight.detach().view(gates, hidden_size, hidden_size)
    if transposed:
        blocks = blocks.transpose(1, 2)
    columns = (hidden_size + 15) // 16 * 16
    if columns == hidden_size:
        return blocks.contiguous()
    packed = weight.new_zeros(gates, hidden_size, columns)
    packed[:, :, :hidden_size] = blocks
    return packed


@triton.jit
def tile(weights, gate: tl.constexpr, hidden_size, columns, WIDTH: tl.constexpr):
    """The block of one gate, (WIDTH, WIDTH)."""
    k = tl.arange(0, WIDTH)[:, None]
    n = tl.arange(0, WIDTH)[None, :]
    return tl.load(weights + (gate * hidden_size + k) * columns + n, mask=(k < hidden_size) & (n < columns), other=0.0)


@triton.jit
def hold(weights, gate: tl.constexpr, hidden_size, columns, WIDTH: tl.constexpr, WHERE: tl.constexpr):
    """The block of one gate where it is held; else nothing, and `fetch` reads it."""
    if WHERE == HELD:
        return tile(weights, gate, hidden_size, columns, WIDTH)
    else:
        return tl.zeros([1, 1], dtype=tl.float32)


@triton.jit
def fetch(held, weights, gate: tl.constexpr, hidden_size, columns, WIDTH: tl.constexpr, WHERE: tl.constexpr):
    """The block of one gate, from the registers or from memory."""
    if WHERE == HELD:
        return held
    else:
        return tile(weights, gate, hidden_size, columns, WIDTH)


@triton.jit
def strip(weights, gate: tl.constexpr, k, hidden_size, columns, WIDTH: tl.constexpr):
    """The rows ``k`` (ROWS,) of the block of one gate, (ROWS, WIDTH)."""
    n = tl.arange(0, WIDTH)[None, :]
    where = weights + (gate * hidden_size + k[:, None]) * columns + n
    return tl.load(where, mask=(k[:, None] < hidden_size) & (n < columns), other=0.0)


@triton.jit
def publish(vector, place, hidden_size, WIDTH: tl.constexpr, WHERE: tl.constexpr):
    """Put a vector where all threads of the program can read any part of it, which strips need.

    Two places take turns: whoever still reads the one is past the barrier before it is written again.
    """
    if WHERE == STREAMED:
        store(place, vector, hidden_size, WIDTH)
        tl.debug_barrier()


@triton.jit
def add_2(a, b, c, d):
    """Sums of pairs, for a reduction of several tensors at once: one exchange between the warps instead of several."""
    return a + c, b + d


@triton.jit
def add_3(a, b, c, d, e, f):
    """As `add_2`."""
    return a + d, b + e, c + f


@triton.jit
def add_4(a, b, c, d, e, f, g, h):
    """As `add_2`."""
    return a + e, b + f, c + g, d + h


@triton.jit
def multiply(
    vector, held_0, held_1, held_2, held_3, weights, place, hidden_size, columns,
    FIRST: tl.constexpr, COUNT: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
    WHERE_0: tl.constexpr, WHERE_1: tl.constexpr, WHERE_2: tl.constexpr, WHERE_3: tl.constexpr,
):  # fmt: skip
    """One vector times the blocks of the gates FIRST, FIRST + 1, ...: four vectors, of which COUNT are meant.

    ``place`` holds the vector where blocks are streamed; ``held_0`` and ``WHERE_0`` belong to FIRST, and so on.
    """
    if WHERE_0 == STREAMED:
        a = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        b = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        c = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        d = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        for start in range(0, hidden_size, ROWS):
            k = start + tl.arange(0, ROWS)
            part = tl.load(place + k, mask=k < hidden_size, other=0.0)[:, None]
            a += strip(weights, FIRST, k, hidden_size, columns, WIDTH).to(vector.dtype) * part
            if COUNT > 1:
                b += strip(weights, FIRST + 1, k, hidden_size, columns, WIDTH).to(vector.dtype) * part
            if COUNT > 2:
                c += strip(weights, FIRST + 2, k, hidden_size, columns, WIDTH).to(vector.dtype) * part
            if COUNT > 3:
                d += strip(weights, FIRST + 3, k, hidden_size, columns, WIDTH).to(vector.dtype) * part
    else:
        v = vector[:, None]
        a = fetch(held_0, weights, FIRST, hidden_size, columns, WIDTH, WHERE_0).to(vector.dtype) * v
        b, c, d = a, a, a
        if COUNT > 1:
            b = fetch(held_1, weights, FIRST + 1, hidden_size, columns, WIDTH, WHERE_1).to(vector.dtype) * v
        if COUNT > 2:
            c = fetch(held_2, weights, FIRST + 2, hidden_size, columns, WIDTH, WHERE_2).to(vector.dtype) * v
        if COUNT > 3:
            d = fetch(held_3, weights, FIRST + 3, hidden_size, columns, WIDTH, WHERE_3).to(vector.dtype) * v
    if COUNT == 1:
        one = tl.sum(a, axis=0)
        return one, one, one, one
    elif not TOGETHER:
        return tl.sum(a, axis=0), tl.sum(b, axis=0), tl.sum(c, axis=0), tl.sum(d, axis=0)
    elif COUNT == 2:
        one, two = tl.reduce((a, b), 0, add_2)
        return one, two, two, two
    elif COUNT == 3:
        one, two, three = tl.reduce((a, b, c), 0, add_3)
        return one, two, three, three
    else:
        return tl.reduce((a, b, c, d), 0, add_4)


@triton.jit
def total(
    v_0, v_1, v_2, v_3, held_0, held_1, held_2, held_3, weights, place, hidden_size, columns,
    FIRST: tl.constexpr, COUNT: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
    WHERE_0: tl.constexpr, WHERE_1: tl.constexpr, WHERE_2: tl.constexpr, WHERE_3: tl.constexpr,
):  # fmt: skip
    """The sum of COUNT vectors, each times the block of its gate; streamed, they lie one after another in ``place``."""
    if WHERE_0 == STREAMED:
        a = tl.zeros([ROWS, WIDTH], dtype=v_0.dtype)
        for start in range(0, hidden_size, ROWS):
            k = start + tl.arange(0, ROWS)
            for gate in tl.static_range(COUNT):
                part = tl.load(place + gate * hidden_size + k, mask=k < hidden_size, other=0.0)[:, None]
                a += strip(weights, FIRST + gate, k, hidden_size, columns, WIDTH).to(v_0.dtype) * part
    else:
        a = fetch(held_0, weights, FIRST, hidden_size, columns, WIDTH, WHERE_0).to(v_0.dtype) * v_0[:, None]
        if COUNT > 1:
            a += fetch(held_1, weights, FIRST + 1, hidden_size, columns, WIDTH, WHERE_1).to(v_0.dtype) * v_1[:, None]
        if COUNT > 2:
            a += fetch(held_2, weights, FIRST + 2, hidden_size, columns, WIDTH, WHERE_2).to(v_0.dtype) * v_2[:, None]
        if COUNT > 3:
            a += fetch(held_3, weights, FIRST + 3, hidden_size, columns, WIDTH, WHERE_3).to(v_0.dtype) * v_3[:, None]
    return tl.sum(a, axis=0)


@triton.jit
def load(pointer, hidden_size, WIDTH: tl.constexpr, NUMBER: tl.constexpr):
    """A vector, in the type that the kernel computes in."""
    n = tl.arange(0, WIDTH)
    return tl.load(pointer + n, mask=n < hidden_size, other=0.0).to(NUMBER)


@triton.jit
def load_if(there, pointer, hidden_size, WIDTH: tl.constexpr, NUMBER: tl.constexpr):
    """A vector, zeros where it is not there."""
    n = tl.arange(0, WIDTH)
    return tl.load(pointer + n, mask=n < tl.where(there, hidden_size, 0), other=0.0).to(NUMBER)


@triton.jit
def load_apart(pointer, stride, hidden_size, WIDTH: tl.constexpr, NUMBER: tl.constexpr):
    """A vector whose numbers lie ``stride`` apart: a mask that was expanded has 0."""
    n = tl.arange(0, WIDTH)
    return tl.load(pointer + n * stride, mask=n < hidden_size, other=0.0).to(NUMBER)


@triton.jit
def store(pointer, vector, hidden_size, WIDTH: tl.constexpr):
    """Write a vector."""
    n = tl.arange(0, WIDTH)
    tl.store(pointer + n, vector.to(pointer.dtype.element_ty), mask=n < hidden_size)


@triton.jit
def sigmoid(a):
    """1 / (1 + exp(-a)); at the ends 0 and 1."""
    return 1.0 / (1.0 + tl.exp(-a))


@triton.jit
def tanh(a):
    """tanh without cancellation near 0: there its series, which is as exact as the quotient from 0.06 on."""
    e = tl.exp(-2.0 * tl.abs(a))
    far = (1.0 - e) / (1.0 + e)
    s = a * a
    near = tl.abs(a) * (1.0 + s * (-0.3333333333333333 + s * (0.13333333333333333 + s * (-0.05396825396825397 + s * (
        0.021869488536155203 - s * 0.008863235529902197)))))  # fmt: skip
    size = tl.where(tl.abs(a) < 0.06, near, far)
    return tl.where(a < 0, -size, size)


@triton.jit
def mean_of(vector, count):
    """The mean over the units, whose number is ``count``."""
    return tl.sum(vector, axis=0) / count


@triton.jit
def inside(vector, hidden_size, WIDTH: tl.constexpr):
    """The vector with zeros past the hidden size."""
    return tl.where(tl.arange(0, WIDTH) < hidden_size, vector, 0.0)
