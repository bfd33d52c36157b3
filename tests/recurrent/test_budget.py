from __future__ import annotations

import pytest

from src.recurrent import GRU, LSTM, RNN, Stack, count_parameters

I, H = 7, 5  # noqa: E741


@pytest.mark.parametrize(
    ("network", "recurrent", "effective"),
    [
        (GRU(I, H), 3 * H * (I + H + 2), 3 * H * (I + H + 1) + H),
        (GRU(I, H, reset_after=False), 3 * H * (I + H + 2), 3 * H * (I + H + 1)),
        (GRU(I, H, bias="single"), 3 * H * (I + H + 1), 3 * H * (I + H + 1)),
        (GRU(I, H, bias=False), 3 * H * (I + H), 3 * H * (I + H)),
        (LSTM(I, H), 4 * H * (I + H + 2), 4 * H * (I + H + 1)),
        (LSTM(I, H, peepholes=True), 4 * H * (I + H + 2) + 3 * H, 4 * H * (I + H + 1) + 3 * H),
        (RNN(I, H), H * (I + H + 2), H * (I + H + 1)),
        (LSTM(I, H, layer_norm=True), 4 * H * (I + H + 4), 4 * H * (I + H + 3)),
        (LSTM(I, H, learn_initial_state=True), 4 * H * (I + H + 2) + 2 * H, 4 * H * (I + H + 1) + 2 * H),
        (
            GRU(I, H, 2, bidirectional=True),
            2 * 3 * H * (I + H + 2) + 2 * 3 * H * (2 * H + H + 2),
            2 * (3 * H * (I + H + 1) + H) + 2 * (3 * H * (2 * H + H + 1) + H),
        ),
        (
            Stack(I, [{"kind": "gru", "hidden_size": H}, {"kind": "rnn", "hidden_size": 3, "bias": "single"}]),
            3 * H * (I + H + 2) + 3 * (H + 3 + 1),
            3 * H * (I + H + 1) + H + 3 * (H + 3 + 1),
        ),
    ],
)
def test_counts(network, recurrent, effective):
    assert count_parameters(network) == {"recurrent": recurrent, "effective": effective}
