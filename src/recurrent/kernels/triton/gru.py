"""The GRU, with the reset gate before or after the product; the equations are in `src.recurrent.cells.gru`."""

from __future__ import annotations

import triton
import triton.language as tl

from .parts import (
    hold,
    inside,
    load,
    load_apart,
    load_gates,
    load_if,
    multiply,
    normalise,
    normalise_back,
    publish,
    sigmoid,
    store,
    store_gates,
    tanh,
    total,
)


@triton.jit(do_not_specialize=["pitch"])
def forward(
    inputs, weights, bias, gain, h0, mask, zone, lengths, output, h_n, gates, products, scratch,
    steps, hidden_size, pitch, zone_row, zone_step, zone_unit,
    AFTER: tl.constexpr, NORM: tl.constexpr, MASKED: tl.constexpr, ZONED: tl.constexpr, LENGTHS: tl.constexpr,
    REVERSE: tl.constexpr, BIAS: tl.constexpr, SAVE: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
    NUMBER: tl.constexpr, HELD: tl.constexpr,
):  # fmt: skip
    """Process one row forward in time; ``gates`` gets the gates, ``products`` U h if backward needs it."""
    row = tl.program_id(0)
    last = tl.load(lengths + row).to(tl.int32) if LENGTHS else steps
    inputs += row.to(tl.int64) * steps * 3 * hidden_size
    gates += row.to(tl.int64) * steps * 3 * hidden_size
    products += row.to(tl.int64) * steps * (3 if NORM else 1) * hidden_size
    output += row.to(tl.int64) * steps * hidden_size
    zone += row.to(tl.int64) * zone_row
    scratch += row * 4 * hidden_size
    held_r = hold(weights, 0, hidden_size, pitch, WIDTH, HELD)
    held_z = hold(weights, 1, hidden_size, pitch, WIDTH, HELD)
    held_n = hold(weights, 2, hidden_size, pitch, WIDTH, HELD)
    if BIAS:
        _spare, bias_r, bias_z, bias_n = load_gates(True, bias, 0, hidden_size, WIDTH, NUMBER)
    if NORM:
        _spare, gain_r, gain_z, gain_n = load_gates(True, gain, 0, hidden_size, WIDTH, NUMBER)
    if MASKED:
        kept = load(mask + row * hidden_size, hidden_size, WIDTH, NUMBER)
    h = load(h0 + row * hidden_size, hidden_size, WIDTH, NUMBER)
    t = last - 1 if REVERSE else 0
    _spare, x_r, x_z, x_n = load_gates(True, inputs + t * 3 * hidden_size, 0, hidden_size, WIDTH, NUMBER)
    for step in range(last):
        t = last - 1 - step if REVERSE else step
        # Prefetch what the next step reads from global memory before this step's products.
        then = inputs + (t - 1 if REVERSE else t + 1) * 3 * hidden_size
        more = step + 1 < last
        _, next_r, next_z, next_n = load_gates(more, then, 0, hidden_size, WIDTH, NUMBER)
        if ZONED:
            stays = load_apart(zone + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
        seen = h * kept if MASKED else h
        place = scratch + (step % 2) * 2 * hidden_size
        publish(seen, place, hidden_size, WIDTH, HELD)
        # With the reset gate after the product all three gates read the same vector; otherwise q is recomputed.
        r, z, q, _ = multiply(
            seen, held_r, held_z, held_n, held_n, weights, place, hidden_size, pitch, 0, 3 if AFTER else 2,
            WIDTH, ROWS, HELD,
        )  # fmt: skip
        if NORM:
            if SAVE:
                store(products + t * 3 * hidden_size, r, hidden_size, WIDTH)
                store(products + (t * 3 + 1) * hidden_size, z, hidden_size, WIDTH)
            r, z, _, _, _scale = normalise(r, z, z, z, 2, hidden_size, WIDTH)
            r *= gain_r
            z *= gain_z
        if BIAS:
            r += bias_r
            z += bias_z
        r = sigmoid(x_r + r)
        z = sigmoid(x_z + z)
        if not AFTER:
            reset = r * seen
            publish(reset, place + hidden_size, hidden_size, WIDTH, HELD)
            q, _, _, _ = multiply(
                reset, held_n, held_n, held_n, held_n, weights, place + hidden_size, hidden_size, pitch, 2, 1,
                WIDTH, ROWS, HELD,
            )  # fmt: skip
        if NORM:
            if SAVE:
                store(products + (t * 3 + 2) * hidden_size, q, hidden_size, WIDTH)
            q, _, _, _, _scale = normalise(q, q, q, q, 1, hidden_size, WIDTH)
            q *= gain_n
        if BIAS:
            q += bias_n
        if AFTER:
            if SAVE and not NORM:
                store(products + t * hidden_size, q, hidden_size, WIDTH)
            q = r * q
        n = tanh(x_n + q)
        new = z * h + (1 - z) * n
        if SAVE:
            store_gates(gates + t * 3 * hidden_size, r, r, z, n, 0, hidden_size, WIDTH)
        if ZONED:
            new = stays * h + (1 - stays) * new
        h = inside(new, hidden_size, WIDTH)
        store(output + t * hidden_size, h, hidden_size, WIDTH)
        x_r, x_z, x_n = next_r, next_z, next_n
    store(h_n + row * hidden_size, h, hidden_size, WIDTH)


@triton.jit(do_not_specialize=["pitch"])
def backward(
    d_output, d_h_n, weights, bias, gain, h0, mask, zone, lengths, output, gates, products,
    d_inputs, d_products, d_h0, scratch,
    steps, hidden_size, pitch, zone_row, zone_step, zone_unit,
    AFTER: tl.constexpr, NORM: tl.constexpr, MASKED: tl.constexpr, ZONED: tl.constexpr, LENGTHS: tl.constexpr,
    REVERSE: tl.constexpr, BIAS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, NUMBER: tl.constexpr,
    HELD: tl.constexpr,
):  # fmt: skip
    """Process one row backward: gradients of the pre-activations, of the products U h if they differ, and of h0."""
    row = tl.program_id(0)
    last = tl.load(lengths + row).to(tl.int32) if LENGTHS else steps
    d_inputs += row.to(tl.int64) * steps * 3 * hidden_size
    d_products += row.to(tl.int64) * steps * 3 * hidden_size
    gates += row.to(tl.int64) * steps * 3 * hidden_size
    products += row.to(tl.int64) * steps * (3 if NORM else 1) * hidden_size
    output += row.to(tl.int64) * steps * hidden_size
    d_output += row.to(tl.int64) * steps * hidden_size
    zone += row.to(tl.int64) * zone_row
    scratch += row * 6 * hidden_size
    held_r = hold(weights, 0, hidden_size, pitch, WIDTH, HELD)
    held_z = hold(weights, 1, hidden_size, pitch, WIDTH, HELD)
    held_n = hold(weights, 2, hidden_size, pitch, WIDTH, HELD)
    if BIAS:
        bias_n = load(bias + 2 * hidden_size, hidden_size, WIDTH, NUMBER)
    if NORM:
        _spare, gain_r, gain_z, gain_n = load_gates(True, gain, 0, hidden_size, WIDTH, NUMBER)
    if MASKED:
        kept = load(mask + row * hidden_size, hidden_size, WIDTH, NUMBER)
    start = load(h0 + row * hidden_size, hidden_size, WIDTH, NUMBER)
    d_h = load(d_h_n + row * hidden_size, hidden_size, WIDTH, NUMBER)
    # Prefetch values one step ahead, as in forward, beginning with those of the last step.
    t = 0 if REVERSE else last - 1
    before = t + 1 if REVERSE else t - 1
    here = gates + t * 3 * hidden_size
    _spare, r, z, n = load_gates(True, here, 0, hidden_size, WIDTH, NUMBER)
    d_out = load(d_output + t * hidden_size, hidden_size, WIDTH, NUMBER)
    old = load_if(last > 1, output + before * hidden_size, hidden_size, WIDTH, NUMBER)
    for step in range(last):
        t = step if REVERSE else last - 1 - step
        then = t + 1 if REVERSE else t - 1
        before = t + 2 if REVERSE else t - 2
        more = step + 1 < last
        here = gates + then * 3 * hidden_size
        _, next_r, next_z, next_n = load_gates(more, here, 0, hidden_size, WIDTH, NUMBER)
        next_out = load_if(more, d_output + then * hidden_size, hidden_size, WIDTH, NUMBER)
        next_old = load_if(step + 2 < last, output + before * hidden_size, hidden_size, WIDTH, NUMBER)
        h = tl.where(more, old, start)
        seen = h * kept if MASKED else h
        d_new = d_h + d_out
        if ZONED:
            stays = load_apart(zone + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
            d_h = stays * d_new
            d_new = (1 - stays) * d_new
            d_h += d_new * z
        else:
            d_h = d_new * z
        d_z = d_new * (h - n) * z * (1 - z)
        d_n = d_new * (1 - z) * (1 - n * n)
        store(d_inputs + (t * 3 + 1) * hidden_size, d_z, hidden_size, WIDTH)
        store(d_inputs + (t * 3 + 2) * hidden_size, d_n, hidden_size, WIDTH)
        d_q = d_n * r if AFTER else d_n
        if NORM:
            q = load(products + (t * 3 + 2) * hidden_size, hidden_size, WIDTH, NUMBER)
            q, _, _, _, scale = normalise(q, q, q, q, 1, hidden_size, WIDTH)
            slope = d_q * gain_n
            d_q, _, _, _ = normalise_back(slope, slope, slope, slope, q, q, q, q, scale, 1, hidden_size, WIDTH)
            q *= gain_n
            if BIAS:
                q += bias_n
        if AFTER and not NORM:
            q = load(products + t * hidden_size, hidden_size, WIDTH, NUMBER)
        if AFTER or NORM:
            store(d_products + (t * 3 + 2) * hidden_size, d_q, hidden_size, WIDTH)
        place = scratch + (step % 2) * 3 * hidden_size
        if not AFTER:
            publish(d_q, place + 2 * hidden_size, hidden_size, WIDTH, HELD)
            d_seen = total(
                d_q, d_q, d_q, d_q, held_n, held_n, held_n, held_n, weights, place + 2 * hidden_size, hidden_size,
                pitch, 2, 1, WIDTH, ROWS, HELD,
            )  # fmt: skip
        if AFTER:
            d_r = d_n * q * r * (1 - r)
        else:
            d_r = d_seen * seen * r * (1 - r)
            d_seen = d_seen * r
        store(d_inputs + t * 3 * hidden_size, d_r, hidden_size, WIDTH)
        if NORM:
            p_r = load(products + t * 3 * hidden_size, hidden_size, WIDTH, NUMBER)
            p_z = load(products + (t * 3 + 1) * hidden_size, hidden_size, WIDTH, NUMBER)
            p_r, p_z, _, _, scale = normalise(p_r, p_z, p_z, p_z, 2, hidden_size, WIDTH)
            d_r *= gain_r
            d_z *= gain_z
            d_r, d_z, _, _ = normalise_back(d_r, d_z, d_z, d_z, p_r, p_z, p_z, p_z, scale, 2, hidden_size, WIDTH)
        if AFTER or NORM:
            store(d_products + t * 3 * hidden_size, d_r, hidden_size, WIDTH)
            store(d_products + (t * 3 + 1) * hidden_size, d_z, hidden_size, WIDTH)
        if not HELD:
            store(place, d_r, hidden_size, WIDTH)
            if AFTER:
                store(place + 2 * hidden_size, d_q, hidden_size, WIDTH)
        publish(d_z, place + hidden_size, hidden_size, WIDTH, HELD)
        both = total(
            d_r, d_z, d_q, d_q, held_r, held_z, held_n, held_n, weights, place, hidden_size, pitch, 0,
            3 if AFTER else 2, WIDTH, ROWS, HELD,
        )  # fmt: skip
        d_seen = both if AFTER else d_seen + both
        d_h += d_seen * kept if MASKED else d_seen
        r, z, n, d_out, old = next_r, next_z, next_n, next_out, next_old
    store(d_h0 + row * hidden_size, d_h, hidden_size, WIDTH)
