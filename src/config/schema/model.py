"""The keys of a network, ``conf/model``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from src.config.schema.entries import NOTHING, Count, From0, Key, Rate

Width = Annotated[int, Ge(1), Le(1 << 16)]  # a layer of so many units has a few 10^10 weights

MODEL = {  # each network takes some of it, and its class checks what goes with what
    "budget": Key(Count | None, "what the network may cost; decides hidden_size", always=True),
    "budget_of": Key(
        Literal["recurrent", "total", "state", "flops", "seconds"],
        "parameters of the recurrent layers, all parameters, numbers carried, multiply-adds per step, or measured "
        "microseconds of a training step",
        always=True,
    ),
    "budget_tolerance": Key(
        From0,
        "largest relative difference of two networks of the same budget, so twice the error of one",
        NOTHING,
        always=True,
    ),
    "hidden_size": Key(Width | list[Width], "units of each layer, or a list with one number for each"),
    "kind": Key(str, "the cell of a network that is named by its cell: one of src/recurrent/cells"),
    "num_layers": Key(Annotated[int, Ge(1), Le(1000)], "layers on top of each other"),
    "layers": Key(list[dict[str, Any]], "layers of several kinds, from the input on: kind, hidden_size, bias, ..."),
    "batch_first": Key(Literal[True], "sequences come before time in a batch, as all tasks have it"),
    "bidirectional": Key(bool, "read in both directions; refused where the task may not see what follows"),
    "residual": Key(bool, "add each layer's input to its output"),
    "bias": Key(bool | Literal["single"], "two bias vectors for each gate, as PyTorch has it; one; or none"),
    "layer_norm": Key(bool, "normalise what enters each gate"),
    "reset_after": Key(bool, "GRU: the reset gate after the product with the state, as PyTorch has it"),
    "update_gate": Key(Literal["keeps", "takes"], "GRU: what an open update gate does with the old state"),
    "peepholes": Key(bool, "LSTM: gates that see the cell state"),
    "proj_size": Key(Count | None, "LSTM: features to which the output is projected, fewer than the units; null: not"),
    # One name for each network: with "tanh" beside null the same run would have two identities.
    "nonlinearity": Key(Literal["relu"] | None, "RNN: the activation of its units; null: tanh"),
    "dropout": Key(Rate, "between layers"),
    "recurrent_dropout": Key(Rate, "on the state, one mask for a whole sequence"),
    "zoneout": Key(Rate, "probability that a unit keeps its old state in a step of training"),
    "weight_noise": Key(From0, "standard deviation of Gaussian noise on the weights in training"),
    "learn_initial_state": Key(bool, "start from a learned state instead of zeros"),
    "initialisation": Key(Literal["pytorch", "xavier", "chung", "chrono"], "how weights are drawn"),
    "keep_gate_bias": Key(float, "mean bias at the start of the gate that keeps the old state"),
    "chrono_steps": Key(Count | None, "longest dependency that initialisation=chrono expects, steps"),
    "backend": Key(Literal["auto", "fused", "torch", "triton", "reference"], "what computes the recurrence"),
}
