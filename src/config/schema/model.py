"""The keys of a network, ``conf/model``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from src.config.schema.entries import ALWAYS, NOTHING, Count, From0, Rate


class Model(TypedDict, total=False):
    """What our networks take; their classes check what goes with what."""

    budget: Annotated[Count | None, "what the network may cost; decides hidden_size", ALWAYS]
    budget_of: Annotated[
        Literal["recurrent", "total", "state", "flops"],
        "parameters of the recurrent layers, all parameters, numbers carried, or multiply-adds per step",
        ALWAYS,
    ]
    budget_tolerance: Annotated[From0, "largest relative error of a budget", NOTHING, ALWAYS]
    hidden_size: Annotated[Count | list[Count], "units of each layer, or a list with one number for each"]
    num_layers: Annotated[Count, "layers on top of each other"]
    layers: Annotated[list[dict[str, Any]], "layers of several kinds, from the input on: kind, hidden_size, bias, ..."]
    batch_first: Annotated[bool, "whether sequences come before time in a batch, as all tasks have it"]
    bidirectional: Annotated[bool, "read in both directions; refused where the task may not see what follows"]
    residual: Annotated[bool, "add each layer's input to its output"]
    bias: Annotated[bool | Literal["single"], "two bias vectors for each gate, as PyTorch has it; one; or none"]
    layer_norm: Annotated[bool, "normalise what enters each gate"]
    reset_after: Annotated[bool, "GRU: the reset gate after the product with the state, as PyTorch has it"]
    update_gate: Annotated[Literal["keeps", "takes"], "GRU: what an open update gate does with the old state"]
    peepholes: Annotated[bool, "LSTM: gates that see the cell state"]
    dropout: Annotated[Rate, "between layers"]
    recurrent_dropout: Annotated[Rate, "on the state, one mask for a whole sequence"]
    zoneout: Annotated[Rate, "probability that a unit keeps its old state in a step of training"]
    weight_noise: Annotated[From0, "standard deviation of Gaussian noise on the weights in training"]
    learn_initial_state: Annotated[bool, "start from a learned state instead of zeros"]
    initialisation: Annotated[Literal["pytorch", "xavier", "chung", "chrono"], "how weights are drawn"]
    retain_bias: Annotated[float, "mean bias at the start of the gate that keeps the old state"]
    chrono_steps: Annotated[Count | None, "longest dependency that initialisation=chrono expects, steps"]
    backend: Annotated[Literal["auto", "fused", "torch", "reference"], "what computes the recurrence"]
