"""The cost of a network in use: its run as an exported graph, timed on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.config.errors import UserError
from src.exporting.session import session

FORSEEN = ("onnxruntime", "numpy")  # imported beforehand by the process that measures memory
ROUNDS = 7  # the fastest counts, because other load only makes it slower
FILE = "model.onnx"


@dataclass(frozen=True)
class Deployed:
    """An exported network on this machine, in one thread."""

    path: str  # path of the graph
    bytes: int
    milliseconds: float  # for one sequence
    steps: int  # of that sequence
    memory_mb: float | None  # beyond the runtime itself; None if the system does not report it


def deployed(run: Path, steps: int) -> Deployed | str:
    """Export a run's best weights next to them, and measure the graph; return a sentence if that is impossible.

    Args:
        run: its directory.
        steps: length of the input sequence.
    """
    try:
        from src.exporting.check import check
        from src.exporting.model import to_onnx
        from src.files import output, write_atomically
        from src.runs.load import load_run

        loaded = load_run(run, read_data=False)
        model = to_onnx(loaded.task, facts={"run": str(loaded.record.name), "id": loaded.record.id})
        check(model, loaded.task)
        path = output(run / FILE, run)
        content = model.SerializeToString()
        write_atomically(path, lambda out: out.write(content))
        return measured(path, steps)
    except ImportError as error:
        return f"Not exported, because {error.name} is not installed: pip install -e '.[export]' in GateBench's clone."
    except UserError as error:
        return str(error)


def measured(path: Path, steps: int) -> Deployed:
    """Measure time and memory of a graph on one sequence."""
    from src.measuring.clock import repeats_for, time_steps, warm_up
    from src.measuring.peak_memory import peak_mb

    work, cpu = reading(str(path), steps), torch.device("cpu")
    repeats = repeats_for(warm_up(work, cpu))
    seconds = min(time_steps(work, repeats, cpu).seconds for _ in range(ROUNDS))
    memory = peak_mb(reading, str(path), steps, preload=FORSEEN)
    return Deployed(str(path), path.stat().st_size, 1e3 * seconds, steps, memory)


def reading(path: str, steps: int) -> Callable[[], Any]:
    """Return a function that runs a graph on one sequence of zeros, with one thread."""
    graph = session(path)
    first = graph.get_inputs()[0]
    features = first.shape[2:]
    x = np.zeros((1, steps, *features), dtype=np.float32 if features else np.int64)
    given = {first.name: x, "lengths": np.array([steps])}
    return lambda: graph.run(None, given)
