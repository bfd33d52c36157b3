"""Standardisation with statistics of the training rows, for all series together or for each."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from src.arrays import in_parts
from src.config.errors import UserError, agreeing, counted
from src.data.plain import kept
from src.data.windows import apart

PART = 1 << 18  # numbers processed at a time
log = logging.getLogger(__name__)


@kept
class Scaling:
    """Mean and standard deviation (1 where it is 0) of each feature on the training rows.

    Shape (features,) for all series together, or (series, features) for each; ``names`` are the names of the series,
    if they have any.
    """

    mean: np.ndarray
    scale: np.ndarray
    names: tuple[str, ...] = ()

    @classmethod
    def fit(cls, rows: np.ndarray, chosen: np.ndarray | None = None) -> Scaling:
        """Compute mean and standard deviation (divided by n) of each column of (rows, features) in float64.

        ``chosen`` are the indices of the rows to use; None: all.

        Raises:
            UserError: values are so large that their squares overflow.
        """
        largest, n = np.zeros(rows.shape[1]), len(rows) if chosen is None else len(chosen)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = _sum(_parts(rows, chosen)) / n
            scale = np.sqrt(_sum(np.square(part - mean) for part in _parts(rows, chosen)) / n)
        for part in _parts(rows, chosen):
            largest = np.maximum(largest, np.abs(part).max(0))
        if not np.isfinite(scale).all():
            k = int(np.isfinite(scale).argmin())
            raise UserError(
                f"Column {k + 1} of the values reaches {largest[k]:.3g}, which is too large to standardise: "
                "use another unit."
            )
        return cls(mean, np.where(scale > 1e-12 * largest, scale, 1.0))

    @classmethod
    def none(cls, features: int) -> Scaling:
        """Return a scaling that leaves values unchanged."""
        return cls(np.zeros(features), np.ones(features))

    @classmethod
    def by_series(cls, fitted: Sequence[Scaling], names: Sequence[str]) -> Scaling:
        """Combine the scalings of several series."""
        return cls(np.stack([f.mean for f in fitted]), np.stack([f.scale for f in fitted]), tuple(names))

    @property
    def alike(self) -> bool:
        """Whether all series share one scaling."""
        return self.mean.ndim == 1

    def of(self, series: int) -> Scaling:
        """Return the scaling of one series, by number."""
        return self if self.alike else Scaling(self.mean[series], self.scale[series])

    def apply(self, rows: np.ndarray, lengths: np.ndarray | None = None, chosen: np.ndarray | None = None) -> Tensor:
        """Standardise (rows, features) to float32; rows are in series of (series,) lengths if each has its own scaling.

        ``chosen`` are the indices of the rows wanted, if all series share one scaling; None: all.
        """
        if self.alike or lengths is None:
            out = torch.empty((len(rows) if chosen is None else len(chosen), *rows.shape[1:]), dtype=torch.float32)
            begin = 0
            for part in _parts(rows, chosen):
                out[begin : begin + len(part)] = torch.from_numpy((part - self.mean) / self.scale)
                begin += len(part)
            return out
        return torch.cat([self.of(k).apply(own) for k, (own,) in enumerate(apart(lengths, rows))])

    def for_new(self, names: Sequence[str], rows: np.ndarray, lengths: np.ndarray) -> Scaling:
        """Return the scaling of a new file's series, (rows, features) in (series,) lengths; known ones keep their own.

        New series are standardised by their rows in that file, all of which precede the forecast.
        """
        if self.alike:
            return self
        known = {name: k for k, name in enumerate(self.names)}
        own = zip(names, apart(lengths, rows), strict=True)
        scalings = [self.of(known[name]) if name in known else Scaling.fit(values) for name, (values,) in own]
        if new := [name for name in names if name not in known]:
            words = f"{counted(len(new), 'series')} {agreeing('are', len(new))} new"
            log.info("%s, e.g. %s: each is standardised by its own rows.", words, new[0])
        return Scaling.by_series(scalings, names)


def _parts(rows: np.ndarray, chosen: np.ndarray | None) -> Iterator[np.ndarray]:
    """Iterate over rows as float64 in parts, because all at once would take twice the memory and more in between."""
    if chosen is None:
        parts = in_parts(rows, PART)
    else:
        each = max(1, PART // max(1, math.prod(rows.shape[1:])))
        parts = (rows[some] for some in in_parts(chosen, each))
    yield from (np.asarray(part, np.float64) for part in parts)


def _sum(parts: Iterator[np.ndarray]) -> np.ndarray:
    """Sum over the rows of all parts, bit-identical to the sum over one array (of several columns)."""
    total = np.add.reduce(next(parts), 0)
    for part in parts:
        total = np.add.reduce(np.concatenate([total[None], part]), 0)
    return np.asarray(total)


def unlike(rows: np.ndarray, lengths: np.ndarray, names: Sequence[str], features: Sequence[str]) -> str | None:
    """Return a clause that names two series that differ more than tenfold in scale; None if no two do."""
    sizes = np.array([np.abs(values).mean(0) for (values,) in apart(lengths, rows)])
    for size, feature in zip(sizes.T, features, strict=True):
        small, large = int(np.where(size > 0, size, np.inf).argmin()), int(size.argmax())
        if size[large] > 10 * size[small] > 0:
            return (
                f"series differ more than tenfold in {feature} (on average {size[small]:.3g} in {names[small]}, "
                f"{size[large]:.3g} in {names[large]})"
            )
    return None
