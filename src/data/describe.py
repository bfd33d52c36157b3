"""What a data set is, said before training: tasks build encoder and head from this and nothing else."""

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
    unit: str = "token"  # what one of them stands for: character, word, ...


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
    """Several yes/no at once (the 88 keys of a piano): targets of 0 and 1, e.g. ``Bits(88)``."""

    size: int


@kept
class Values:
    """Real numbers to be regressed or modelled, e.g. ``Values(2, ("load", "oil"), (4.1, 20.0), (1.2, 7.5))``.

    Where the targets are standardised, a value in its own unit = target * scale + mean; else both are ().
    """

    size: int
    names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()  # of each on the training data, in its own unit
    scale: tuple[float, ...] = ()


@kept
class Horizon(Values):
    """The next ``steps`` rows of a series: targets of shape (batch, steps, size)."""

    steps: int = 1
    columns: tuple[int, ...] = ()  # where each value stands among the input's features; () where not all are among them
    # Of each, the mean absolute one-step error of the naive forecast on the training rows, in the unit of the targets:
    # MASE's denominator (Hyndman and Koehler 2006, section 3).
    # Of several series, which have each their own, it is the mean over them; and ``mean`` and ``scale`` are () if each
    # is standardised by itself: batches then carry those of their series.
    naive_error: tuple[float, ...] = ()
    series: int = 1
    known: tuple[int, ...] = ()  # where the values that are known ahead stand among the input's features


Input = Features | Tokens
Output = Classes | Bits | Values


@kept
class Description:
    """A data set in the words that a task needs.

    >>> Description(Features(12), Classes(("a", "b")), per_step=False, varying_length=True, causal=False).input.size
    12

    A bidirectional network is refused on causal data, since it would read the answer.
    """

    input: Input  # what the network reads at each step
    output: Output  # what is predicted
    per_step: bool  # one prediction at every step, or one for the whole sequence
    varying_length: bool  # whether sequences differ in length, so that batches are padded
    causal: bool  # whether the prediction at step t may not look past step t (next-step prediction)
