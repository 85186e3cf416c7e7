"""Cancellation: a flag that steps, fits and solvers look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, final


class Flag(Protocol):
    """What says whether a run is canceled, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it is."""
        ...


@final
class Canceled(BaseException):
    """A run was canceled; no `Exception`, so that no handler on its way takes it for a fault."""


_flag: ContextVar[Flag | None] = ContextVar("dreamsampler_cancel", default=None)


@contextmanager
def cancellable(flag: Flag | None) -> Iterator[None]:
    """Inside, `check_canceled` looks at this flag; None leaves what was there.

    Example:
        >>> import threading
        >>> event = threading.Event()
        >>> with cancellable(event):
        ...     check_canceled()
    """
    token = _flag.set(flag if flag is not None else _flag.get())
    try:
        yield
    finally:
        _flag.reset(token)


def check_canceled() -> None:
    """Raise `Canceled` if the surrounding run was canceled; called once per iteration of a loop."""
    flag = _flag.get()
    if flag is not None and flag.is_set():
        raise Canceled
