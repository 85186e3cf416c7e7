"""How sure a mean is: percentile intervals over resampled items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean and where it may lie."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the width."""
        return (self.high - self.low) / 2


def bootstrap(values: Sequence[float], draws: int = 2000, level: float = 0.95) -> Interval:
    """The mean of values and its percentile interval; always the same draws.

    Args:
        values: one an item.
        draws: resamplings.
        level: of the interval.

    Raises:
        ValueError: no values.

    Source: Efron, "Bootstrap methods", Annals of Statistics 7 (1979).
    """
    if not len(values):
        raise ValueError("there is nothing to take the mean of: measure at least one item")
    x = np.asarray(values, dtype=float)
    picks = np.random.default_rng(0).integers(0, len(x), (draws, len(x)))
    means = x[picks].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(x.mean()), float(low), float(high))


def difference(
    ours: Sequence[float], theirs: Sequence[float], draws: int = 2000, level: float = 0.95
) -> Interval:
    """The mean difference of two rows on the same items, resampled in pairs.

    Args:
        ours: one an item.
        theirs: of the same items, in the same order.
        draws: see `bootstrap`.
        level: see `bootstrap`.

    Raises:
        ValueError: rows of different length, or none.
    """
    pairs = zip(ours, theirs, strict=True)
    return bootstrap([a - b for a, b in pairs], draws, level)
