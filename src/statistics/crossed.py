"""Intervals over seeds and test sequences together: other seeds, and other sequences of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.statistics.intervals import LEVEL, Interval


@dataclass(frozen=True)
class Crossed:
    """The interval of a mean difference over seeds and test sequences, and what more seeds cannot do for it."""

    interval: Interval
    floor: float  # half-width below which further seeds never bring it: the test sequences' own share


def over_seeds_and_sequences(top: np.ndarray, count: np.ndarray, level: float = LEVEL) -> Crossed | None:
    """Interval of a mean paired difference that also holds for other test sequences of the same kind.

    The mean of :class:`TwoWay` and its half-width on either side.

    Args:
        top: by how much A's summed loss is better, (seeds, sequences).
        count: number of predictions, (sequences,), above 0.
        level: coverage that is aimed at.

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
    """Mean differences over seeds and sequences with their variances, of one study or of many: arrays of one shape."""

    mean: np.ndarray
    variance: np.ndarray  # of the mean, over other seeds and other sequences
    freedom: np.ndarray  # degrees of freedom of that
    of_seeds: np.ndarray  # variance of the mean over other seeds alone
    of_sequences: np.ndarray  # the part of the variance that more seeds do not lessen
    seeds: int

    def half_width(self, level: float) -> np.ndarray:
        """Of an interval over both, never narrower than Student's t over seeds alone."""
        from scipy import stats

        probability = (1 + level) / 2
        both = stats.t.ppf(probability, self.freedom) * np.sqrt(self.variance)
        return np.asarray(np.maximum(both, stats.t.ppf(probability, self.seeds - 1) * np.sqrt(self.of_seeds)))

    def floor(self, level: float) -> np.ndarray:
        """Half-width that is left however many seeds there are."""
        from scipy import stats

        return np.asarray(stats.norm.ppf((1 + level) / 2) * np.sqrt(self.of_sequences))


def two_way(top: np.ndarray, count: np.ndarray) -> TwoWay | None:
    """Mean differences and their variances where every seed was tested on the same sequences.

    Seeds and sequences are crossed factors, both of them random. With I seeds, J sequences and D the pooled ratio, each
    cell is made linear, d_ij = D + (J / sum c) (top_ij - D c_j), and the mean squares of a two-way layout without
    repetition, MSA of the seeds, MSB of the sequences and MSE of the residual, give the variance
    V = max(MSA + MSB - MSE, MSA, MSB) / (I J), whose degrees of freedom are Satterthwaite's ("An approximate
    distribution of estimates of variance components", Biometrics Bulletin 2(6), 1946). Simulated coverage:
    docs/error_rates.md.

    Sequences of unequal length count for fewer than they are. For MSB and MSE a deviation is divided by the root of 1
    less the sequence's share of all predictions (the HC2 of MacKinnon and White, Journal of Econometrics 29, 1985), and
    degrees of freedom go by Kish's effective number (sum c)^2 / sum c^2 in place of J. Both change nothing where all
    lengths are equal; with lengths that vary tenfold they bring a coverage of 0.90 to 0.94.

    Args:
        top: by how much A's summed loss is better, (..., seeds, sequences); what is in front are studies.
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
    """Sums over blocks of neighbouring windows, the last one of which takes the rest: (..., windows) to (..., blocks).

    >>> in_blocks(np.arange(7), 3).tolist()
    [3, 18]
    """
    blocks = max(1, sums.shape[-1] // length)
    return np.add.reduceat(sums, np.arange(blocks) * length, axis=-1)


def block_length(lookback: int, horizon: int, rows: int) -> int:
    """Rows in a block of overlapping forecasting windows: at least as long as a window, at least a tenth of the series.

    Blocks of a window's own length leave the interval too short where errors have a memory (coverage 0.83 at a memory
    of 24 rows, horizon 24, 2,880 rows).

    >>> block_length(96, 24, 2880)
    288
    """
    return max(lookback + horizon, -(-rows // 10))
