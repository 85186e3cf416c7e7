"""The steps of a run: followed once, counted and timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from dreamsampler.maths import Step

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior


@final
class Walk:
    """What every run does with the moments of its method: pass them on, and keep the books.

    Iterating drives the loop, stopping cancels it; what is left can be iterated later.

    Attributes:
        total: how many moments a whole walk has.
        done: how many there were.
        last: the newest moment; None before the first one, and in a walk of no steps.
        seconds: stage -> how long it took; the loop is "loop", other stages are `timed`.
        evaluations: network evaluations of the loop, images times prompts.

    Args:
        prior: whose evaluations are counted, if it counts them.
    """

    def __init__(self, prior: Prior) -> None:
        self._prior = prior
        self._moments: Iterator[Step] = iter(())
        self.total, self.done = 0, 0
        self.last: Step | None = None
        self.seconds: dict[str, float] = {}
        self.evaluations = 0

    def begin(self, moments: Iterator[Step], total: int) -> None:
        """Take the moments to follow, and how many there will be."""
        self._moments, self.total = moments, total

    def __iter__(self) -> Iterator[Step]:
        """The moments, each after its step."""
        self.seconds.setdefault("loop", 0.0)
        while True:
            before = getattr(self._prior, "evaluations", 0)
            with self.timed("loop"):
                step = next(self._moments, None)
            self.evaluations += getattr(self._prior, "evaluations", 0) - before
            if step is None:
                return
            self.done, self.last = self.done + 1, step
            yield step

    def cut(self) -> None:
        """Take the newest moment for the last one; what is left is not walked.

        Raises:
            ValueError: there was none yet.
        """
        if self.last is None:
            raise ValueError("no step was taken yet, so there is no result to stop at")
        self._moments, self.total = iter(()), self.done

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add what happens inside to a stage's seconds."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def check_finished(self, task: str) -> None:
        """Refuse to look at the result of a walk that is under way.

        Raises:
            ValueError: there are steps left.
        """
        if self.done < self.total:
            raise ValueError(f"the {task} is not finished: iterate over the run to its end first")
