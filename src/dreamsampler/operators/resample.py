"""Downsampling by a whole number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, final, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamsampler.operators.fold import fold
from dreamsampler.operators.registry import Parameter, Size, Values, named

Method: TypeAlias = Literal["bicubic", "area"]
"""How pixels are put together: a cubic filter that does not alias, or the mean of each cell."""


def _build(given: Values, size: Size | None, device: str) -> Downsample:
    ragged = size is not None and any(n % given["factor"] for n in size)
    return Downsample(**given, size=size if ragged else None)


@named(
    "downsample",
    "fewer pixels",
    {
        "factor": Parameter(int, 1, 64),
        "method": Parameter(str, default="bicubic", choices=("bicubic", "area")),
    },
    build=_build,
    values=lambda op: None if op.size else {"factor": op.factor, "method": op.method},
)
@final
@dataclass(frozen=True)
class Downsample:
    """Fewer pixels along both axes: A x = M_rows x M_columns^T.

    "bicubic" is `torch.nn.functional.interpolate(..., mode="bicubic", antialias=True)` and, up to
    rounding, Pillow's `resize`; "area" is the mean of factor x factor pixels. A picture
    whose size is no multiple of the factor is continued by mirroring (edge pixel twice) until it
    is, so n pixels become ceil(n / factor). The prox is closed: A A^T is diagonal in the
    eigenvectors of M M^T.

    Args:
        factor: whole number >= 1; 1 with "area" changes nothing.
        method: "bicubic" or "area".
        size: height and width of the pictures. Only `A_adjoint` needs it, and only where they are
            no multiples of the factor, since the measurement alone does not tell.

    Raises:
        ValueError: for another factor or method.

    Example:
        >>> small = Downsample(2, "area")
        >>> small.A(torch.tensor([1.0, 3.0, 5.0]).view(1, 1, 1, 3)).tolist()
        [[[[2.0, 5.0]]]]
    """

    factor: int
    method: Method = "bicubic"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            known = " or ".join(get_args(Method))
            raise ValueError(f"there is no downsampling {self.method!r}: choose {known}")
        if not 1 <= self.factor <= 64:
            raise ValueError(
                f"factor is {self.factor}, but a picture is downsampled by a whole number "
                "from 1 to 64"
            )

    def A(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c hy wy"]:
        """Fewer pixels.

        Raises:
            ValueError: for pictures of another size than the operator was made for.
        """
        if self.size not in (None, tuple(x.shape[-2:])):
            came, expected = ("x".join(map(str, s)) for s in (x.shape[-2:], self.size or ()))
            raise ValueError(f"the picture is {came} (height x width), but must be {expected}")
        rows, columns = self._matrices(x.shape[-2:], x)
        return rows @ x @ columns.mT

    def A_adjoint(self, y: Float[Tensor, "b c hy wy"]) -> Float[Tensor, "b c h w"]:
        """The transpose of A, to pictures of `input_size`."""
        rows, columns = self._matrices(self.input_size((y.shape[-2], y.shape[-1])), y)
        return rows.mT @ y @ columns

    def prox_l2(
        self, z: Float[Tensor, "b c h w"], y: Float[Tensor, "b c hy wy"], gamma: float | Tensor
    ) -> Float[Tensor, "b c h w"]:
        """As z + gamma A^T (1 + gamma A A^T)^-1 (y - A z), in the eigenvectors of A A^T."""
        rows, columns = self._matrices(z.shape[-2:], z)
        (values_r, basis_r), (values_c, basis_c) = (
            tuple(t.to(z) for t in _eigen(n, self.factor, self.method)) for n in z.shape[-2:]
        )
        misfit = basis_r.mT @ (y - rows @ z @ columns.mT) @ basis_c
        misfit = misfit * (gamma / (1 + gamma * values_r[:, None] * values_c))
        return z + rows.mT @ (basis_r @ misfit @ basis_c.mT) @ columns

    def input_size(self, y_size: tuple[int, int]) -> tuple[int, int]:
        """The largest picture that gives this measurement, factor times its size, or `size`."""
        return self.size or (y_size[0] * self.factor, y_size[1] * self.factor)

    def measured(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Cells, also those that the picture only begins."""
        c, h, w = shape
        return c, -(-h // self.factor), -(-w // self.factor)

    def _matrices(self, size: tuple[int, ...] | torch.Size, like: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = (_matrix(n, self.factor, self.method) for n in size[-2:])
        return rows.to(like), columns.to(like)


@lru_cache(maxsize=8)
def _matrix(size: int, factor: int, method: Method) -> Float[Tensor, "cells size"]:
    """Downsampling along one axis, float64: weights of the continued picture, folded back."""
    cells = -(-size // factor)
    whole = cells * factor
    if method == "area":
        weights = torch.eye(cells, dtype=torch.float64).repeat_interleave(factor, 1) / factor
    else:
        points = torch.eye(whole, dtype=torch.float64)[None, None]
        weights = F.interpolate(points, (cells, whole), mode="bicubic", antialias=True)[0, 0]
    place = fold(torch.arange(whole), size, "reflect")
    return weights.new_zeros(cells, size).index_add(1, place, weights)


@lru_cache(maxsize=8)
def _eigen(size: int, factor: int, method: Method) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of M M^T along one axis, float64."""
    matrix = _matrix(size, factor, method)
    values, basis = torch.linalg.eigh(matrix @ matrix.mT)
    return values.clamp_min(0), basis
