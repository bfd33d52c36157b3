"""Standardisation: what is learned from training rows, for all series alike or for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.plain import kept
from src.data.windows import apart

PART = 1 << 18  # rows that are scaled together
log = logging.getLogger(__name__)


@kept
class Scaling:
    """Mean and standard deviation (1 where it is 0) of each feature on training rows.

    (features,) for all series alike, or (series, features) where each has its own; ``names`` are those of the series,
    where they have some.
    """

    mean: np.ndarray
    scale: np.ndarray
    names: tuple[str, ...] = ()

    @classmethod
    def fit(cls, rows: np.ndarray) -> Scaling:
        """Mean and standard deviation (divided by n) of each column of (rows, features).

        Raises:
            UserError: when values are so large that their squares are no numbers.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            scale = rows.std(0)
        if not np.isfinite(scale).all():
            k = int(np.isfinite(scale).argmin())
            raise UserError(
                f"Column {k + 1} of the values reaches {np.abs(rows[:, k]).max():.3g}, too large to be standardised: "
                "give it in another unit."
            )
        return cls(rows.mean(0), np.where(scale > 1e-12 * np.abs(rows).max(0, initial=0), scale, 1.0))

    @classmethod
    def none(cls, features: int) -> Scaling:
        """Values as they are."""
        return cls(np.zeros(features), np.ones(features))

    @classmethod
    def by_series(cls, fitted: Sequence[Scaling], names: Sequence[str]) -> Scaling:
        """Of several series, that of each."""
        return cls(np.stack([f.mean for f in fitted]), np.stack([f.scale for f in fitted]), tuple(names))

    @property
    def alike(self) -> bool:
        """Whether all series have the same."""
        return self.mean.ndim == 1

    def of(self, series: int) -> Scaling:
        """That of one series, by number."""
        return self if self.alike else Scaling(self.mean[series], self.scale[series])

    def apply(self, rows: np.ndarray, lengths: np.ndarray | None = None) -> Tensor:
        """(rows, features) standardised, as float32; where each series has its own, in series of (series,) lengths."""
        if self.alike or lengths is None:
            out = torch.empty(rows.shape, dtype=torch.float32)
            for begin in range(0, len(rows), PART):  # what lies between takes twice the memory of the rows
                part = slice(begin, begin + PART)
                out[part] = torch.from_numpy((rows[part] - self.mean) / self.scale)
            return out
        return torch.cat([self.of(k).apply(own) for k, (own,) in enumerate(apart(lengths, rows))])

    def for_new(self, names: Sequence[str], rows: np.ndarray, lengths: np.ndarray) -> Scaling:
        """The scaling of a new file's series, (rows, features) in (series,) lengths: one trained on keeps its own.

        Any other is standardised by the rows it has there, which are all before its forecast.
        """
        if self.alike:
            return self
        known = {name: k for k, name in enumerate(self.names)}
        own = zip(names, apart(lengths, rows), strict=True)
        scalings = [self.of(known[name]) if name in known else Scaling.fit(values) for name, (values,) in own]
        if new := [name for name in names if name not in known]:
            log.info("%d series were not trained on, e.g. %s: each is standardised by its own rows.", len(new), new[0])
        return Scaling.by_series(scalings, names)


def unlike(rows: np.ndarray, lengths: np.ndarray, names: Sequence[str], features: Sequence[str]) -> str | None:
    """Where series of (rows, features) differ more than tenfold in size, a clause that names two; else None."""
    sizes = np.array([np.abs(values).mean(0) for (values,) in apart(lengths, rows)])
    for size, feature in zip(sizes.T, features, strict=True):
        small, large = int(np.where(size > 0, size, np.inf).argmin()), int(size.argmax())
        if size[large] > 10 * size[small] > 0:
            return (
                f"series differ more than tenfold in {feature} (on average {size[small]:.3g} in {names[small]}, "
                f"{size[large]:.3g} in {names[large]})"
            )
    return None
