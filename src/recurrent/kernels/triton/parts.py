"""Building blocks of all kernels: vectors of one row and step, recurrent products, activations.

A program processes one row of the batch. Its state is a vector of ``WIDTH`` numbers, the hidden size rounded up to a
power of two, zero past the hidden size. Weights stay in registers (``HELD``) for the whole sequence if they fit;
otherwise they are streamed from the caches in every step, strip by strip.

Weights are stored in blocks, one per gate, with resulting units adjacent within a block. The distance between rows is
a value unknown to the compiler: otherwise it would read four neighbours at once, give every thread four results, and
split the sum into as many parts as there are warps, to be added through shared memory with conflicts between all
banks, which is five times slower. So each thread computes one result, and most of its sum.
"""

from __future__ import annotations

import os

import triton
import triton.language as tl

# Several sums in one exchange between warps. The interpreter runs such a reduction number by number.
TOGETHER = tl.constexpr(os.environ.get("TRITON_INTERPRET") != "1")
EPSILON = tl.constexpr(1e-5)  # for layer normalisation, as in torch


@triton.jit
def strip(weights, gate: tl.constexpr, k, hidden_size, pitch, WIDTH: tl.constexpr):
    """Return the rows ``k`` of one gate's block, (len(k), WIDTH)."""
    n = tl.arange(0, WIDTH)[None, :]
    block = weights + gate * hidden_size * pitch
    inside = (k[:, None] < hidden_size) & (n < hidden_size)
    return tl.load(block + k[:, None] * pitch + n, mask=inside, other=0.0)


@triton.jit
def hold(weights, gate: tl.constexpr, hidden_size, pitch, WIDTH: tl.constexpr, HELD: tl.constexpr):
    """Return one gate's block, (WIDTH, WIDTH), if held; otherwise an unused value."""
    if HELD:
        return strip(weights, gate, tl.arange(0, WIDTH), hidden_size, pitch, WIDTH)
    else:
        return tl.zeros([1, 1], dtype=tl.float32)


@triton.jit
def publish(vector, place, hidden_size, WIDTH: tl.constexpr, HELD: tl.constexpr):
    """Store a vector where all threads of the program can read any part of it, as streaming requires.

    Two locations alternate: all reads of one have passed the barrier before it is overwritten.
    """
    if not HELD:
        store(place, vector, hidden_size, WIDTH)
        tl.debug_barrier()


@triton.jit
def add_2(a, b, c, d):
    """Add pairs, to reduce several tensors at once: one exchange between warps instead of several."""
    return a + c, b + d


@triton.jit
def add_3(a, b, c, d, e, f):
    """Add triples; see `add_2`."""
    return a + d, b + e, c + f


@triton.jit
def add_4(a, b, c, d, e, f, g, h):
    """Add groups of four; see `add_2`."""
    return a + e, b + f, c + g, d + h


