"""Everything that is known of the inside of one run: at initialisation, trained, and for one sequence in detail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.config import Mistake
from src.explaining.measure import View, gates_of_one, look_inside
from src.explaining.sample import sample, show
from src.figures.inputs import Shown
from src.inside.gates import Gates
from src.runs.load import Run, load_run
from src.tasks.build import build_task


@dataclass(frozen=True)
class Asked:
    """What is looked at.

    Args:
        split: of the data.
        sequence: which one is shown in detail, and the first of those that are measured.
        sequences: how many are measured.
        steps: how many are read of sequences that may be cut, and lags of the Jacobians.
        shown: steps of the one sequence that are drawn.
        jacobians: for how many sequences Jacobians are computed; None: as many as take a minute or two.
    """

    split: str
    sequence: int
    sequences: int
    steps: int
    shown: int
    jacobians: int | None


@dataclass(frozen=True)
class Explained:
    """One run.

    Args:
        label: its model's name, with the directory's where two runs have the same.
        run: as loaded.
        shown: the sequence that is drawn.
        gates: of that sequence, its first steps.
        initial: the network as its seed draws it.
        trained: with the weights of the checkpoint.
        along: the curves that the training callback left, or None; see `src.explaining.callback`.
    """

    label: str
    run: Run
    shown: Shown
    gates: list[Gates]
    initial: View
    trained: View
    along: dict[str, np.ndarray] | None


def load_all(directories: list[str], checkpoint: str) -> list[tuple[str, Run]]:
    """Runs with a label for each, different from one another.

    Raises:
        Mistake: one is no run, or stands there twice.
    """
    places = [Path(directory).resolve() for directory in directories]
    for directory, place in zip(directories, places, strict=True):
        if places.count(place) > 1:
            raise Mistake(f"run={directory} is given twice: each run needs to be given once.")
    runs = [load_run(directory, checkpoint) for directory in directories]
    models = [run.model for run in runs]
    unique = [run.model if models.count(run.model) == 1 else f"{run.model} {run.directory.name}" for run in runs]
    return list(zip(unique, runs, strict=True))


def explain_run(label: str, run: Run, asked: Asked) -> Explained:
    """Look into one run.

    Raises:
        Mistake: there is no such sequence, or its network is not known.
    """
    split, description = run.split(asked.split, [asked.sequence]), run.data.description
    one = sample(split, description, asked.sequence, 1, asked.shown)
    many = sample(split, description, asked.sequence, asked.sequences, asked.steps)
    seen = min(asked.shown, int(one.lengths))
    gates = [
        Gates(g.layer, g.backward, g.cell, {name: value[:, :seen] for name, value in g.values.items()})
        for g in gates_of_one(run.task, one)
    ]
    fresh = build_task(run.config, description).eval()
    initial, trained = (look_inside(task, many, asked.steps, asked.jacobians) for task in (fresh, run.task))
    kept = run.directory / "inside" / "training.npz"
    along = None
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as found:
            along = dict(found)
    return Explained(label, run, show(run.data, one.x[0, :seen]), gates, initial, trained, along)
