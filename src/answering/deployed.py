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

FORESEEN = ("onnxruntime", "numpy")  # imported beforehand by the process that measures memory
ROUNDS = 9  # the fastest counts, because other load only makes it slower
FILE = "model.onnx"


@dataclass(frozen=True)
class Deployed:
    """An exported network on this machine, in one thread."""

    milliseconds: float  # for one sequence
    memory_mb: float | None  # beyond the runtime itself; None if the system does not report it


def deployed(runs: dict[str, Path], steps: int) -> dict[str, Deployed | str]:
    """Export each run's best weights next to them, and measure the graphs; return a sentence if that is impossible.

    Args:
        runs: the directory of each model's run.
        steps: length of the input sequence.
    """
    made = {model: _exported(run) for model, run in runs.items()}
    costs = measured({model: path for model, path in made.items() if isinstance(path, Path)}, steps)
    return {model: costs[model] if isinstance(path, Path) else path for model, path in made.items()}


def _exported(run: Path) -> Path | str:
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
    except ImportError as error:
        return f"Not exported, because {error.name} is not installed: pip install -e '.[export]' in GateBench's clone."
    except UserError as error:
        return str(error)
    return path


def measured(graphs: dict[str, Path], steps: int) -> dict[str, Deployed]:
    """Measure time and memory of graphs on one sequence, in turns, so that other load affects all of them."""
    from src.measuring.clock import repeats_for, time_steps, warm_up
    from src.measuring.peak_memory import peak_mb

    cpu = torch.device("cpu")
    work = {model: reading(str(path), steps) for model, path in graphs.items()}
    repeats = {model: repeats_for(warm_up(one, cpu)) for model, one in work.items()}
    rounds = [
        {model: time_steps(one, repeats[model], cpu).seconds for model, one in work.items()} for _ in range(ROUNDS)
    ]
    return {
        model: Deployed(
            1e3 * min(times[model] for times in rounds), peak_mb(reading, str(path), steps, preload=FORESEEN)
        )
        for model, path in graphs.items()
    }


def reading(path: str, steps: int) -> Callable[[], Any]:
    """Return a function that runs a graph on one sequence of zeros, with one thread."""
    graph = session(path)
    first = graph.get_inputs()[0]
    features = first.shape[2:]
    x = np.zeros((1, steps, *features), dtype=np.float32 if features else np.int64)
    given = {first.name: x, "lengths": np.array([steps])}
    return lambda: graph.run(None, given)
