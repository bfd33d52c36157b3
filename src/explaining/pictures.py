"""Draw the measurements of several runs, and save the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.explaining.run import Explained
from src.figures.canvas import save
from src.figures.gate_maps import Column, draw_gates
from src.figures.gradients import draw_along_training, draw_gradients
from src.figures.inputs import Shown
from src.figures.units import draw_horizons, draw_saturation, words
from src.inside.gates import HIGH, LOW, Gates, kept


def draw_all(folder: Path, runs: Sequence[Explained], split: str, sequence: int) -> list[Path]:
    """Draw every figure, as PNG and SVG: gates and gradients by layer, saturation, horizons, and change in training."""
    files: list[Path] = []
    what = ", ".join(dict.fromkeys(f"{e.run.record.data_name or 'data'}/{split}" for e in runs))
    for name in dict.fromkeys(g.name for e in runs for g in e.gates):
        title = f"{words(name)} while reading sequence {sequence} of {what}"
        columns = [column_of(e.label, e.shown, g) for e in runs for g in e.gates if g.name == name]
        files += save(draw_gates(columns, title), folder / f"gates_{name}")
        having = [e for e in runs if name in e.views["trained"].by_name]
        curves = {e.label: {when: view.by_name[name].curves for when, view in e.views.items()} for e in having}
        curves = {label: by_when for label, by_when in curves.items() if all(by_when.values())}
        if not curves:  # networks of the user's own, of which only the gates are known
            continue
        many = max(len(c["loss"]) for by_when in curves.values() for c in by_when.values())
        few = sorted({len(c["strongest"]) for w in curves.values() for c in w.values() if "strongest" in c})
        singular = f" (singular values: {' to '.join(map(str, few))})" if few else ""
        title = f"{words(name)}, {many} sequences of {what}{singular}"
        files += save(draw_gradients(curves, title), folder / f"gradients_{name}")
    gated = {e.label: [(old, new) for old, new in e.layers if new.horizon is not None] for e in runs}
    gated = {label: layers for label, layers in gated.items() if layers}
    if gated:
        shares = {label: [(new.name, new.saturation) for _, new in layers] for label, layers in gated.items()}
        files += save(draw_saturation(shares, LOW, HIGH, what), folder / "saturation")
        horizons = {label: [(n.name, o.horizon, n.horizon) for o, n in layers] for label, layers in gated.items()}
        files += save(draw_horizons(horizons, what), folder / "horizons")  # type: ignore[arg-type]
    along = {
        e.label: (e.along["epochs"].tolist(), list(e.along["loss"]))
        for e in runs
        if e.along is not None and e.along["loss"].size
    }
    if along:
        data = ", ".join(dict.fromkeys(f"{e.run.record.data_name or 'data'}/val" for e in runs))
        files += save(draw_along_training(along, f"Last layer, {data}, during training"), folder / "along_training")
    return files


def draw_training(folder: Path, model: str, shown: Shown, gates: Gates, along: Mapping[str, np.ndarray]) -> list[Path]:
    """Draw a newly trained run: its last layer's gates, and its gradients during training.

    ``along`` has ``epochs`` (n,) and ``loss`` (n, lags), from the training callback.
    """
    column = column_of(model, shown, gates)
    title = f"{words(gates.name)} while reading sequence 0 of validation, trained"
    files = save(draw_gates([column], title), folder / f"training_gates_{gates.name}")
    if not along["loss"].size:
        return files
    curves = {model: (along["epochs"].tolist(), list(along["loss"]))}
    title = "Last layer, validation, during training"
    return files + save(draw_along_training(curves, title), folder / "training_gradients")


def column_of(model: str, shown: Shown, gates: Gates) -> Column:
    """Return one layer while it read one sequence, with units sorted by what they keep, or by mean state."""
    share = kept(gates)
    order = np.argsort(np.nanmean(gates.values["hidden"] if share is None else share, axis=(0, 1)), kind="stable")
    values = {gate: v[0] for gate, v in gates.values.items()}
    return Column(model, shown, values, order.tolist(), gates.cell.convention)
