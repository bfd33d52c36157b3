"""What is to be measured, checked: every mistake is named before a network is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmarks.contenders import BACKENDS, CELLS, MODES, PRECISIONS, Case, Shape
from benchmarks.peers import PEERS
from src.config.errors import UserError, nearest


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
    shapes = [read_shape(shape) for shape in as_list("shapes", given["shapes"])]
    cells = names("cells", given["cells"], list(CELLS))
    backends = names("backends", given["backends"], list(BACKENDS), may_be_empty=True)
    peers = names("peers", given["peers"], list(PEERS), may_be_empty=True)
    modes = names("modes", given["modes"], list(MODES))
    threads = [whole("thread_counts", number) for number in as_list("thread_counts", given["thread_counts"])]
    minutes, device = given["minutes"], given["device"]
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes <= 0:
        raise UserError(f"minutes={minutes} is impossible: it must be a number above 0.")
    if not isinstance(given["memory"], bool):
        raise UserError(f"memory={given['memory']} is impossible: it must be true or false.")
    refuse_device(device)
    (precision,) = names("precision", [given["precision"]], list(PRECISIONS))
    cases = [Case(shape, mode, number, precision) for mode in modes for number in threads for shape in shapes]
    rounds = whole("rounds", given["rounds"])
    return Settings(
        cases,
        cells,
        backends,
        peers,
        rounds,
        60.0 * minutes,
        device,
        given["memory"] and device == "cpu",
        given["seed"],
    )


def read_shape(given: Any) -> Shape:
    """Four positive whole numbers.

    Raises:
        UserError: it is something else.
    """
    right = isinstance(given, list) and len(given) == 4
    if not right or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in given):
        raise UserError(
            f"shapes has {given}: a shape is four whole numbers of at least 1, [batch, time, input_size, hidden_size], "
            "as in 'shapes=[[8,160,88,46]]'."
        )
    return Shape(*given)


def names(key: str, given: Any, known: Sequence[str], may_be_empty: bool = False) -> list[str]:
    """A list of known names, each once.

    Raises:
        UserError: one is unknown, or there is none.
    """
    given = as_list(key, given, may_be_empty)
    for name in given:
        if name not in known:
            raise UserError(f"{key} has {name}{nearest(str(name), list(known))}: it may have {', '.join(known)}.")
    return list(dict.fromkeys(given))


def as_list(key: str, given: Any, may_be_empty: bool = False) -> list[Any]:
    """The list itself.

    Raises:
        UserError: it is none, or empty.
    """
    if not isinstance(given, list) or (not given and not may_be_empty):
        raise UserError(
            f"{key}={given} is impossible: it must be a list{'' if may_be_empty else ' that is not empty'}."
        )
    return given


def whole(key: str, given: Any) -> int:
    """A positive whole number.

    Raises:
        UserError: it is something else.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise UserError(f"{key}={given} is impossible: it must be made of whole numbers of at least 1.")
    return given


def refuse_device(device: Any) -> None:
    """Refuse a device that this machine has not.

    Raises:
        UserError: says which there are.
    """
    import torch

    if device not in ("cpu", "cuda"):
        raise UserError(f"device={device} is unknown: it must be cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda needs a CUDA device and this machine has none: use device=cpu.")
