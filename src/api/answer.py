"""GRU or LSTM for sequences in memory: what ``gatebench answer`` does, called from Python."""

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
    """What :func:`gatebench.answer` returns; a notebook shows the head of its page.

    >>> Answer("no verdict", "Nothing was trained.", Path("x"))
    <Answer no verdict: Nothing was trained.>
    """

    @property
    def best(self) -> Fitted | None:
        """The run that is ready to be used, of the better model; None before the first final run.

        Its own test figure is ``run_test``.
        """
        return None if self.run is None else Fitted(self.run)

    def plot(self) -> Figure:
        """Every final run of each model, and the differences of the pairs with margin and intervals.

        Raises:
            UserError: no pair is complete yet, or matplotlib is not installed.
        """
        from src.reporting.report import drawn

        if self.summary is None:
            raise UserError(f"There is nothing to draw before the first pair is complete: {self.sentence}")
        return drawn(self.summary, ("points", "differences"))

    def __repr__(self) -> str:
        """The verdict in a line."""
        return f"<Answer {self.verdict}: {self.sentence}>"

    def _repr_html_(self) -> str:
        """The head of the page."""
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
    """Find out which of two recurrent networks is better for sequences like these, within minutes.

    It does what ``gatebench answer`` does (docs/answer.md): it looks at the data, tries learning rates, fixes a plan,
    runs it on all cores, and gives a verdict. The same call with the same data goes on: with what is left of the
    minutes where it was interrupted, else with the next sitting.

    >>> answer(frame, target="label", groups="take", minutes=10).verdict  # doctest: +SKIP
    'gru better'

    Args:
        data: as :func:`gatebench.fit` has it: a data frame, arrays (sequences, time[, features]), a list of arrays
            (time[, features]), a ``torch.utils.data.Dataset``, the path of a file, or the name of a set.
        y: targets of arrays, one for each sequence or for each step; None: the next step is learned.
        target: columns of a data frame that are predicted; None: of a forecast all.
        minutes: of running time that it may take, summed over everything that was interrupted and gone on with.
        models: two or more names of configs in ``conf/model``; the verdict is about the first two.
        margin: what a difference must exceed to matter, in the unit of the metric; until the first final run. None:
            from validation.
        metric: by which models are compared, e.g. ``"test/mae"``; None: accuracy where there is one, else the loss.
        groups: the column that tells sequences or series apart.
        times: the column or columns of times.
        features: the columns that are read; None: all of numbers without another part to play.
        text: the column that is read as characters or words.
        task: ``"forecasting"``, ``"classification"``, ``"regression"``, ...; None: found out.
        splits: as ``data.splits`` in docs/own_data.md, e.g. ``[0.6, 0.2, 0.2]`` or a column.
        split_by: the column whose values (persons, machines) stay in one split each.
        lookback: rows that a forecast reads; None: such that the data have room.
        horizon: rows that are forecast; None: likewise.
        batch_size: sequences in an update; None: from their number.
        budget: recurrent parameters of each model; None: from the number of training steps.
        epochs: of a run, at most.
        name: what the data are called in tables, and in the name of the folder.
        runs: the folder below which answers, and the data that they were given, are kept.
        progress: show what is done: in a notebook one output that changes, elsewhere the lines of the command.
        overrides: any other keys, as in :func:`gatebench.fit`; they hold for all runs.

    Returns:
        The answer: ``verdict``, ``sentence``, ``table`` (a data frame), ``plot()``, ``best`` (a :class:`Fitted`),
        ``folder``, ``page``.

    Raises:
        UserError: in one sentence, when data, models and settings do not go together, a margin comes too late, another
            process is at the same answer, or runs failed.
        KeyboardInterrupt: as it was interrupted; what is done is kept.
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
