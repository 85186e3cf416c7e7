"""A bar on the terminal, drawn from the iteration itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar, final

Item = TypeVar("Item")


@final
class Bar:
    """Stages, steps and time left, on stderr; nothing where stderr is no terminal.

    Honors NO_COLOR. Vanishes when the work is done, so that only the results stay.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=None, count="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        """Say what goes on now, without knowing how long it takes."""
        self._progress.reset(self._task, total=None, description=name, count="")

    def steps(self, items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
        """Pass items through and count them.

        Args:
            items: any iterable; it is not looked into.
            total: how many are expected.
            name: what they are.
        """
        self._progress.reset(self._task, total=total, description=name, count=f"0/{total}")
        for count, item in enumerate(items, 1):
            yield item
            self._progress.update(self._task, completed=count)
            left = self._progress.tasks[0].time_remaining
            text = f"{count}/{total}" + ("" if left is None else f"  {_clock(left)} left")
            self._progress.update(self._task, count=text)


def _clock(seconds: float) -> str:
    """Minutes and seconds, and hours where there are any.

    Example:
        >>> _clock(75), _clock(3675)
        ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
