"""GRU or LSTM for sequences in memory: ``gatebench answer`` from Python."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import open_dict

from src.answering.result import Answer as Made
from src.answering.shown import Terminal, lead
from src.api.command import Overrides, as_a_command, composed, data_line, keyword_line, refusing
from src.api.fitted import Fitted
from src.api.notebook import Notebook
from src.config.errors import UserError
from src.config.overrides import override
from src.config.screen import screen
from src.config.shell import check_job

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Answer(Made):
    """The result of :func:`gatebench.answer`; a notebook displays the top of its page.

    >>> Answer("no verdict", "Nothing was trained.", Path("x"))
    <Answer no verdict: Nothing was trained.>
    """

    @property
    def best(self) -> Fitted | None:
        """The better model's final run with the best validation metric; None before the first final run.

        Its own test metric is ``run_test``.
        """
        return None if self.run is None else Fitted(self.run)

    def plot(self) -> Figure:
        """Draw every final run of each model, and the paired differences with margin and intervals.

        Raises:
            UserError: no pair is complete yet, or matplotlib is not installed.
        """
        from src.reporting.report import drawn

        if self.summary is None:
            raise UserError(f"There is nothing to draw before the first pair is complete: {self.sentence}")
        return drawn(self.summary, ("points", "differences"))

    def __repr__(self) -> str:
        """Return the verdict in one line."""
        return f"<Answer {self.verdict}: {self.sentence}>"

    def _repr_html_(self) -> str:
        """Return the top of the page."""
        return lead(self)


def answer(
    data: Any,
    y: Any = None,
    *,
    target: Any = None,
    minutes: float = 60,
    models: Sequence[str] = ("gru", "lstm"),
    margin: float | None = None,
    metric: str | None = None,
    groups: Any = None,
    times: Any = None,
    features: Any = None,
    text: Any = None,
    task: str | None = None,
    splits: Any = None,
    split_by: str | None = None,
    lookback: int | None = None,
    horizon: int | None = None,
    batch_size: int | None = None,
    budget: int | None = None,
    epochs: int | None = None,
    name: str = "data",
    runs: str | Path = "runs",
    progress: bool = True,
    overrides: Overrides = (),
) -> Answer:
    """Find out within a time budget which of two recurrent networks is better for sequences like these.

    Like ``gatebench answer`` (docs/answer.md), it inspects the data, tries learning rates, fixes a plan, runs it on all
    cores, and returns a verdict. The same call with the same data continues: an interrupted call uses the rest of its
    minutes, and a completed one starts the next sitting.

    >>> answer(frame, target="label", groups="take", minutes=10).verdict  # doctest: +SKIP
    'gru better'

    Args:
        data: as for :func:`gatebench.fit`: a data frame, an array (sequences, time[, features]), a list of arrays
            (time[, features]), a ``torch.utils.data.Dataset``, the path of a file, or the name of a data set.
        y: targets for arrays, one per sequence or per step; None: predict the next step.
        target: columns of a data frame to predict; None: all, for forecasts.
        minutes: total running time; the time between interruptions does not count.
        models: two or more names of configs in ``conf/model``; the verdict is about the first two.
        margin: smallest difference that matters, in the metric's unit, accepted until the first final run; None:
            computed from validation.
        metric: test metric to compare, e.g. ``"test/mae"``; None: accuracy if there is one, otherwise the loss.
        groups: the column that identifies sequences or series.
        times: the time column or columns.
        features: the input columns; None: all numeric ones without another role.
        text: the column to read as characters or words.
        task: ``"forecasting"``, ``"classification"``, ``"regression"``, ...; None: inferred.
        splits: as ``data.splits`` in docs/file_formats.md, e.g. ``[0.6, 0.2, 0.2]`` or a column.
        split_by: the column whose values (persons, machines) are never divided between splits.
        lookback: rows that a forecast reads; None: chosen to fit the data.
        horizon: rows to forecast; None: chosen to fit the data.
        batch_size: sequences per update; None: chosen from their number.
        budget: recurrent parameters of each model; None: chosen from the number of training steps.
        epochs: largest number of epochs in a run; None: the default of the data set.
        name: the name of the data in tables and in the name of the folder.
        runs: the folder for answers and their data.
        progress: show progress: in a notebook as one output that changes, elsewhere as lines.
        overrides: any other keys, as in :func:`gatebench.fit`, for all runs.

    Returns:
        The answer: ``verdict``, ``sentence``, ``table`` (a data frame), ``plot()``, ``best`` (a :class:`Fitted`),
        ``folder``, ``page``.

    Raises:
        UserError: data, models and settings do not go together, a margin is set too late, another process is working
            on the same answer, or runs failed.
        KeyboardInterrupt: the call was interrupted; finished runs are kept.
    """
    from hydra.core.hydra_config import HydraConfig

    given, places, began = dict(locals()), list[Any](), time.monotonic()
    with refusing("answer", places):
        line = [*data_line(data, y, Path(runs), name, places), *keyword_line(given, overrides)]
        asked = {"minutes": minutes, "models": [*models], "margin": margin, "metric": metric}
        line += [override(key, value) for key, value in asked.items() if value is not None]
        watch = (
            Notebook() if progress and screen().is_jupyter else Terminal(quiet=not progress, again="make the same call")
        )
        with as_a_command("answer", line, progress, watch.say if progress else print):
            cfg = composed("answer", line)
            with open_dict(cfg):
                cfg.hydra.runtime.output_dir = str(Path.cwd())
                HydraConfig.instance().set_config(cfg)
                del cfg["hydra"]
            check_job(cfg, line, "answer")
            from src.answer import answer as answered

            return Answer(**vars(answered(cfg, began, watch)))
