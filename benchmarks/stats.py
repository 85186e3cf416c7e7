"""Figures of records: means with percentile intervals, points of a curve, tuned settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.records import Row

Record = dict[str, Any]
Measured = dict[str, list[Record]]
"""Key of a row -> its records, all of the same items in the same order."""


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


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """The mean difference of two rows on the same items, resampled in pairs.

    Raises:
        ValueError: rows of different length, or none.
    """
    return bootstrap([a - b for a, b in zip(ours, theirs, strict=True)])


def values(records: Sequence[Record], measure: str) -> list[float]:
    """One number an item."""
    if measure in ("evaluations", "seconds"):
        return [float(each[measure]) for each in records]
    return [float(each["measures"][measure]) for each in records]


def mean(numbers: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(numbers) / len(numbers)


class Point(NamedTuple):
    """A row in the plane of preservation and likeness."""

    row: Row
    kept: float
    like: float


def points(rows: Sequence[Row], measured: Measured, like: str, kept: str) -> list[Point]:
    """Every measured row."""
    return [
        Point(row, mean(values(measured[row.key], kept)), mean(values(measured[row.key], like)))
        for row in rows
    ]


def front(all_points: Sequence[Point]) -> list[Point]:
    """The Pareto front, by what is kept."""

    def dominated(a: Point) -> bool:
        return any(
            b.kept >= a.kept and b.like >= a.like and (b.kept, b.like) != (a.kept, a.like)
            for b in all_points
        )

    return sorted((a for a in all_points if not dominated(a)), key=lambda a: a.kept)


def tuned(
    curve: Sequence[Sequence[Record]], goal: Sequence[float], like: str, kept: str
) -> list[Record]:
    """Each half of the items at the setting that was best on the other half.

    Best: of the settings whose likeness reaches the goal there, the one that keeps most; if none
    does, the one of highest likeness. So no picture is judged at a setting chosen by itself.

    Args:
        curve: records of every setting, of the same items.
        goal: likeness of every item that is to be matched.
        like: measure of likeness.
        kept: measure of what is kept.
    """
    halves = [range(0, len(goal), 2), range(1, len(goal), 2)]
    chosen: dict[int, Record] = {}
    for own, other in (halves, halves[::-1]):
        chosen_by = other if len(other) else own  # a single item has no other half
        required = mean([goal[i] for i in chosen_by])

        def rank(
            records: Sequence[Record], by: Sequence[int] = chosen_by, least: float = required
        ) -> tuple[float, float, float]:
            alike = mean([values(records, like)[i] for i in by])
            keeps = mean([values(records, kept)[i] for i in by])
            return (1, keeps, alike) if alike >= least - 1e-9 else (0, alike, keeps)

        best = max(curve, key=rank)
        chosen |= {i: best[i] for i in own}
    return [chosen[i] for i in sorted(chosen)]
