"""Keys of a network: ``conf/model``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from src.config.schema.entries import NOTHING, Count, From0, Key, Rate

Width = Annotated[int, Ge(1), Le(1 << 16)]  # a layer of this width has a few 10^10 weights

MODEL = {  # each network takes some of these keys, and its class checks which go together
    "budget": Key(Count | None, "cost limit of the network, from which hidden_size is solved", always=True),
    "budget_of": Key(
        Literal["recurrent", "total", "state", "flops", "seconds"],
        "what the budget limits: parameters of the recurrent layers, all parameters, numbers carried as state, "
        "multiply-adds per step, or measured microseconds per training step",
        always=True,
    ),
    "budget_tolerance": Key(
        From0,
        "largest relative cost difference between two networks with the same budget (twice the error of each)",
        NOTHING,
        always=True,
    ),
    "hidden_size": Key(Width | list[Width], "units per layer, or a list with one number per layer"),
    "kind": Key(str, "name of the cell, one of src/recurrent/cells"),
    "num_layers": Key(Annotated[int, Ge(1), Le(1000)], "number of stacked layers"),
    "layers": Key(list[dict[str, Any]], "layers of different kinds, input first: kind, hidden_size, bias, ..."),
    "batch_first": Key(Literal[True], "batches are (batch, time, features), as every task expects"),
    "bidirectional": Key(bool, "read in both directions; not allowed if the task must not see the future"),
    "residual": Key(bool, "add each layer's input to its output, from the second layer on"),
    "bias": Key(bool | Literal["single"], "true: two bias vectors per gate, as in PyTorch; single: one; false: none"),
    "layer_norm": Key(bool, "layer normalisation of the gate pre-activations"),
    "reset_after": Key(bool, "GRU: apply the reset gate after the recurrent product, as in PyTorch"),
    "update_gate": Key(
        Literal["keeps", "takes"], "GRU: whether an open update gate keeps the old state or takes the new"
    ),
    "peepholes": Key(bool, "LSTM: peephole connections from the cell state to the gates"),
    "proj_size": Key(Count | None, "LSTM: output projection size, below hidden_size; null: no projection"),
    # One spelling only: with both "tanh" and null the same run would have two identities.
    "nonlinearity": Key(Literal["relu"] | None, "RNN: the activation of its units; null: tanh"),
    "dropout": Key(Rate, "dropout between layers"),
    "recurrent_dropout": Key(Rate, "dropout on the state, with one mask per sequence"),
    "zoneout": Key(Rate, "probability that a unit keeps its old state in a training step"),
    "weight_noise": Key(From0, "standard deviation of Gaussian noise added to the weights in training"),
    "learn_initial_state": Key(bool, "start from a learned state instead of zeros"),
    "initialisation": Key(Literal["pytorch", "xavier", "chung", "chrono"], "weight initialisation scheme"),
    "keep_gate_bias": Key(float, "initial mean bias of the gate that keeps the old state"),
    "chrono_steps": Key(Count | None, "longest dependency assumed by initialisation=chrono, in steps"),
    "backend": Key(Literal["auto", "fused", "torch", "triton", "reference"], "implementation that runs the recurrence"),
}
