"""A finished run as an object: its results, its predictions, and a look inside."""

from __future__ import annotations

import base64
import html
import tempfile
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.api.data import DIALECT, is_kept, kept
from src.api.words import for_python
from src.config.compose import compose
from src.config.digits import three
from src.config.errors import UserError
from src.data import CSV
from src.files import from_here
from src.runs.load import Run, load_run
from src.runs.record import read_record
from src.runs.result import RunResult
from src.tasks.base import SPLITS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Fitted:
    """A finished run in its folder, as returned by :func:`gatebench.fit`.

    >>> Fitted(Path("runs/mine")).metrics["test/acc"]  # doctest: +SKIP
    0.973
    """

    path: Path  # the run's folder
    trust: str | None = field(default=None)  # the module of the network, if it is the user's own

    def __fspath__(self) -> str:
        """Return the folder, so that a run can be used as a path: ``gatebench.compare(folders=[a, b])``."""
        return str(self.path)

    @property
    def record(self) -> RunResult:
        """The run's record, ``result.json``.

        Raises:
            UserError: the folder has no record.
        """
        record = read_record(self.path)
        if record is None:
            raise UserError(f"{self.path} has no result.json: it must be the folder of a run.")
        return record

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the best epoch, as ``train/``, ``val/`` and ``test/NAME``; empty for a diverged run."""
        return dict(self.record.metrics)

    @property
    def model(self) -> str:
        """The name of the model's config, or of the user's own class."""
        return self.record.model or ""

    @property
    def notes(self) -> list[str]:
        """What was inferred or skipped when the data were read, in sentences."""
        return [for_python(str(note)) for key, note in self.record.data.notes.items() if key.startswith("note_")]

    @cached_property
    def run(self) -> Run:
        """The loaded run, including ``task`` (with its ``network``) and ``data``."""
        return load_run(self.path, trust=self.trust)

    def predict(self, new: Any, *, steps_ahead: int | None = None) -> pd.DataFrame:
        """Predict new data with the layout of the training data, in the columns of ``gatebench predict``.

        Args:
            new: data as for :func:`gatebench.fit`; targets may be missing.
            steps_ahead: rows to forecast; None: as many as in training.

        Raises:
            UserError: the data do not match the run.
        """
        import pandas as pd

        from src.predict import predicted

        written = isinstance(new, str | Path)
        with tempfile.TemporaryDirectory() as folder:
            path = str(new) if written else str(kept(new, None, Path(folder), "new"))
            try:
                return pd.DataFrame(predicted(self._reading(written), path, steps_ahead))
            except UserError as error:
                raise UserError(for_python(str(error), path)) from None

    def _reading(self, written: bool) -> Run:
        """Return the run with data that read a file of the user's (``written``), or one made here from memory.

        The two may differ in separator and decimal sign, e.g. if the training file has decimal commas.
        """
        data = self.run.data
        if not isinstance(data, CSV) or (written and not is_kept(Path(data.path))):
            return self.run
        data = copy(data)
        data.dialect = data.dialect | (dict.fromkeys(DIALECT) if written else {**DIALECT, "encoding": "utf-8"})
        data.decimals = ()
        return replace(self.run, data=data)

    def evaluate(self, split: str = "test") -> dict[str, float]:
        """Evaluate a split (``"val"``, ``"test"``) again, and compare the metrics with the record.

        Raises:
            UserError: the metrics differ by more than rounding.
        """
        from src.evaluate import evaluate

        return evaluate(compose("evaluate", {"run": str(self.path), "split": split, "trust": self.trust}), shown=False)

    def explain(self, **settings: Any) -> Pictures:
        """Measure and draw gates, memory and gradients through time; a notebook shows the figures.

        Args:
            settings: keys of ``conf/explain.yaml``, e.g. ``sequence=3``, ``sequences=8``, ``output="inside"``.

        Raises:
            UserError: a setting is unknown, or a network of your own does not expose its gates.
        """
        from src.explain import explain

        return Pictures(explain(compose("explain", {"run": str(self.path), "trust": self.trust, **settings})))

    def __repr__(self) -> str:
        """Return the run and its results in one line."""
        record = self.record
        said = [f"test {name} {three(value)}" for name, value in _of(record.metrics, "test").items()][:2]
        best = f", best of {record.timing.epochs} epochs {record.best.epoch}" if record.best and record.timing else ""
        return f"<{record.name}: {', '.join(said) or record.status}{best}; {self._place}>"

    @property
    def _place(self) -> str:
        return str(from_here(self.path))

    def _repr_html_(self) -> str:
        """Return the table of metrics with trivial baselines, and inferences about the data."""
        record = self.record
        splits = [split for split in SPLITS if _of(record.metrics, split)]
        kinds = sorted({key.rpartition("/")[0] for key in record.baselines})
        rows = [["metric", *splits, *kinds]]
        for name in dict.fromkeys(key.partition("/")[2] for key in record.metrics):
            if name != "loss":  # also present under the task's own name
                values = [record.metrics.get(f"{split}/{name}") for split in splits]
                values += [record.baselines.get(f"{kind}/{name}") for kind in kinds]
                rows.append([name, *map(three, values)])
        cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
        table = "".join(f"<tr>{row}</tr>" for row in cells)
        below = "<br>".join(html.escape(text) for text in (*self.notes, self._place))
        return f"<b>{html.escape(record.name or '')}</b><table>{table}</table><small>{below}</small>"


class Pictures(list[Path]):
    """The files of :meth:`Fitted.explain`; a notebook shows the images."""

    def _repr_html_(self) -> str:
        """The PNG files, embedded."""
        shown = (base64.b64encode(file.read_bytes()).decode() for file in self if file.suffix == ".png")
        return "".join(f'<img src="data:image/png;base64,{content}" style="max-width: 100%">' for content in shown)


def _of(metrics: Mapping[str, float], split: str) -> dict[str, float]:
    return {
        name.partition("/")[2]: value
        for name, value in metrics.items()
        if name.startswith(f"{split}/") and name != f"{split}/loss"
    }
