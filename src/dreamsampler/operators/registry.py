"""The operators that have a name: each is registered once, beside its class.

    @named("blur", "out of focus", {"sigma": Parameter(float, 0, 1000)})

registers what descriptions, their errors, forms and tests know about an operator. The module needs
no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Final, TypeAlias, TypeVar, final

Row: TypeAlias = tuple[float, float, float]
Value: TypeAlias = float | int | str | Row | None
"""Of a parameter; None is one that shall be fitted, written `?`."""
Values: TypeAlias = Mapping[str, Any]
Size: TypeAlias = tuple[int, int]

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Parameter:
    """What an argument may be.

    Args:
        kind: float, int, str (a file), or tuple (three numbers).
        low: least value, itself allowed for whole numbers only.
        high: largest value.
        default: its value if left out; `...` where it must be given.
        choices: the only values allowed.
        fitted: (low, high) between which `?` is searched; None where `?` is refused.
        pixels: whether it is a length in pixels.
    """

    kind: type
    low: float = -math.inf
    high: float = math.inf
    default: Value | EllipsisType = ...
    choices: tuple[str, ...] = ()
    fitted: tuple[float, float] | None = None
    pixels: bool = False


BOUNDARY: Final = Parameter(str, default="reflect", choices=("reflect", "circular", "zero"))


@final
@dataclass(frozen=True)
class Entry:
    """One operator that has a name.

    Args:
        operator: its class.
        title: the damage in everyday words, for forms.
        parameters: its arguments, in their order.
        build: (values, size of the pictures or None, device) -> operator; by default the class is
            called with the values.
        values: operator -> its values, or None where no text holds them; by default the attributes
            of the parameters' names.
        scales: whether, its lengths scaled, it does the same to a picture at another scale.
    """

    operator: type[Any]
    title: str
    parameters: Mapping[str, Parameter]
    build: Callable[[Values, Size | None, str], Any]
    values: Callable[[Any], Values | None]
    scales: bool = False

    @property
    def linear(self) -> bool:
        """Whether the operator has a transpose."""
        return hasattr(self.operator, "A_adjoint")

    @property
    def sized(self) -> bool:
        """Whether its measurements may have another size or other channels than its pictures."""
        return hasattr(self.operator, "measured")


OPERATORS: Final[dict[str, Entry]] = {}
"""Name -> operator, in the order in which `dreamsampler.operators` imports them."""


def named(
    name: str,
    title: str,
    parameters: Mapping[str, Parameter] | None = None,
    *,
    build: Callable[[Values, Size | None, str], Any] | None = None,
    values: Callable[[Any], Values | None] | None = None,
    scales: bool = False,
) -> Callable[[type[T]], type[T]]:
    """Register the class below under a name; the other arguments are those of `Entry`."""
    table = parameters or {}

    def register(operator: type[T]) -> type[T]:
        OPERATORS[name] = Entry(
            operator,
            title,
            table,
            build or (lambda given, size, device: operator(**given)),
            values or (lambda op: {key: getattr(op, key) for key in table}),
            scales,
        )
        return operator

    return register
