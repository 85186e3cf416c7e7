"""What a suite is: rows (methods with settings), items (pictures), a result for each pair."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.device import clock_of
from benchmarks.judge import Judge
from benchmarks.protocol import Item, Protocol, frozen
from benchmarks.records import Records, Result, Row
from benchmarks.report import Column


@dataclass
class Spent:
    """What something cost."""

    seconds: float = 0.0
    evaluations: int = 0


class Suite(ABC):
    """Rows measured on items.

    Args:
        prior: the model.
        protocol: what is measured; the committed one of this name if left out.
    """

    name: ClassVar[str]
    batch = 1
    """Items that are measured together; of 1, all rows of an item are measured one after another"""
    float32 = False
    """whether the bundled model computes in float32 and not in bfloat16"""
    columns: ClassVar[tuple[Column, ...]] = ()

    def __init__(self, prior: Any, protocol: Protocol | None = None) -> None:
        self.prior, self.protocol = prior, protocol or frozen(self.name)
        self.judge, self.clock = Judge.load(), clock_of(prior)

    @abstractmethod
    def all_rows(self, *, curves: bool) -> list[Row]:
        """Everything that can be measured; without curves, published settings only."""

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """All rows, or those of the named methods.

        Raises:
            ValueError: an unknown method.
        """
        rows = self.all_rows(curves=curves)
        known = list(dict.fromkeys(row.method for row in rows))
        for name in methods or []:
            if name not in known:
                listed = "; ".join(known)
                raise ValueError(f"there is no method {name!r}: choose one of {listed}")
        return [row for row in rows if methods is None or row.method in methods]

    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """One result an item."""
        self.protocol.check(items)
        return [self.one(row, item) for item in items]

    def one(self, row: Row, item: Item) -> Result:
        """Measure a row on an item."""
        raise NotImplementedError(f"{type(self).__name__} measures its items together")

    @abstractmethod
    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """Markdown of what is recorded; plots go to `out`."""

    @contextmanager
    def metered(self) -> Iterator[Spent]:
        """Inside, seconds and evaluations are counted; they are known at its end."""
        spent, before, start = Spent(), self._evaluations(), self.clock()
        yield spent
        spent.seconds, spent.evaluations = self.clock() - start, self._evaluations() - before

    def _evaluations(self) -> int:
        return getattr(self.prior, "evaluations", 0)


@contextmanager
def timed(clock: Callable[[], float] = time.process_time) -> Iterator[Spent]:
    """Inside, seconds are counted; they are known at its end."""
    spent, start = Spent(), clock()
    yield spent
    spent.seconds = clock() - start


def slug(name: str) -> str:
    """A name that is safe as a folder's.

    Example:
        >>> slug("LEDITS++, no attention")
        'ledits-no-attention'
    """
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
