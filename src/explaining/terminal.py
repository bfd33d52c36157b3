"""The summary that the command prints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from src.explaining.measure import LayerView
from src.explaining.run import Explained


def print_summary(runs: Sequence[Explained]) -> None:
    """One row for each layer of each run: what its gates keep, how often they are saturated, how far back it learns."""
    table = Table(
        title="At initialisation → trained; horizon and reach in steps; gates shut and open", title_justify="left"
    )
    table.add_column("run", overflow="fold", min_width=8)
    for name in ("layer", "share kept", "horizon", "reach", "shut", "open"):
        table.add_column(name, justify="left" if name == "layer" else "right", no_wrap=True)
    for entry in runs:
        for before, after in zip(entry.initial.layers, entry.trained.layers, strict=True):
            table.add_row(
                entry.label, after.name.removeprefix("layer").replace("_backward", " back"),
                pair(before.kept, after.kept, np.mean), pair(before.horizon, after.horizon, np.median),
                f"{reached(before)} → {reached(after)}", share(after, 0), share(after, 1),
            )  # fmt: skip
    console = Console()
    console.print(table)
    worst = max(entry.trained.difference for entry in runs)
    console.print(f"The recomputed states differ from the networks' own by at most {worst:.1g}.", highlight=False)


def reached(layer: LayerView) -> str:
    """The lag at which the gradient is gone; ``>`` the last lag where it is not, ``-`` where there was none."""
    lags = int(np.isfinite(layer.median).sum())
    return "-" if not lags else f">{lags - 1}" if layer.reach == lags else f"{layer.reach}"


def share(layer: LayerView, which: int) -> str:
    """Of all gates, units and steps of a layer, the share that is closed (0) or open (1)."""
    shares = [by_unit[which] for by_unit in layer.saturation.values()]
    return f"{np.mean(shares):.0%}" if shares else "-"


def pair(before: np.ndarray | None, after: np.ndarray | None, of: object) -> str:
    """Two numbers with an arrow between them, ``-`` for units without a gate that keeps."""
    if before is None or after is None:
        return "-"
    return " → ".join(f"{of(values):.2g}" for values in (before, after))  # type: ignore[operator]
