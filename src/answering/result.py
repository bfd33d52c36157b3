"""What an answer is, once minutes are over."""

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
    """What stands beside a model, or what a trivial predictor reaches."""

    name: str
    test: float | None  # the metric; of models the mean over their runs
    interval: str = ""  # of that mean, 95 %
    runs: int = 0
    parameters: int | None = None
    training_seconds: float | None = None  # of a run, median
    milliseconds: float | None = None  # of the exported network for one sequence
    memory_mb: float | None = None  # of that


@dataclass
class Answer:
    """What came out.

    >>> Answer("no verdict", "Nothing was trained.", Path("x")).verdict
    'no verdict'
    """

    verdict: str  # ``gru better``, ``practically the same``, ``undecided`` or ``no verdict``
    sentence: str  # how it is meant
    folder: Path  # everything lies there
    metric: str = ""  # of the test
    rows: list[Row] = field(default_factory=list)
    run: Path | None = None  # the folder of the run that is ready to be used
    run_test: float | None = None  # what that one run reached on the test set
    remarks: list[str] = field(default_factory=list)  # what would change it, what is missing, what could be tried
    small_print: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)  # reasons to distrust it, those that may change it first
    commands: dict[str, str] = field(default_factory=dict)  # what each does, and the command
    minutes: float = 0.0  # of running time
    summary: Summary | None = None  # every number, as ``gatebench compare`` has it; None before the first final run

    @property
    def page(self) -> Path:
        """The report, led by the verdict."""
        return self.folder / PAGE

    @property
    def table(self) -> pd.DataFrame:
        """A row for each model and each trivial predictor, by ``name``; columns as in :class:`Row`."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows], columns=[*Row.__dataclass_fields__]).set_index("name")

    @property
    def headline(self) -> tuple[Task | None, Comparison | None]:
        """What the verdict is of; None before the first pair."""
        return next(iter(self.summary.headline() if self.summary else []), (None, None))

    def plain(self) -> dict[str, Any]:
        """Everything as JSON has it, without the summary, which is in ``report/summary.json``."""
        kept = {key: value for key, value in vars(self).items() if key not in ("summary", "rows")}
        kept |= {"folder": str(self.folder), "run": self.run and str(self.run)}
        return kept | {"table": [asdict(row) for row in self.rows]}
