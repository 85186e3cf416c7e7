"""How much of a long step is done, for those who show the progress of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[float], None] | None] = ContextVar(
    "dreamsampler_part", default=None
)


@contextmanager
def heard_by(listener: Callable[[float], None]) -> Iterator[None]:
    """Inside, a function hears of the share of the step that is done, in [0, 1)."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_part(share: float) -> None:
    """Say how much of the step is done.

    Example:
        >>> heard = []
        >>> with heard_by(heard.append):
        ...     tell_part(0.5)
        >>> heard
        [0.5]
    """
    listener = _listener.get()
    if listener is not None:
        listener(share)
