"""Real spherical harmonics up to degree 2: color that depends on where it is seen from."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

DEGREES: Final = (0, 1, 2)


def harmonics(directions: Tensor, degree: int) -> Tensor:
    """The real spherical harmonics Y_lm of unit vectors, scaled so that Y_00 = 1.

        Y / Y_00 = 1;  sqrt(3) (y, z, x);
                   sqrt(15) xy, sqrt(15) yz, sqrt(5)/2 (3 z^2 - 1), sqrt(15) xz,
                   sqrt(15)/2 (x^2 - y^2)

    Their mean product over the sphere is the identity.

    Args:
        directions: (..., 3), unit length.
        degree: 0, 1 or 2.

    Returns:
        (..., (degree + 1)^2).

    Raises:
        ValueError: another degree.

    Source: any text on spherical harmonics, such as Sloan, "Stupid spherical harmonics tricks",
        GDC 2008, appendix A2.
    """
    if degree not in DEGREES:
        raise ValueError(f"degree is {degree}: choose 0 (plain color), 1 or 2")
    x, y, z = directions.unbind(-1)
    found = [torch.ones_like(x)]
    if degree > 0:
        found += [math.sqrt(3) * each for each in (y, z, x)]
    if degree > 1:
        root = math.sqrt(15)
        found += [root * x * y, root * y * z, math.sqrt(5) / 2 * (3 * z * z - 1)]
        found += [root * x * z, root / 2 * (x * x - y * y)]
    return torch.stack(found, -1)
