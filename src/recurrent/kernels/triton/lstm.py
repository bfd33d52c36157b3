"""The LSTM, with peepholes, and with coupled gates; the equations are in `src.recurrent.cells.lstm`.

``G`` gates: input, forget, candidate and output; with ``COUPLED`` all but the input gate, which is 1 - forget. Its slot
is then empty, and the compiler drops whatever is computed for it.
"""

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
    inputs, weights, bias, peephole, gain, h0, c0, mask, zone, zone_c, lengths, output, cells, h_n, c_n, gates,
    products, scratch, steps, hidden_size, pitch, zone_row, zone_step, zone_unit,
    COUPLED: tl.constexpr, PEEPHOLES: tl.constexpr, BIAS: tl.constexpr, NORM: tl.constexpr, MASKED: tl.constexpr,
    ZONED: tl.constexpr, LENGTHS: tl.constexpr, REVERSE: tl.constexpr, SAVE: tl.constexpr, WIDTH: tl.constexpr,
    ROWS: tl.constexpr, NUMBER: tl.constexpr, HELD: tl.constexpr,
):  # fmt: skip
    """Process one row forward in time; ``gates`` gets the gates, ``cells`` the cell, ``products`` U h if normalised."""
    G: tl.constexpr = 3 if COUPLED else 4
    F: tl.constexpr = G - 3  # index of the forget gate, followed by candidate and output
    row = tl.program_id(0)
    last = tl.load(lengths + row).to(tl.int32) if LENGTHS else steps
    first = row.to(tl.int64) * steps * hidden_size
    inputs, gates, products = inputs + first * G, gates + first * G, products + first * G
    output, cells = output + first, cells + first
    zone, zone_c = zone + row.to(tl.int64) * zone_row, zone_c + row.to(tl.int64) * zone_row
    scratch += row * 2 * hidden_size
    held_0 = hold(weights, 0, hidden_size, pitch, WIDTH, HELD)
    held_1 = hold(weights, 1, hidden_size, pitch, WIDTH, HELD)
    held_2 = hold(weights, 2, hidden_size, pitch, WIDTH, HELD)
    held_3 = held_2 if COUPLED else hold(weights, 3, hidden_size, pitch, WIDTH, HELD)
    if BIAS:
        bias_i, bias_f, bias_g, bias_o = load_gates(True, bias, F, hidden_size, WIDTH, NUMBER)
    if PEEPHOLES:
        peep_i = load(peephole, hidden_size, WIDTH, NUMBER)
        peep_f = load(peephole + hidden_size, hidden_size, WIDTH, NUMBER)
        peep_o = load(peephole + 2 * hidden_size, hidden_size, WIDTH, NUMBER)
    if NORM:
        gain_i, gain_f, gain_g, gain_o = load_gates(True, gain, F, hidden_size, WIDTH, NUMBER)
    if MASKED:
        kept = load(mask + row * hidden_size, hidden_size, WIDTH, NUMBER)
    h = load(h0 + row * hidden_size, hidden_size, WIDTH, NUMBER)
    c = load(c0 + row * hidden_size, hidden_size, WIDTH, NUMBER)
    here = inputs + (last - 1 if REVERSE else 0) * G * hidden_size
    x_i, x_f, x_g, x_o = load_gates(True, here, F, hidden_size, WIDTH, NUMBER)
    for step in range(last):
        t = last - 1 - step if REVERSE else step
        # Prefetch what the next step reads from global memory before this step's products.
        then = inputs + (t - 1 if REVERSE else t + 1) * G * hidden_size
        more = step + 1 < last
        next_i, next_f, next_g, next_o = load_gates(more, then, F, hidden_size, WIDTH, NUMBER)
        if ZONED:
            stays = load_apart(zone + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
            stays_c = load_apart(zone_c + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
        seen = h * kept if MASKED else h
        place = scratch + (step % 2) * hidden_size
        publish(seen, place, hidden_size, WIDTH, HELD)
        i, f, g, o = multiply(
            seen, held_0, held_1, held_2, held_3, weights, place, hidden_size, pitch, 0, G,
            WIDTH, ROWS, HELD,
        )  # fmt: skip
        if COUPLED:
            f, g, o = i, f, g
            i = tl.zeros_like(f)
        if NORM:
            if SAVE:
                store_gates(products + t * G * hidden_size, i, f, g, o, F, hidden_size, WIDTH)
            f, g, o, i, _scale = normalise(f, g, o, i, G, hidden_size, WIDTH)
            i *= gain_i
            f *= gain_f
            g *= gain_g
            o *= gain_o
        if BIAS:
            i += bias_i
            f += bias_f
            g += bias_g
            o += bias_o
        i = x_i + i
        f = x_f + f
        if PEEPHOLES:
            i += peep_i * c
            f += peep_f * c
        f = sigmoid(f)
        i = 1 - f if COUPLED else sigmoid(i)
        g = tanh(x_g + g)
        new_c = f * c + i * g
        o = x_o + o
        if PEEPHOLES:
            o += peep_o * new_c
        o = sigmoid(o)
        new = o * tanh(new_c)
        if SAVE:
            store_gates(gates + t * G * hidden_size, i, f, g, o, F, hidden_size, WIDTH)
        if ZONED:
            new = stays * h + (1 - stays) * new
            new_c = stays_c * c + (1 - stays_c) * new_c
        h = inside(new, hidden_size, WIDTH)
        c = inside(new_c, hidden_size, WIDTH)
        store(output + t * hidden_size, h, hidden_size, WIDTH)
        if SAVE:
            store(cells + t * hidden_size, c, hidden_size, WIDTH)
        x_i, x_f, x_g, x_o = next_i, next_f, next_g, next_o
    store(h_n + row * hidden_size, h, hidden_size, WIDTH)
    store(c_n + row * hidden_size, c, hidden_size, WIDTH)


@triton.jit(do_not_specialize=["pitch"])
def backward(
    d_output, d_h_n, d_c_n, weights, peephole, gain, c0, mask, zone, zone_c, lengths, cells, gates, products,
    d_inputs, d_products, d_h0, d_c0, scratch, steps, hidden_size, pitch, zone_row, zone_step, zone_unit,
    COUPLED: tl.constexpr, PEEPHOLES: tl.constexpr, NORM: tl.constexpr, MASKED: tl.constexpr, ZONED: tl.constexpr,
    LENGTHS: tl.constexpr, REVERSE: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, NUMBER: tl.constexpr,
    HELD: tl.constexpr,
):  # fmt: skip
    """Process one row backward: gradients of the pre-activations, of U h if normalised, of h0 and c0."""
    G: tl.constexpr = 3 if COUPLED else 4
    F: tl.constexpr = G - 3
    row = tl.program_id(0)
    last = tl.load(lengths + row).to(tl.int32) if LENGTHS else steps
    first = row.to(tl.int64) * steps * hidden_size
    d_inputs, d_products = d_inputs + first * G, d_products + first * G
    gates, products = gates + first * G, products + first * G
    d_output, cells = d_output + first, cells + first
    zone, zone_c = zone + row.to(tl.int64) * zone_row, zone_c + row.to(tl.int64) * zone_row
    scratch += row * 8 * hidden_size
    held_0 = hold(weights, 0, hidden_size, pitch, WIDTH, HELD)
    held_1 = hold(weights, 1, hidden_size, pitch, WIDTH, HELD)
    held_2 = hold(weights, 2, hidden_size, pitch, WIDTH, HELD)
    held_3 = held_2 if COUPLED else hold(weights, 3, hidden_size, pitch, WIDTH, HELD)
    if PEEPHOLES:
        peep_i = load(peephole, hidden_size, WIDTH, NUMBER)
        peep_f = load(peephole + hidden_size, hidden_size, WIDTH, NUMBER)
        peep_o = load(peephole + 2 * hidden_size, hidden_size, WIDTH, NUMBER)
    if NORM:
        gain_i, gain_f, gain_g, gain_o = load_gates(True, gain, F, hidden_size, WIDTH, NUMBER)
    if MASKED:
        kept = load(mask + row * hidden_size, hidden_size, WIDTH, NUMBER)
    start = load(c0 + row * hidden_size, hidden_size, WIDTH, NUMBER)
    d_h = load(d_h_n + row * hidden_size, hidden_size, WIDTH, NUMBER)
    d_c = load(d_c_n + row * hidden_size, hidden_size, WIDTH, NUMBER)
    # Prefetch values one step ahead, as in forward, beginning with those of the last step.
    t = 0 if REVERSE else last - 1
    before = t + 1 if REVERSE else t - 1
    here = gates + t * G * hidden_size
    i, f, g, o = load_gates(True, here, F, hidden_size, WIDTH, NUMBER)
    d_out = load(d_output + t * hidden_size, hidden_size, WIDTH, NUMBER)
    old = load_if(last > 1, cells + before * hidden_size, hidden_size, WIDTH, NUMBER)
    for step in range(last):
        t = step if REVERSE else last - 1 - step
        then = t + 1 if REVERSE else t - 1
        before = t + 2 if REVERSE else t - 2
        more = step + 1 < last
        here = gates + then * G * hidden_size
        next_i, next_f, next_g, next_o = load_gates(more, here, F, hidden_size, WIDTH, NUMBER)
        next_out = load_if(more, d_output + then * hidden_size, hidden_size, WIDTH, NUMBER)
        next_old = load_if(step + 2 < last, cells + before * hidden_size, hidden_size, WIDTH, NUMBER)
        c = tl.where(more, old, start)
        if COUPLED:
            i = 1 - f
        new_c = tanh(f * c + i * g)
        d_new = d_h + d_out
        if ZONED:
            stays = load_apart(zone + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
            stays_c = load_apart(zone_c + t * zone_step, zone_unit, hidden_size, WIDTH, NUMBER)
            d_h = stays * d_new
            d_new = (1 - stays) * d_new
            d_old = stays_c * d_c
            d_c = (1 - stays_c) * d_c
        else:
            d_h = tl.zeros_like(d_new)
            d_old = tl.zeros_like(d_new)
        d_o = d_new * new_c * o * (1 - o)
        d_c += d_new * o * (1 - new_c * new_c)
        if PEEPHOLES:
            d_c += d_o * peep_o
        d_g = d_c * i * (1 - g * g)
        if COUPLED:
            d_f = d_c * (c - g) * f * (1 - f)
            d_i = tl.zeros_like(d_f)
        else:
            d_f = d_c * c * f * (1 - f)
            d_i = d_c * g * i * (1 - i)
        d_c = d_old + d_c * f
        if PEEPHOLES:
            d_c += d_i * peep_i + d_f * peep_f
        store_gates(d_inputs + t * G * hidden_size, d_i, d_f, d_g, d_o, F, hidden_size, WIDTH)
        if NORM:
            kept_i, kept_f, kept_g, kept_o = load_gates(
                True, products + t * G * hidden_size, F, hidden_size, WIDTH, NUMBER
            )  # fmt: skip
            p_f, p_g, p_o, p_i, scale = normalise(kept_f, kept_g, kept_o, kept_i, G, hidden_size, WIDTH)
            d_f, d_g, d_o, d_i = normalise_back(
                d_f * gain_f, d_g * gain_g, d_o * gain_o, d_i * gain_i, p_f, p_g, p_o, p_i, scale, G, hidden_size, WIDTH
            )  # fmt: skip
            store_gates(d_products + t * G * hidden_size, d_i, d_f, d_g, d_o, F, hidden_size, WIDTH)
        place = scratch + (step % 2) * 4 * hidden_size
        if not HELD:  # one barrier for the vectors of all gates
            if not COUPLED:
                store(place, d_i, hidden_size, WIDTH)
            store(place + F * hidden_size, d_f, hidden_size, WIDTH)
            store(place + (F + 1) * hidden_size, d_g, hidden_size, WIDTH)
        publish(d_o, place + (F + 2) * hidden_size, hidden_size, WIDTH, HELD)
        d_seen = total(
            d_f if COUPLED else d_i, d_g if COUPLED else d_f, d_o if COUPLED else d_g, d_o, held_0, held_1, held_2,
            held_3, weights, place, hidden_size, pitch, 0, G, WIDTH, ROWS, HELD,
        )  # fmt: skip
        d_h += d_seen * kept if MASKED else d_seen
        i, f, g, o, d_out, old = next_i, next_f, next_g, next_o, next_out, next_old
    store(d_h0 + row * hidden_size, d_h, hidden_size, WIDTH)
    store(d_c0 + row * hidden_size, d_c, hidden_size, WIDTH)
