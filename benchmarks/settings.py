"""Settings of benchmarks, checked before a network is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf

from benchmarks.contenders import BACKENDS, CELLS, MODES, PRECISIONS, Case, Shape
from benchmarks.peers import PEERS
from src.config.errors import UserError, nearest
from src.config.rules import check_values
from src.config.schema.entries import Above0, Count, Key, Text, That, Whole

SOME = That(bool, "with at least one item")
FourCounts = Annotated[list[Count], That(lambda shape: len(shape) == 4, "with exactly four items")]
_FILES = {
    "directory": Key(Text, "folder for the result"),
    "results": Key(Text | None, "an earlier result to tabulate instead of measuring"),
    "table": Key(Text | None, "a page whose marked section the tables replace"),
}
_MEASURED = {
    "backends": Key(list[Text], "our backends; the baseline is always included"),
    "modes": Key(Annotated[list[Text], SOME], "training or inference"),
    "thread_counts": Key(Annotated[list[Count], SOME], "numbers of threads, with one table for each"),
    "rounds": Key(Count, "smallest number of rounds per case"),
    "minutes": Key(Above0, "time budget in minutes; what is left goes to the fast cases"),
    "device": Key(Literal["cpu", "cuda"], "device that computes"),
    "seed": Key(Whole, "seed of weights and input"),
}
STEPS = {
    "shapes": Key(Annotated[list[FourCounts], SOME], "shapes (batch, time, input_size, hidden_size)"),
    "cells": Key(Annotated[list[Text], SOME], "cells, as named in benchmarks/contenders.py"),
    "peers": Key(list[Text], "other libraries"),
    "precision": Key(Text, "32-true, or bf16-mixed: forward passes under autocast"),
    "picture": Key(bool, "also draw the figure"),
    "memory": Key(bool, "also measure the peak memory of a step, in new processes"),
    **_MEASURED,
    **_FILES,
}
COST = {
    "widths": Key(Annotated[list[Count], SOME], "units"),
    "lengths": Key(Annotated[list[Count], SOME], "steps"),
    "batch": Key(Count, "sequences"),
    "input_size": Key(Count, "features of a step"),
    **_MEASURED,
    **_FILES,
}
PUBLISHED = {
    "records": Key(Text, "a folder with a folder of records for each study"),
    "superseded": Key(list[Text], "studies that a later one replaces"),
    "table": Key(Text | None, "a page whose marked section the table replaces"),
    "figure": Key(Text | None, "path of the figure without extension"),
}
PLANNED = {
    "studies": Key(Annotated[list[Text], SOME], "studies under experiments/"),
    "seconds": Key(Above0, "seconds to measure, per data set and model"),
    "table": Key(Text | None, "a page whose marked section the table replaces"),
}
GPU = {
    "steps": Key(Annotated[list[Text], SOME], "steps, as named in benchmarks/gpu_parts.py"),
    "parts": Key(list[Text] | None, "only these parts of the steps"),
    "minutes": Key(Above0, "time budget for all parts"),
    "device": _MEASURED["device"],
    "commit": Key(Text | None, "commit of the code, if its .git is missing"),
    "out": Key(Text, "folder for the results"),
    "results": Key(list[Text] | None, "earlier results to tabulate instead of measuring"),
    "table": _FILES["table"],
}
RATES = {
    "studies": Key(Count, "number of simulated studies"),
    "seed": _MEASURED["seed"],
    "table": _FILES["table"],
}
SESSIONS = {
    "number": Key(Count, "number of sessions"),
    "seed": _MEASURED["seed"],
    "processes": Key(Count, "number of parallel processes"),
}


@dataclass(frozen=True)
class Settings:
    """The checked settings of a benchmark; ``benchmarks/conf/steps.yaml`` says what each means.

    Args:
        cases: every shape in every mode at every number of threads.
        cells: keys of ``CELLS``.
        backends: of ``BACKENDS``.
        peers: of ``PEERS``.
        rounds: at least so many in each case.
        seconds: the budget for all rounds.
        device: ``cpu`` or ``cuda``.
        memory: whether peak memory is measured.
        seed: of weights and input.
    """

    cases: list[Case]
    cells: list[str]
    backends: list[str]
    peers: list[str]
    rounds: int
    seconds: float
    device: str
    memory: bool
    seed: int


def read_settings(cfg: DictConfig) -> Settings:
    """Check a composed config.

    Raises:
        UserError: names the key, what came and what was expected.
    """
    given: Any = OmegaConf.to_container(cfg, resolve=True)
    check_values(given, keys=STEPS)
    shapes = [Shape(*shape) for shape in given["shapes"]]
    cells = names("cells", given["cells"], list(CELLS))
    backends = names("backends", given["backends"], list(BACKENDS))
    peers = names("peers", given["peers"], list(PEERS))
    modes = names("modes", given["modes"], list(MODES))
    device = given["device"]
    refuse_device(device)
    (precision,) = names("precision", [given["precision"]], list(PRECISIONS))
    cases = [
        Case(shape, mode, number, precision)
        for mode in modes for number in given["thread_counts"] for shape in shapes
    ]  # fmt: skip
    return Settings(
        cases,
        cells,
        backends,
        peers,
        given["rounds"],
        60.0 * given["minutes"],
        device,
        given["memory"] and device == "cpu",
        given["seed"],
    )


def names(key: str, given: Sequence[str], known: Sequence[str]) -> list[str]:
    """A list of known names, each once.

    Raises:
        UserError: one is unknown.
    """
    for name in given:
        if name not in known:
            raise UserError(f"{key} has {name}{nearest(str(name), list(known))}: choose from {', '.join(known)}.")
    return list(dict.fromkeys(given))


def refuse_device(device: Any) -> None:
    """Refuse a device that this machine lacks.

    Raises:
        UserError: says which there are.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda needs a CUDA device, but this machine has none: use device=cpu.")
