"""Intervals over seeds and test sequences together: for other seeds, and other sequences of the same population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.statistics.intervals import LEVEL, Interval


@dataclass(frozen=True)
class Crossed:
    """The interval of a mean difference over seeds and test sequences, and the limit of what more seeds can achieve."""

    interval: Interval
    floor: float  # half-width that remains with any number of seeds: the contribution of the test sequences


def over_seeds_and_sequences(top: np.ndarray, count: np.ndarray, level: float = LEVEL) -> Crossed | None:
    """Return the interval of a mean paired difference that also holds for other test sequences of the same population.

    It is the mean of :class:`TwoWay` with its half-width on either side.

    Args:
        top: advantage of A in summed loss, (seeds, sequences).
        count: number of predictions, (sequences,), above 0.
        level: nominal coverage.

    Returns:
        None below two seeds or (effectively) two sequences.
    """
    made = two_way(top, count)
    if made is None:
        return None
    mean, half, floor = float(made.mean), float(made.half_width(level)), float(made.floor(level))
    return Crossed(Interval(mean - half, mean + half, level, "Satterthwaite over seeds and sequences"), floor)


@dataclass(frozen=True)
class TwoWay:
    """Mean differences over seeds and sequences with their variances, for one study or many (arrays of one shape)."""

    mean: np.ndarray
    variance: np.ndarray  # of the mean, over other seeds and sequences
    freedom: np.ndarray  # its degrees of freedom
    of_seeds: np.ndarray  # variance of the mean over other seeds alone
    of_sequences: np.ndarray  # the part of the variance that more seeds do not reduce
    seeds: int

    def half_width(self, level: float) -> np.ndarray:
        """Return the half-width of an interval over both, never narrower than Student's t over seeds alone."""
        from scipy import stats

        probability = (1 + level) / 2
        both = stats.t.ppf(probability, self.freedom) * np.sqrt(self.variance)
        return np.asarray(np.maximum(both, stats.t.ppf(probability, self.seeds - 1) * np.sqrt(self.of_seeds)))

    def floor(self, level: float) -> np.ndarray:
        """Return the half-width that remains with any number of seeds."""
        from scipy import stats

        return np.asarray(stats.norm.ppf((1 + level) / 2) * np.sqrt(self.of_sequences))


def two_way(top: np.ndarray, count: np.ndarray) -> TwoWay | None:
    """Return mean differences and their variances, if every seed was tested on the same sequences.

    Seeds and sequences are crossed random factors. With I seeds, J sequences and pooled ratio D, each cell is
    linearised, d_ij = D + (J / sum c) (top_ij - D c_j). The mean squares of a two-way layout without replication, MSA
    for seeds, MSB for sequences and MSE for the residual, give the variance V = max(MSA + MSB - MSE, MSA, MSB) / (I J)
    with Satterthwaite's degrees of freedom ("An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2(6), 1946). Simulated coverage: docs/error_rates.md.

    Sequences of unequal length count for fewer than their number. For MSB and MSE each deviation is divided by the
    square root of 1 minus the sequence's share of all predictions (HC2 of MacKinnon and White, Journal of Econometrics
    29, 1985), and degrees of freedom use Kish's effective number (sum c)^2 / sum c^2 instead of J. Neither changes
    anything for equal lengths; with lengths that vary tenfold, coverage becomes 0.90 to 0.94.

    Args:
        top: advantage of A in summed loss, (..., seeds, sequences); leading dimensions are studies.
        count: number of predictions, (sequences,), above 0.

    Returns:
        Arrays (...,); None below two seeds or (effectively) two sequences.
    """
    seeds, sequences = top.shape[-2:]
    total = count.sum()
    share = count / total
    effective = 1 / float((share**2).sum())
    if seeds < 2 or effective < 2:
        return None
    cells = seeds * sequences
    mean = top.sum((-1, -2)) / (seeds * total)
    deviations = (sequences / total) * (top - mean[..., None, None] * count)
    of_seeds = sequences * deviations.mean(-1).var(-1, ddof=1)
    deviations *= np.sqrt((1 - 1 / sequences) / (1 - share))
    of_seed, of_sequence = deviations.mean(-1, keepdims=True), deviations.mean(-2, keepdims=True)
    of_sequences = seeds * of_sequence[..., 0, :].var(-1, ddof=1)
    residual = deviations - of_seed - of_sequence + deviations.mean((-1, -2), keepdims=True)
    rest = (residual**2).sum((-1, -2)) / ((seeds - 1) * (sequences - 1))
    variance = np.maximum(of_seeds + of_sequences - rest, np.maximum(of_seeds, of_sequences))
    uncertainty = (
        of_seeds**2 / (seeds - 1) + of_sequences**2 / (effective - 1) + rest**2 / ((seeds - 1) * (effective - 1))
    )
    freedom = np.maximum(1.0, variance**2 / np.where(uncertainty > 0, uncertainty, np.inf))
    without_rest = np.maximum(0.0, of_sequences - rest)
    return TwoWay(mean, variance / cells, freedom, of_seeds / cells, without_rest / cells, seeds)


def in_blocks(sums: np.ndarray, length: int) -> np.ndarray:
    """Sum over blocks of neighbouring windows, adding the rest to the last: (..., windows) to (..., blocks).

    >>> in_blocks(np.arange(7), 3).tolist()
    [3, 18]
    """
    blocks = max(1, sums.shape[-1] // length)
    return np.add.reduceat(sums, np.arange(blocks) * length, axis=-1)


def block_length(lookback: int, horizon: int, rows: int) -> int:
    """Return the rows in a block of overlapping forecasting windows: at least a window, and a tenth of the series.

    Blocks of a single window make the interval too narrow if errors are autocorrelated (coverage 0.83 with a memory of
    24 rows, horizon 24, 2,880 rows).

    >>> block_length(96, 24, 2880)
    288
    """
    return max(lookback + horizon, -(-rows // 10))