@triton.jit
def multiply(
    vector, held_0, held_1, held_2, held_3, weights, place, hidden_size, pitch,
    FIRST: tl.constexpr, COUNT: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, HELD: tl.constexpr,
):  # fmt: skip
    """Multiply one vector by the blocks of gates FIRST, FIRST + 1, ...: four vectors, of which COUNT are used.

    ``held_0`` is the block of FIRST, and so on; ``place`` has the vector if blocks are streamed.
    """
    if HELD:
        v = vector[:, None]
        a = held_0.to(vector.dtype) * v
        b, c, d = a, a, a
        if COUNT > 1:
            b = held_1.to(vector.dtype) * v
        if COUNT > 2:
            c = held_2.to(vector.dtype) * v
        if COUNT > 3:
            d = held_3.to(vector.dtype) * v
    else:
        a = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        b = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        c = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        d = tl.zeros([ROWS, WIDTH], dtype=vector.dtype)
        for start in range(0, hidden_size, ROWS):
            k = start + tl.arange(0, ROWS)
            part = tl.load(place + k, mask=k < hidden_size, other=0.0)[:, None]
            a += strip(weights, FIRST, k, hidden_size, pitch, WIDTH).to(vector.dtype) * part
            if COUNT > 1:
                b += strip(weights, FIRST + 1, k, hidden_size, pitch, WIDTH).to(vector.dtype) * part
            if COUNT > 2:
                c += strip(weights, FIRST + 2, k, hidden_size, pitch, WIDTH).to(vector.dtype) * part
            if COUNT > 3:
                d += strip(weights, FIRST + 3, k, hidden_size, pitch, WIDTH).to(vector.dtype) * part
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
    v_0, v_1, v_2, v_3, held_0, held_1, held_2, held_3, weights, place, hidden_size, pitch,
    FIRST: tl.constexpr, COUNT: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, HELD: tl.constexpr,
):  # fmt: skip
    """Sum COUNT vectors, each times the block of its gate; if streamed, they are consecutive in ``place``."""
    if HELD:
        a = held_0.to(v_0.dtype) * v_0[:, None]
        if COUNT > 1:
            a += held_1.to(v_0.dtype) * v_1[:, None]
        if COUNT > 2:
            a += held_2.to(v_0.dtype) * v_2[:, None]
        if COUNT > 3:
            a += held_3.to(v_0.dtype) * v_3[:, None]
    else:
        a = tl.zeros([ROWS, WIDTH], dtype=v_0.dtype)
        for start in range(0, hidden_size, ROWS):
            k = start + tl.arange(0, ROWS)
            for gate in tl.static_range(COUNT):
                part = tl.load(place + gate * hidden_size + k, mask=k < hidden_size, other=0.0)[:, None]
                a += strip(weights, FIRST + gate, k, hidden_size, pitch, WIDTH).to(v_0.dtype) * part
    return tl.sum(a, axis=0)


@triton.jit
def load(pointer, hidden_size, WIDTH: tl.constexpr, NUMBER: tl.constexpr):
    """Load a vector in the type of the computation."""
    n = tl.arange(0, WIDTH)
    return tl.load(pointer + n, mask=n < hidden_size, other=0.0).to(NUMBER)


@triton.jit
def load_if(there, pointer, hidden_size, WIDTH: tl.constexpr, NUMBER: tl.constexpr):
    """Load a vector, or zeros if it does not exist."""
    n = tl.arange(0, WIDTH)
    return tl.load(pointer + n, mask=n < tl.where(there, hidden_size, 0), other=0.0).to(NUMBER)


@triton.jit
def load_gates(there, place, FIRST: tl.constexpr, hidden_size, WIDTH: tl.constexpr, NUMBER: tl.constexpr):
    """Load the vectors of a step's gates: that at ``place``, and three consecutive ones from gate ``FIRST``.

    An LSTM has four (FIRST = 1); a cell with three has them from 0 on, and the one at ``place`` repeats the first,
    which the compiler eliminates.
    """
    return (
        load_if(there, place, hidden_size, WIDTH, NUMBER),
        load_if(there, place + FIRST * hidden_size, hidden_size, WIDTH, NUMBER),
        load_if(there, place + (FIRST + 1) * hidden_size, hidden_size, WIDTH, NUMBER),
        load_if(there, place + (FIRST + 2) * hidden_size, hidden_size, WIDTH, NUMBER),
    )


@triton.jit
def store_gates(place, a, b, c, d, FIRST: tl.constexpr, hidden_size, WIDTH: tl.constexpr):
    """Write what :func:`load_gates` reads; ``a`` only with four gates."""
    if FIRST > 0:
        store(place, a, hidden_size, WIDTH)
    store(place + FIRST * hidden_size, b, hidden_size, WIDTH)
    store(place + (FIRST + 1) * hidden_size, c, hidden_size, WIDTH)
    store(place + (FIRST + 2) * hidden_size, d, hidden_size, WIDTH)


