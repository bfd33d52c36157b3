"""Measurements of one run: at initialisation, trained, and for one sequence in detail."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from src.arrays import read_arrays
from src.config.errors import UserError
from src.config.schema import effect_of
from src.config.schema.entries import FILE, RESULT
from src.data.describe import Tokens
from src.explaining.measure import LayerView, View, gates_of_one, look_inside
from src.explaining.sample import sample, show
from src.figures.gradients import WHEN
from src.figures.inputs import Shown
from src.inside.gates import Gates
from src.runs.load import Run, load_run
from src.tasks.build import build_task

STAMP = re.compile(r"\d{4}-\d\d-\d\d_.*_[0-9a-f]{6}$")  # the default name of a run's directory


@dataclass(frozen=True)
class Explained:
    """One run."""

    label: str  # its model's name, with a distinction if two runs share it
    run: Run
    shown: Shown  # the first steps of the sequence to draw
    gates: list[Gates]  # while reading them
    views: dict[str, View]  # the network as initialised and with the checkpoint's weights, by `WHEN`
    along: dict[str, np.ndarray] | None  # the curves recorded by the training callback; see `src.explaining.callback`

    @property
    def layers(self) -> list[tuple[LayerView, LayerView]]:
        """Every layer in every direction, at initialisation and trained."""
        initial, trained = (view.layers for view in self.views.values())
        return list(zip(initial, trained, strict=True))


def load_all(
    directories: list[str], checkpoint: str, trust: str | Sequence[str] | None = None
) -> list[tuple[str, Run]]:
    """Load runs with distinct labels.

    Raises:
        UserError: one is not a run or is given twice, or they read different data.
    """
    places = [Path(directory).resolve() for directory in directories]
    for directory, place in zip(directories, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"run={directory} is given twice: drop one.")
    runs = [load_run(directory, checkpoint, trust=trust) for directory in directories]
    refuse_unlike_data(runs)
    return list(zip(labels(runs), runs, strict=True))


def refuse_unlike_data(runs: Sequence[Run]) -> None:
    """Refuse runs on different data, whose numbers are not comparable.

    Raises:
        UserError: two runs read different data; the message names both.
    """
    first = runs[0]
    for run in runs[1:]:
        ours, theirs = (_data(of) for of in (first, run))
        keys = [key for key in ours | theirs if ours.get(key) != theirs.get(key)]
        if keys:
            keys = keys[:1] if keys[0] == "data" else keys[:3]
            one, other = (", ".join(f"{key}={of.get(key)}" for key in keys) for of in (ours, theirs))
            raise UserError(
                f"Runs to show side by side must have read the same data, but {first.directory.name} read {one} and "
                f"{run.directory.name} {other}."
            )


def _data(run: Run) -> dict[str, Any]:
    config: dict[str, Any] = OmegaConf.to_container(run.config.data, resolve=True)  # type: ignore[assignment]
    which = {f"data.{key}": value for key, value in config.items() if key != "_target_"}
    return {"data": run.record.data_name} | {key: which[key] for key in which if effect_of(key) in (RESULT, FILE)}


def labels(runs: Sequence[Run]) -> list[str]:
    """Return names of runs in figures: their models', with a distinction for runs of the same model."""
    names = []
    for run in runs:
        alike = [other for other in runs if other.model == run.model]
        ways: list[Callable[[Run], str]] = [
            lambda r: f"seed {r.config.get('seed')}",
            lambda r: f"{OmegaConf.select(r.config, 'model.hidden_size')} units",
            lambda r: r.directory.name.rpartition("_")[2] if STAMP.match(r.directory.name) else r.directory.name,
            lambda r: r.directory.name,
        ]
        way = next((w for w in ways if len({w(other) for other in alike}) == len(alike)), lambda r: str(r.directory))
        names.append(run.model if len(alike) == 1 else f"{run.model} {way(run)}")
    return names


def explain_run(label: str, run: Run, asked: DictConfig) -> Explained:
    """Measure one run as set by ``asked``, in the keys of ``conf/explain.yaml``.

    Raises:
        UserError: the sequence does not exist, or the kind of network is unknown.
    """
    split, description = run.split(asked.split, [asked.sequence]), run.data.description
    steps = asked.shown or (40 if isinstance(description.input, Tokens) else 80)
    one = sample(split, description, asked.sequence, 1, steps)
    many = sample(split, description, asked.sequence, asked.sequences, asked.steps)
    seen = min(steps, int(one.lengths))
    gates = [
        Gates(g.layer, g.backward, g.cell, {name: value[:, :seen] for name, value in g.values.items()})
        for g in gates_of_one(run.task, one)
    ]
    tasks = zip(WHEN, (build_task(run.config, description).eval(), run.task), strict=True)
    views = {when: look_inside(task, many, asked.steps, asked.jacobians) for when, task in tasks}
    curves = run.directory / "inside" / "training.npz"
    along = read_arrays(curves) if curves.is_file() else None
    return Explained(label, run, show(run.data, one.x[0, :seen]), gates, views, along)
