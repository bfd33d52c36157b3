"""The result of an answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task

if TYPE_CHECKING:
    import pandas as pd

PAGE, NUMBERS = "answer.html", "answer.json"


@dataclass(frozen=True)
class Row:
    """The numbers of a model or of a trivial predictor."""

    name: str
    test: float | None  # the metric; for models the mean over their runs
    interval: str = ""  # of that mean, 95 %
    runs: int = 0
    parameters: int | None = None
    training_seconds: float | None = None  # median of a run
    milliseconds: float | None = None  # of the exported network for one sequence
    memory_mb: float | None = None  # of the exported network


@dataclass
class Answer:
    """The result of an answer.

    >>> Answer("no verdict", "Nothing was trained.", Path("x")).verdict
    'no verdict'
    """

    verdict: str  # ``gru better``, ``practically the same``, ``undecided`` or ``no verdict``
    sentence: str  # its full statement
    folder: Path  # folder with all files
    metric: str = ""  # test metric
    rows: list[Row] = field(default_factory=list)
    run: Path | None = None  # folder of the run ready for use
    run_test: float | None = None  # test metric of that run
    remarks: list[str] = field(default_factory=list)  # what would change the verdict, what is missing, what to try
    small_print: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)  # reasons to distrust it, serious ones first
    commands: dict[str, str] = field(default_factory=dict)  # by purpose
    minutes: float = 0.0  # of running time
    summary: Summary | None = None  # every number, as ``gatebench compare`` has it; None before the first final run

    @property
    def page(self) -> Path:
        """The report, starting with the verdict."""
        return self.folder / PAGE

    @property
    def table(self) -> pd.DataFrame:
        """One row for each model and each trivial predictor, by ``name``; columns as in :class:`Row`."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows], columns=[*Row.__dataclass_fields__]).set_index("name")

    @property
    def headline(self) -> tuple[Task | None, Comparison | None]:
        """The data set and comparison of the verdict; None before the first pair."""
        return next(iter(self.summary.headline() if self.summary else []), (None, None))

    def plain(self) -> dict[str, Any]:
        """Return everything as plain containers, without the summary, which is in ``report/summary.json``."""
        kept = {key: value for key, value in vars(self).items() if key not in ("summary", "rows")}
        kept |= {"folder": str(self.folder), "run": self.run and str(self.run)}
        return kept | {"table": [asdict(row) for row in self.rows]}
