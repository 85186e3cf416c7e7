"""A bar on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Self, TypeVar, final

if TYPE_CHECKING:
    from dreamsampler.tasks.progress import Progress

Item = TypeVar("Item")
STAGES = {"read": "reading and encoding", "decode": "decoding", "write": "writing"}
"""Stages of a run without a number of steps, as they are shown."""


@final
class Bar:
    """Stages, steps and time left, on stderr; nothing where stderr is no terminal.

    Honors NO_COLOR. Vanishes when the work is done, so that only the results stay.
    """

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[count]}"),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=None, count="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """Show what is done now; how long it takes is unknown."""
        self._progress.reset(self._task, total=None, description=name, count="")

    def show(self, progress: Progress) -> None:
        """Show how far a run is; a callback for `execute`."""
        if progress.run is not None and progress.stage in ("fit", "step"):
            name = "fit" if progress.stage == "fit" else progress.run.task.name()
            self._count(progress.done, progress.total, name, progress.part)
        else:
            self.stage(STAGES[progress.stage])

    def steps(self, items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
        """Pass items through and count them."""
        self._count(0, total, name)
        for count, item in enumerate(items, 1):
            yield item
            self._count(count, total, name)

    def _count(self, done: int, total: int, name: str, part: float = 0.0) -> None:
        bar = self._progress.tasks[0]
        if bar.description != name:
            self._progress.reset(self._task, total=total, description=name)
        self._progress.update(self._task, completed=done + part, total=total)
        left = "" if bar.time_remaining is None else f"  {_clock(bar.time_remaining)} left"
        self._progress.update(self._task, count=f"{done + part:.3g}/{total}{left}")


def _clock(seconds: float) -> str:
    """Minutes and seconds, and hours where there are any.

    Example:
        >>> _clock(75), _clock(3675)
        ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
