"""Intervals over seeds, and over seeds and test sequences together: seeds are not new data."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from src.statistics.intervals import RESAMPLES, SEED, Interval, percentile_interval


def crossed_intervals(top: np.ndarray, bottom: np.ndarray) -> tuple[Interval, Interval]:
    """Percentile intervals of a mean paired difference: these test sequences, and other ones too.

    Every seed was tested on the same sequences, so the two are crossed, and both are resampled independently: in each
    replicate one draw of seeds and one draw of sequences, the same sequences for every seed of it (the pigeonhole
    bootstrap, Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007, section 3; sequences drawn
    anew within each seed would average out what all seeds owe to the test set). The figure of a replicate is the pooled
    ratio sum of losses / sum of counts, as the metric is defined. Both intervals use the same draws of seeds.

    Args:
        top: by how much A's summed loss is better, (pairs, sequences).
        bottom: number of predictions, (sequences,).

    Returns:
        The interval over seeds, and that over seeds and sequences, both for the mean of the differences of the ratios.
    """
    seeds, drawn = _draws("seeds", top.shape[0]), _draws("sequences", top.shape[1])
    mean = seeds @ top / top.shape[0]  # (resamples, sequences)
    over_seeds = mean.sum(1) / bottom.sum()
    over_both = (mean * drawn).sum(1) / (drawn @ bottom)
    return (
        percentile_interval(over_seeds, "bootstrap over seeds"),
        percentile_interval(over_both, "bootstrap over seeds and sequences"),
    )


@lru_cache(maxsize=4)
def _draws(of: str, number: int) -> np.ndarray:
    """How often each of so many is drawn in each replicate, (resamples, number) float32; the same every time."""
    rng = np.random.default_rng([SEED, len(of), number])
    return rng.multinomial(number, np.full(number, 1 / number), RESAMPLES).astype(np.float32)
