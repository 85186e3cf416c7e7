"""Ranges of a task's numbers: what is refused, and how far a slider goes; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Limits: TypeAlias = Mapping[str, tuple[float, float]]
"""Field -> (least, most); two whole numbers stand for a field of whole numbers."""


def check_numbers(task: Any, limits: Limits) -> None:
    """Refuse a number that is none, or out of its range; None is left alone.

    Args:
        task: anything with these fields.
        limits: of its fields.

    Raises:
        ValueError: with the name, what came and what was wanted.

    Example:
        >>> from types import SimpleNamespace
        >>> check_numbers(SimpleNamespace(seed=-1), {"seed": (0, 9)})
        Traceback (most recent call last):
        ValueError: seed is -1, but must be a whole number from 0 to 9
    """
    for name, (low, high) in limits.items():
        value: Any = getattr(task, name)
        if value is None:
            continue
        whole = isinstance(low, int)
        kinds = int if whole else (int, float)
        fits = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
        if not fits:  # NaN is not between them either
            kind = "a whole number" if whole else "a number"
            raise ValueError(f"{name} is {value}, but must be {kind} from {low:g} to {high:g}")
