"""What gradio remembers of its visitors: for each of them the state of every component, 0.8 MiB.

It keeps 10,000 of these by default, and each program that asks for a run is a visitor. Nothing of a
program's visit is needed when its run is over, and of pages the last few hundred are enough.
"""

from __future__ import annotations

import threading
from typing import Any, final

PAGES = 200
"""Pages that are remembered: one that was left alone while so many others came has to be loaded
again before its past runs can be clicked."""


@final
class Visits:
    """Forgets programs once they have their answer.

    Args:
        page: the blocks; they remember once they are launched.
    """

    def __init__(self, page: Any) -> None:
        self._page, self._over = page, set[str]()
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        """A program asks: forget those that have their answers by now."""
        with self._lock:
            over, self._over = self._over - {name}, set()
        for each in over:
            self._page.state_holder.session_data.pop(each, None)
            self._page.state_holder.time_last_used.pop(each, None)

    def end(self, name: str) -> None:
        """A program is about to have its answer; gradio needs its state until that is sent."""
        with self._lock:
            self._over.add(name)


def under_way(page: Any, number: str) -> bool:
    """Whether a request to gradio's queue is worked on, rather than waiting or over.

    Args:
        page: the blocks.
        number: of the request, as gradio told it to its sender.
    """
    working = [event for events in page._queue.active_jobs for event in events or ()]
    return any(event._id == number for event in working)
