"""Bad input is refused in a sentence that names the argument, what came and what was expected."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import src.recurrent
from src.recurrent import GRU, LSTM, RNN, GRUCell, StackedRNN

X = torch.zeros(4, 6, 3)


@pytest.mark.parametrize("make", [GRU, LSTM, RNN])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 0}, "input_size: expected a positive whole number, got 0"),
        ({"hidden_size": -1}, "hidden_size: expected a positive whole number, got -1"),
        ({"hidden_size": 4.0}, "hidden_size: expected a positive whole number, got 4.0"),
        ({"hidden_size": "4"}, "hidden_size: expected a positive whole number, got '4'"),
        ({"num_layers": 0}, "num_layers: expected a positive whole number, got 0"),
        ({"hidden_size": [4, 5], "num_layers": 3}, r"hidden_size: expected one width or 3 of them .*got \[4, 5\]"),
        ({"dropout": 1.5}, r"dropout: expected a number in \[0, 1\), got 1.5"),
        ({"dropout": "high"}, "dropout: expected a number"),
        ({"zoneout": 1.0}, r"zoneout: expected a number in \[0, 1\), got 1.0"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout: expected a number"),
        ({"weight_noise": -1}, "weight_noise: expected a number"),
        ({"bias": "double"}, "bias: expected True, False or 'single', got 'double'"),
        ({"layer_norm": 1}, "layer_norm: expected True or False, got 1"),
        ({"backend": "cuda"}, "backend: expected one of auto, .*got 'cuda'"),
        ({"backend": ["fused"]}, r"backend: expected one of auto, .*got \['fused'\]"),
        ({"hidden_size": b"ab"}, "hidden_size: expected a positive whole number, got b'ab'"),
        ({"initialisation": {}}, "initialisation: expected one of pytorch, xavier, chung, chrono, got {}"),
        ({"keep_gate_bias": float("nan")}, "keep_gate_bias: expected .*, got nan"),
        ({"keep_gate_bias": "1"}, "keep_gate_bias: expected .*, got '1'"),
        ({"keep_gate_bias": None}, "keep_gate_bias: expected a finite number, got None"),
        ({"chrono_steps": 4.5}, "chrono_steps: expected a positive whole number, got 4.5"),
        ({"bidirectional": "yes"}, "bidirectional: expected True or False, got 'yes'"),
        ({"batch_first": None}, "batch_first: expected True or False, got None"),
        ({"residual": 2}, "residual: expected True or False, got 2"),
    ],
)
def test_impossible_arguments(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**{"input_size": 3, "hidden_size": 4, "num_layers": 2} | options)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "layers: expected at least one"),
        ([{"kind": "gru"}], "layers: expected kind, hidden_size"),
        ([{"kind": "gru", "hidden_size": 4, "size": 3}], "layers: expected kind"),
        ([{"kind": "elman", "hidden_size": 4}], "kind: expected one of gru, lstm, lstm_coupled, rnn, got 'elman'"),
        ([{"kind": "gru", "hidden_size": 4, "peepholes": True}], "peepholes: available for lstm only"),
        ([{"kind": "lstm", "hidden_size": 4, "reset_after": False}], "reset_after: available for gru only"),
        ([{"kind": "gru", "hidden_size": 4, "update_gate": "drops"}], "update_gate: expected 'keeps' or 'takes'"),
    ],
)
def test_impossible_layers(layers, message):
    with pytest.raises(ValueError, match=message):
        StackedRNN(3, layers)


@pytest.mark.parametrize("backend", ["torch", "reference"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(4, 6, 2),), r"input: expected 3 features \(input_size\), got 2"),
        ((torch.zeros(4, 0, 3),), "input: expected at least 1 time step, got 0"),
        ((torch.zeros(4, 6, 3, 1),), "input: expected a PackedSequence or a tensor with 2 or 3 dimensions"),
        (([1, 2],), "input: expected a PackedSequence or a tensor .* got list"),
        ((X.double(),), "input: expected the dtype of the weights, torch.float32, got torch.float64"),
        ((X.long(),), "input: expected the dtype of the weights, torch.float32, got torch.int64"),
        ((X.to("meta"),), "input: expected the device of the weights, cpu, got meta"),
        ((X, torch.zeros(1, 3, 4)), r"hx: expected a state of shape \(1, 4, 4\), got \(1, 3, 4\)"),
        ((X, (torch.zeros(1, 4, 4),) * 2), r"hx: expected a state of shape \(1, 4, 4\), got \(\(1, 4, 4\)"),
        ((X, 0), r"hx: expected a state of shape \(1, 4, 4\), got int"),
        ((X, torch.zeros(1, 4, 4).double()), "hx: expected the dtype of the weights, torch.float32, got torch.float64"),
        ((X, torch.zeros(1, 4, 4, device="meta")), "hx: expected the device of the weights, cpu, got meta"),
        ((X[0], torch.zeros(1, 2, 4)), r"hx: expected a state of shape \(1, 4\), got \(1, 2, 4\)"),
        ((X[0], torch.zeros(1, 1, 4)), r"hx: expected a state of shape \(1, 4\), got \(1, 1, 4\)"),
        ((X, torch.zeros(1, 4)), r"hx: expected a state of shape \(1, 4, 4\), got \(1, 4\)"),
        ((X.to_sparse(),), r"input: expected a dense tensor, got the layout torch.sparse_coo: use input.to_dense\(\)"),
        ((X, torch.zeros(1, 4, 4).to_sparse()), r"hx: expected a dense tensor, .* hx.to_dense\(\)"),
        ((X, None, torch.tensor([6, 6, 6])), r"lengths: expected shape \(4,\), one per row of the batch, got \(3,\)"),
        ((X, None, torch.tensor([6, 0, 6, 6])), r"lengths: expected every entry in 1..6, got 0 to 6"),
        ((X, None, torch.tensor([6, 7, 6, 6])), r"lengths: expected every entry in 1..6, got 6 to 7"),
        ((X, None, torch.ones(4)), "lengths: expected an int64 tensor on the CPU, got torch.float32 on cpu"),
        ((X, None, [6, 6, 6, 6]), "lengths: expected an int64 tensor on the CPU, got list"),
        ((X[0], None, torch.tensor([6])), "lengths: an unbatched input"),
        (
            (pack_padded_sequence(X, torch.tensor([6, 6, 6, 6]), True), None, torch.tensor([6] * 4)),
            "lengths: a PackedSequence has its own",
        ),
    ],
)
def test_impossible_input(arguments, message, backend):
    with pytest.raises(ValueError, match=message):
        GRU(3, 4, batch_first=True, backend=backend)(*arguments)


def test_other_units_are_refused():
    with pytest.raises(ValueError, match="nonlinearity: expected 'tanh' or 'relu', got 'gelu'"):
        RNN(3, 4, 1, "gelu")


def test_projections_are_the_lstms_and_narrower_than_its_units():
    with pytest.raises(ValueError, match="proj_size: expected a whole number below hidden_size=4, got 4"):
        LSTM(3, 4, proj_size=4)
    for wrong in (-1, True, 2.0):
        with pytest.raises(ValueError, match=f"proj_size: expected a whole number of at least 0, got {wrong}"):
            LSTM(3, 4, proj_size=wrong)
    with pytest.raises(ValueError, match="proj_size: available for lstm only, got 2 for gru"):
        GRU(3, 4, proj_size=2)


@pytest.mark.parametrize("backend", ["fused", "triton"])
def test_our_kernels_say_what_they_do_not_run(backend):
    for make, options, what in (
        (LSTM, {"proj_size": 2}, r"projections \(proj_size\)"),
        (RNN, {"nonlinearity": "relu"}, "rectified units"),
    ):
        kernels = "the fused kernels" if backend == "fused" else "the Triton kernels"
        with pytest.raises(ValueError, match=f"backend={backend}: {kernels} have no {what}; use backend=auto"):
            make(3, 4, backend=backend, **options)
        network = make(3, 4, **options)
        assert network.resolved_backend("cpu", torch.float32) == "torch"
        assert re.fullmatch(f"the fused kernels have no {what}", network.backend_reason("cpu", torch.float32))


def test_autocast_may_mix_dtypes():
    network = GRU(3, 4, batch_first=True, backend="reference")
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = network(X.bfloat16())
    assert output.isfinite().all()


def test_every_example_in_the_docstrings_runs():
    names = [name for _, name, _ in pkgutil.walk_packages(src.recurrent.__path__, "src.recurrent.")]
    results = {n: doctest.testmod(m, extraglobs={"torch": torch}) for n in names for m in [importlib.import_module(n)]}
    assert sum(result.attempted for result in results.values()) >= 15
    assert not [name for name, result in results.items() if result.failed]


def test_a_cell_takes_one_step():
    with pytest.raises(ValueError, match="input: expected 1 or 2 dimensions, one step of each sequence, got 3"):
        GRUCell(3, 4)(X)
