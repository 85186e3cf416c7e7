"""One operator after another."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import reduce
from typing import final

from torch import Tensor

from dreamsampler.operators.operator import (
    LinearOperator,
    Operator,
    input_size,
    is_linear,
    measured,
    prox_l2,
)


class _Row(abc.ABC):
    """Operators in a row, the first one first."""

    parts: tuple[Operator, ...]

    def A(self, x: Tensor) -> Tensor:
        return reduce(lambda y, op: op.A(y), self.parts, x)

    def input_size(self, y_size: tuple[int, int]) -> tuple[int, int]:
        """From the last part back to the first."""
        return reduce(lambda size, op: input_size(op, size), reversed(self.parts), y_size)

    def measured(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """From the first part to the last."""
        return reduce(lambda s, op: measured(op, s), self.parts, shape)


@final
@dataclass(frozen=True)
class Composition(_Row):
    """Operators of which at least one is not linear, the first one first: A(x) = An(... A1(x))."""

    parts: tuple[Operator, ...]


@final
@dataclass(frozen=True)
class LinearComposition(_Row):
    """Linear operators in a row, the first one first: A = An ... A1, A^T = A1^T ... An^T.

    The prox is closed for a single part only.

    Args:
        parts: linear operators; none is the identity.

    Example:
        >>> import torch
        >>> from dreamsampler.operators import Downsample, GaussianBlur
        >>> blurred = LinearComposition((GaussianBlur(2.0), Downsample(4)))
        >>> tuple(blurred.A(torch.ones(1, 3, 9, 16)).shape)
        (1, 3, 3, 4)
    """

    parts: tuple[LinearOperator, ...]

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The transposes, in reverse."""
        return reduce(lambda x, op: op.A_adjoint(x), reversed(self.parts), y)

    def prox_l2(self, z: Tensor, y: Tensor, gamma: float | Tensor) -> Tensor | None:
        """That of the only part, or of the identity; None for several parts."""
        if not self.parts:
            return (gamma * y + z) / (gamma + 1)
        return prox_l2(self.parts[0], z, y, gamma) if len(self.parts) == 1 else None


def compose(*ops: Operator) -> Operator:
    """One operator after another, the first one first, linear if all of them are.

    Compositions among them are taken apart, a single operator comes back as it is, and none at all
    is the identity (`LinearComposition(())`).

    Example:
        >>> from dreamsampler.operators import Downsample, GaussianBlur
        >>> compose(GaussianBlur(2.0), compose(Downsample(2), Downsample(2)))  # doctest: +ELLIPSIS
        LinearComposition(parts=(GaussianBlur(sigma=2.0...), Downsample(...), Downsample(...)))
    """
    flat: list[Operator] = []
    for op in ops:
        flat += op.parts if isinstance(op, Composition | LinearComposition) else [op]
    if len(flat) == 1:
        return flat[0]
    linear = tuple(op for op in flat if is_linear(op))
    return LinearComposition(linear) if len(linear) == len(flat) else Composition(tuple(flat))