@triton.jit
def load_apart(pointer, stride, hidden_size, WIDTH: tl.constexpr, NUMBER: tl.constexpr):
    """Load a vector with elements ``stride`` apart; an expanded mask has stride 0."""
    n = tl.arange(0, WIDTH)
    return tl.load(pointer + n * stride, mask=n < hidden_size, other=0.0).to(NUMBER)


@triton.jit
def store(pointer, vector, hidden_size, WIDTH: tl.constexpr):
    """Write a vector."""
    n = tl.arange(0, WIDTH)
    tl.store(pointer + n, vector.to(pointer.dtype.element_ty), mask=n < hidden_size)


@triton.jit
def sigmoid(a):
    """Return 1 / (1 + exp(-a)), exactly 0 and 1 at the extremes."""
    return 1.0 / (1.0 + tl.exp(-a))


@triton.jit
def tanh(a):
    """Return tanh without cancellation near 0, where a series is used that is as exact as the quotient from 0.06 on."""
    e = tl.exp(-2.0 * tl.abs(a))
    far = (1.0 - e) / (1.0 + e)
    s = a * a
    near = tl.abs(a) * (1.0 + s * (-0.3333333333333333 + s * (0.13333333333333333 + s * (-0.05396825396825397 + s * (
        0.021869488536155203 - s * 0.008863235529902197)))))  # fmt: skip
    size = tl.where(tl.abs(a) < 0.06, near, far)
    return tl.where(a < 0, -size, size)


@triton.jit
def mean_of(vector, count):
    """Return the mean over ``count`` units."""
    return tl.sum(vector, axis=0) / count


@triton.jit
def inside(vector, hidden_size, WIDTH: tl.constexpr):
    """Return the vector with zeros past the hidden size."""
    return tl.where(tl.arange(0, WIDTH) < hidden_size, vector, 0.0)


@triton.jit
def sum_of(a, b, c, d, COUNT: tl.constexpr):
    """Return the sum of the first COUNT of four vectors."""
    s = a
    if COUNT > 1:
        s += b
    if COUNT > 2:
        s += c
    if COUNT > 3:
        s += d
    return s


@triton.jit
def normalise(a, b, c, d, COUNT: tl.constexpr, hidden_size, WIDTH: tl.constexpr):
    """Normalise COUNT of four vectors to a common mean of 0 and variance of 1; also return the scale."""
    mean = mean_of(sum_of(a, b, c, d, COUNT), hidden_size) / COUNT
    a = inside(a - mean, hidden_size, WIDTH)
    b = inside(b - mean, hidden_size, WIDTH)
    c = inside(c - mean, hidden_size, WIDTH)
    d = inside(d - mean, hidden_size, WIDTH)
    variance = mean_of(sum_of(a * a, b * b, c * c, d * d, COUNT), hidden_size) / COUNT
    scale = 1 / tl.sqrt(variance + EPSILON)
    return a * scale, b * scale, c * scale, d * scale, scale


@triton.jit
def normalise_back(
    d_a, d_b, d_c, d_d, a, b, c, d, scale, COUNT: tl.constexpr, hidden_size, WIDTH: tl.constexpr
):  # fmt: skip
    """Return the gradients of :func:`normalise`'s inputs, given its outputs and their gradients."""
    mean = mean_of(sum_of(d_a, d_b, d_c, d_d, COUNT), hidden_size) / COUNT
    along = mean_of(sum_of(d_a * a, d_b * b, d_c * c, d_d * d, COUNT), hidden_size) / COUNT
    return (
        inside((d_a - mean - a * along) * scale, hidden_size, WIDTH),
        inside((d_b - mean - b * along) * scale, hidden_size, WIDTH),
        inside((d_c - mean - c * along) * scale, hidden_size, WIDTH),
        inside((d_d - mean - d * along) * scale, hidden_size, WIDTH),
    )
