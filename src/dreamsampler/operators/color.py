"""Color: gray pictures and mixed channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from dreamsampler.operators.registry import Parameter, Size, Values, named

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a gray picture (Recommendation ITU-R BT.601)."""


@named("grey", "no colors", scales=True)
@final
@dataclass(frozen=True)
class Grey:
    """The luma of a picture, as one channel.

        A x = 0.299 R + 0.587 G + 0.114 B,   prox = z + gamma w (y - w z) / (1 + gamma |w|^2)

    It acts on the stored numbers, as file formats and Pillow's `convert("L")` do.

    Example:
        >>> Grey().A(torch.ones(1, 3, 1, 1)).tolist()
        [[[[1.0]]]]

    Source: Recommendation ITU-R BT.601.
    """

    def A(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """The weighted sum of the channels."""
        return (_luma(x) * x).sum(1, keepdim=True)

    def A_adjoint(self, y: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 3 h w"]:
        """To every channel its weight."""
        return _luma(y) * y

    def prox_l2(
        self, z: Float[Tensor, "b 3 h w"], y: Float[Tensor, "b 1 h w"], gamma: float | Tensor
    ) -> Float[Tensor, "b 3 h w"]:
        """Pixel by pixel."""
        energy = sum(weight**2 for weight in LUMA)
        return z + self.A_adjoint(y - self.A(z)) * (gamma / (1 + gamma * energy))

    def input_size(self, y_size: tuple[int, int]) -> tuple[int, int]:
        """The same."""
        return y_size

    def measured(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """One channel."""
        return 1, *shape[1:]


ROWS = ("red", "green", "blue")


def _build(given: Values, size: Size | None, device: str) -> ColorMatrix:
    return ColorMatrix(torch.tensor([given[row] for row in ROWS], dtype=torch.float64))


@named(
    "color_matrix",
    "wrong colors",
    {row: Parameter(tuple) for row in ROWS},
    build=_build,
    values=lambda op: dict(zip(ROWS, map(tuple, op.matrix.tolist()), strict=True)),
    scales=True,
)
@final
@dataclass(frozen=True, eq=False)
class ColorMatrix:
    """Every pixel's color times a matrix: a cast, swapped or weakened channels, sepia.

        A x = M x,   prox = (gamma M^T M + 1)^-1 (gamma M^T y + z)

    Args:
        matrix: (3, 3), from (R, G, B) to (R, G, B); any rank.

    Raises:
        ValueError: for another shape, or numbers that are not finite.

    Example:
        >>> warm = ColorMatrix(torch.diag(torch.tensor([1.0, 0.5, 0.25])))
        >>> warm.A(torch.ones(1, 3, 1, 1)).flatten().tolist()
        [1.0, 0.5, 0.25]
    """

    matrix: Tensor

    def __post_init__(self) -> None:
        if tuple(self.matrix.shape) != (3, 3) or not bool(self.matrix.isfinite().all()):
            came = tuple(self.matrix.shape)
            raise ValueError(f"the color matrix is {came}, but must be 3 x 3 finite numbers")

    def A(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Mix the channels."""
        return _mix(self.matrix.to(x), x)

    def A_adjoint(self, y: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Mix the channels by the transposed matrix."""
        return _mix(self.matrix.mT.to(y), y)

    def prox_l2(
        self, z: Float[Tensor, "b 3 h w"], y: Float[Tensor, "b 3 h w"], gamma: float | Tensor
    ) -> Float[Tensor, "b 3 h w"]:
        """Pixel by pixel, in the singular vectors of the matrix."""
        left, values, right = (part.to(z) for part in torch.linalg.svd(self.matrix.double()))
        values = values.view(3, 1, 1)
        y, z = _mix(left.mT, y), _mix(right, z)
        return _mix(right.mT, (gamma * values * y + z) / (gamma * values**2 + 1))


def _luma(like: Tensor) -> Float[Tensor, "3 1 1"]:
    return like.new_tensor(LUMA).view(3, 1, 1)


def _mix(matrix: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("dc,bchw->bdhw", matrix, x)
