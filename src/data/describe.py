"""The description of a data set before training, from which tasks build encoder and head."""

from __future__ import annotations

from src.data.plain import kept


@kept
class Features:
    """Real vectors: an input of shape (batch, time, size), e.g. ``Features(12)``."""

    size: int


@kept
class Tokens:
    """Whole numbers below ``vocabulary``: an input of shape (batch, time), e.g. ``Tokens(65, "character")``."""

    vocabulary: int
    unit: str = "token"  # what a token is: character, word, ...


@kept
class Classes:
    """One of several classes: targets are whole numbers, e.g. ``Classes(("no", "yes"))``."""

    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of classes."""
        return len(self.names)


@kept
class Bits:
    """Several binary targets at once (the 88 keys of a piano), 0 or 1, e.g. ``Bits(88)``."""

    size: int


@kept
class Values:
    """Real numbers to predict or model, e.g. ``Values(2, ("load", "oil"), (4.1, 20.0), (1.2, 7.5))``.

    If targets are standardised, a value in its own unit = target * scale + mean; otherwise both are ().
    """

    size: int
    names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()  # of each on the training data, in its own unit
    scale: tuple[float, ...] = ()


@kept
class Horizon(Values):
    """The next ``steps`` rows of a series: targets of shape (batch, steps, size)."""

    steps: int = 1
    columns: tuple[int, ...] = ()  # index of each value among the input's features; () if some are not among them
    # By target, mean absolute one-step error of the naive forecast on the training rows, in the unit of the targets:
    # MASE's denominator (Hyndman and Koehler 2006, section 3).
    # For several series with one each, this is the mean over them, and ``mean`` and ``scale`` are () if each is
    # standardised by itself; batches then carry those of their series.
    naive_error: tuple[float, ...] = ()
    series: int = 1
    known: tuple[int, ...] = ()  # indices among the input's features of values known in advance


Input = Features | Tokens
Output = Classes | Bits | Values


@kept
class Description:
    """A data set as a task sees it.

    >>> Description(Features(12), Classes(("a", "b")), per_step=False, varying_length=True, causal=False).input.size
    12

    Bidirectional networks are refused on causal data, because they would read the answer.
    """

    input: Input  # the input at each step
    output: Output  # the prediction target
    per_step: bool  # one prediction at every step, or one for the whole sequence
    varying_length: bool  # whether sequences differ in length, so that batches are padded
    causal: bool  # whether the prediction at step t must not use later steps (next-step prediction)
