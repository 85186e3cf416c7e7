"""Symmetry: a picture and its mirror image are the same."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dreamsampler.maths import Weight
from dreamsampler.regularizers.regularizer import Regularizer, towards

Axis: TypeAlias = Literal["vertical", "horizontal"]


def symmetry(weight: Weight = float("inf"), *, axis: Axis = "vertical") -> Regularizer:
    """Both halves alike: every pixel moves towards the mean of itself and its mirror image.

        R(x) = 1/8 |x - M x|^2,   prox: x + w / (1 + w) ((x + M x) / 2 - x),   M the mirror

    Args:
        weight: w >= 0; 0 is the identity, infinity makes the halves equal.
        axis: the line of the mirror: vertical makes left and right alike, horizontal top and
            bottom.

    Raises:
        ValueError: another axis.

    Source: the prox of a squared distance to a linear subspace, here the symmetric pictures
    (Combettes & Pesquet, "Proximal splitting methods in signal processing", 2011, table 10.1).
    """
    if axis not in ("vertical", "horizontal"):
        raise ValueError(f"axis is {axis!r}, but must be vertical or horizontal")
    dim = -1 if axis == "vertical" else -2
    return towards(lambda z0: (z0 + z0.flip(dim)) / 2, weight)
