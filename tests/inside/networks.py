"""Networks of every kind with weights that are not small, in float64."""

from functools import partial

import torch

from src.recurrent import GRU, LSTM, RNN, RNNBase, StackedRNN

NETWORKS = {
    "gru": partial(GRU, hidden_size=4),
    "gru of the papers": partial(GRU, hidden_size=4, reset_after=False, bias="single", update_gate="takes"),
    "gru with zoneout": partial(GRU, hidden_size=4, zoneout=0.25),
    "gru, normalised": partial(GRU, hidden_size=4, layer_norm=True),
    "gru, both ways": partial(GRU, hidden_size=4, num_layers=2, bidirectional=True, residual=True),
    "lstm": partial(LSTM, hidden_size=3, num_layers=2, residual=True),
    "lstm with peepholes": partial(LSTM, hidden_size=3, peepholes=True, learn_initial_state=True, zoneout=0.1),
    "lstm, projected": partial(LSTM, hidden_size=3, num_layers=2, proj_size=2),
    "lstm, coupled": partial(RNNBase, "lstm_coupled", hidden_size=3),
    "rnn": partial(RNN, hidden_size=4),
    "rnn, rectified": partial(RNN, hidden_size=4, nonlinearity="relu"),
    "mixed": partial(StackedRNN, layers=[{"kind": "lstm", "hidden_size": 3}, {"kind": "gru", "hidden_size": 4}]),
}
FORWARD = [name for name in NETWORKS if "both" not in name]


def make(name, input_size=3):
    torch.manual_seed(0)
    network = NETWORKS[name](input_size, batch_first=True, dtype=torch.float64)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    return network.eval()


def sequences(batch=3, time=7):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, time, 3, dtype=torch.float64, generator=generator)
    return x, torch.tensor([time, time - 3, 1][:batch])
