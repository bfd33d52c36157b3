"""Tanh units; the equation is in `src.recurrent.cells.rnn`."""

from __future__ import annotations

import triton
import triton.language as tl

from .parts import (
    hold,
    inside,
    load,
    load_apart,
    load_if,
    multiply,
    normalise,
    normalise_back,
    publish,
    store,
    tanh,
    total,
)


@triton.jit(do_not_specialize=["pitch"])
def forward(
    inputs, weights, bias, gain, h0, mask, zone, lengths, output, h_n, gates, products, scratch,
    steps, hidden_size, pitch, zone_row, zone_step, zone_unit,
    NORM: tl.constexpr, BIAS: tl.constexpr, MASKED: tl.constexpr, ZONED: tl.constexpr, LENGTHS: tl.constexpr,
    REVERSE: tl.constexpr, SAVE: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, NUMBER: tl.constexpr,
    HELD: tl.constexpr,
):  # fmt: skip
    """Process one row forward in time; ``gates`` gets the candidate, ``products`` U h if normalised."""
    row = tl.program_id(0)
    last = tl.load(lengths + row).to(tl.int32) if LENGTHS else steps
    first = row.to(tl.int64) * steps * hidden_size
    inputs, gates, products, output = inputs + first, gates + first, products + first, output + first
    zone += row.to(tl.int64) * zone_row
    scratch += row * 2 * hidden_size
    held = hold(weights, 0, hidden_size, pitch, WIDTH, HELD)
    if BIAS:
        biases = load(bias, hidden_size, WIDTH, NUMBER)
    if NORM:
        gains = load(gain, hidden_size, WIDTH, NUMBER)
    if MASKED:
        kept = load(mask + row * hidden_size, hidden_size, WIDTH, NUMBER)
    h = load(h0 + row * hidden_size, hidden_size, WIDTH, NUMBER)
    x = load(inputs + (last - 1 if REVERSE else 0) * hidden_size, hidden_size, WIDTH, NUMBER)
    for step in range(last):
        t = last - 1 - step if REVERSE else step
        then = t - 1 if REVERSE else t + 1
        next_x = load_if(step + 1 < last, inputs + then * hidden_size, hidden_size, WIDTH, NUMBER)
        if ZONED:
            stays = load_apart(zone + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
        seen = h * kept if MASKED else h
        place = scratch + (step % 2) * hidden_size
        publish(seen, place, hidden_size, WIDTH, HELD)
        p, _, _, _ = multiply(
            seen, held, held, held, held, weights, place, hidden_size, pitch, 0, 1,
            WIDTH, ROWS, HELD,
        )  # fmt: skip
        if NORM:
            if SAVE:
                store(products + t * hidden_size, p, hidden_size, WIDTH)
            p, _, _, _, _scale = normalise(p, p, p, p, 1, hidden_size, WIDTH)
            p *= gains
        if BIAS:
            p += biases
        new = tanh(x + p)
        if SAVE:
            store(gates + t * hidden_size, new, hidden_size, WIDTH)
        if ZONED:
            new = stays * h + (1 - stays) * new
        h = inside(new, hidden_size, WIDTH)
        store(output + t * hidden_size, h, hidden_size, WIDTH)
        x = next_x
    store(h_n + row * hidden_size, h, hidden_size, WIDTH)


@triton.jit(do_not_specialize=["pitch"])
def backward(
    d_output, d_h_n, weights, gain, mask, zone, lengths, gates, products, d_inputs, d_products, d_h0, scratch,
    steps, hidden_size, pitch, zone_row, zone_step, zone_unit,
    NORM: tl.constexpr, MASKED: tl.constexpr, ZONED: tl.constexpr, LENGTHS: tl.constexpr, REVERSE: tl.constexpr,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, NUMBER: tl.constexpr, HELD: tl.constexpr,
):  # fmt: skip
    """Process one row backward: gradients of the pre-activations, of U h if normalised, and of h0."""
    row = tl.program_id(0)
    last = tl.load(lengths + row).to(tl.int32) if LENGTHS else steps
    first = row.to(tl.int64) * steps * hidden_size
    d_inputs, d_products, gates = d_inputs + first, d_products + first, gates + first
    products, d_output = products + first, d_output + first
    zone += row.to(tl.int64) * zone_row
    scratch += row * 2 * hidden_size
    held = hold(weights, 0, hidden_size, pitch, WIDTH, HELD)
    if NORM:
        gains = load(gain, hidden_size, WIDTH, NUMBER)
    if MASKED:
        kept = load(mask + row * hidden_size, hidden_size, WIDTH, NUMBER)
    d_h = load(d_h_n + row * hidden_size, hidden_size, WIDTH, NUMBER)
    t = 0 if REVERSE else last - 1
    n = load(gates + t * hidden_size, hidden_size, WIDTH, NUMBER)
    d_out = load(d_output + t * hidden_size, hidden_size, WIDTH, NUMBER)
    for step in range(last):
        t = step if REVERSE else last - 1 - step
        then = t + 1 if REVERSE else t - 1
        more = step + 1 < last
        next_n = load_if(more, gates + then * hidden_size, hidden_size, WIDTH, NUMBER)
        next_out = load_if(more, d_output + then * hidden_size, hidden_size, WIDTH, NUMBER)
        d_new = d_h + d_out
        if ZONED:
            stays = load_apart(zone + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
            d_h = stays * d_new
            d_new = (1 - stays) * d_new
        else:
            d_h = tl.zeros_like(d_new)
        d_p = d_new * (1 - n * n)
        store(d_inputs + t * hidden_size, d_p, hidden_size, WIDTH)
        if NORM:
            p = load(products + t * hidden_size, hidden_size, WIDTH, NUMBER)
            p, _, _, _, scale = normalise(p, p, p, p, 1, hidden_size, WIDTH)
            d_p *= gains
            d_p, _, _, _ = normalise_back(d_p, d_p, d_p, d_p, p, p, p, p, scale, 1, hidden_size, WIDTH)
            store(d_products + t * hidden_size, d_p, hidden_size, WIDTH)
        place = scratch + (step % 2) * hidden_size
        publish(d_p, place, hidden_size, WIDTH, HELD)
        d_seen = total(
            d_p, d_p, d_p, d_p, held, held, held, held, weights, place, hidden_size, pitch, 0, 1,
            WIDTH, ROWS, HELD,
        )  # fmt: skip
        d_h += d_seen * kept if MASKED else d_seen
        n, d_out = next_n, next_out
    store(d_h0 + row * hidden_size, d_h, hidden_size, WIDTH)
