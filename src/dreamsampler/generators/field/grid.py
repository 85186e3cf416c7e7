"""A radiance field on a grid of voxels: density everywhere, color everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamsampler.generators.field.camera import Vector

Box = tuple[Vector, Vector]
"""The lower and the upper corner, in world coordinates."""
Ball = tuple[Vector, float]
"""Center and radius, in world coordinates."""

DEGREES: Final = (0, 1, 2)
OPAQUE = 30.0
"""Unit of density: this many optical depths along the box's longest side."""
HAZE = 0.05
"""Optical depth of a new grid along its longest side: nearly empty, but no gradient is lost."""
FAINT = 1e-6
"""Least density in its unit that `count_in` writes: softplus must have an inverse."""


@final
class Grid(nn.Module):
    """Density and color at the corners of voxels, trilinear between them.

        density(x) = unit softplus(d(x))                       > 0, in 1 / length
        color(x, v) = sigmoid(sum_lm k_lm(x) Y_lm(v))          in [0, 1]

    d and k are interpolated before their functions are applied, so that a surface can be sharper
    than a voxel. Outside the box, and outside the ball if given, the density is 0.

    Args:
        size: corners along x, y and z; at least 2 each.
        box: what the grid covers, lower corner below the upper one.
        degree: of the spherical harmonics of color: 0 is the same color in all directions.
        color: RGB of a new grid, inside (0, 1).
        ball: center and radius; density is 0 outside. A ball that is inside all pictures keeps
            out specks in the corners of the box, which few cameras cover.

    Raises:
        ValueError: for a size, box, degree, color or ball out of range.

    Source: Sun, Sun & Chen, "Direct voxel grid optimization", CVPR 2022 (arXiv:2111.11215),
        section 4; Fridovich-Keil et al., "Plenoxels", CVPR 2022 (arXiv:2112.05131), eq. 1-2.
    """

    lower: Tensor
    upper: Tensor

    def __init__(
        self,
        size: Sequence[int] = (32, 32, 32),
        box: Box = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
        degree: int = 0,
        color: float = 0.5,
        ball: Ball | None = None,
    ) -> None:
        super().__init__()
        check_grid(size, box, degree, color, ball)
        self.ball = ball
        lower, upper = torch.tensor(box, dtype=torch.float32)
        self.register_buffer("lower", lower)
        self.register_buffer("upper", upper)
        self.degree = degree
        self.unit = OPAQUE / float((upper - lower).max())
        shape = (1, 1, size[2], size[1], size[0])
        empty = math.log(math.expm1(HAZE / OPAQUE))
        self.raw_density = nn.Parameter(torch.full(shape, empty))
        raw_color = torch.zeros(1, 3 * (degree + 1) ** 2, *shape[2:])
        raw_color[:, :3] = math.log(color / (1 - color))
        self.raw_color = nn.Parameter(raw_color)

    @property
    def size(self) -> tuple[int, int, int]:
        """Corners along x, y and z."""
        z, y, x = self.raw_density.shape[2:]
        return x, y, z

    @property
    def box(self) -> Box:
        """What the grid covers."""
        lower, upper = self.lower.tolist(), self.upper.tolist()
        return (lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])

    @property
    def voxel(self) -> float:
        """The shortest edge of a voxel, in world units."""
        cells = torch.tensor(self.size).to(self.lower) - 1
        return float(((self.upper - self.lower) / cells).min())

    def density(self, points: Tensor) -> Tensor:
        """Density at points inside the box, (n, 3) to (n,), in 1 / length."""
        density = self.unit * F.softplus(self._sampled(self.raw_density, points)[:, 0])
        return density if self.ball is None else density * self.inside(points)

    def inside(self, points: Tensor) -> Tensor:
        """Whether points (..., 3) lie in the ball; True without a ball."""
        if self.ball is None:
            return torch.ones(points.shape[:-1], dtype=torch.bool, device=points.device)
        center, radius = self.ball
        return (points - torch.tensor(center).to(points)).norm(dim=-1) <= radius

    def color(self, points: Tensor, directions: Tensor) -> Tensor:
        """RGB in [0, 1] at points (n, 3), along unit directions (n, 3)."""
        found = self._sampled(self.raw_color, points)
        if self.degree:
            basis = harmonics(directions, self.degree)
            found = (found.view(len(found), basis.shape[1], 3) * basis[..., None]).sum(1)
        return found.sigmoid()

    def _sampled(self, values: Tensor, points: Tensor) -> Tensor:
        place = 2 * (points - self.lower) / (self.upper - self.lower) - 1
        found = F.grid_sample(
            values, place.view(1, 1, 1, -1, 3), align_corners=True, padding_mode="border"
        )
        return found.view(values.shape[1], -1).t()

    def corners(self) -> Tensor:
        """World coordinates of the voxels' corners, (z, y, x, 3)."""
        return _corners(self.size, self.lower, self.upper)

    @torch.no_grad()
    def resampled(self, size: Sequence[int], box: Box | None = None) -> Grid:
        """The same field on another grid, such as a finer one or one that fits more tightly.

        Args:
            box: what it covers; by default what this one does. Where the old box does not reach,
                its nearest values are continued.
        """
        box = self.box if box is None else box
        new = Grid(size, box, self.degree, ball=self.ball).to(self.lower)
        new.unit = self.unit
        where = new.corners().reshape(-1, 3)
        for old, into in ((self.raw_density, new.raw_density), (self.raw_color, new.raw_color)):
            into.copy_(self._sampled(old, where).t().reshape(into.shape))
        return new

    @torch.no_grad()
    def count_in(self, unit: float) -> None:
        """Write the same densities at the corners in another unit of density.

        A voxel is opaque at a raw density of about 1 / (unit voxel). For voxels much smaller than
        1 / unit an optimizer does not reach it, and walls become transparent.

        Args:
            unit: 1 / length, > 0.
        """
        depth = (F.softplus(self.raw_density) * (self.unit / unit)).clamp_min(FAINT)
        self.raw_density.copy_(depth + torch.log(-torch.expm1(-depth)))
        self.unit = unit

    def total_variation(self) -> Tensor:
        """The variation: the mean of sqrt(|step along x, y, z|^2 + e^2) - e.

        Of d and of k together, e = 0.01, so that flat faces and sharp edges are both cheap.

        Source: Rudin, Osher & Fatemi, Physica D 60, 1992; Plenoxels, eq. 3.
        """
        total = self.raw_density.new_zeros(())
        for values, scale in ((self.raw_density, 0.1), (self.raw_color, 1.0)):
            inner = values[..., :-1, :-1, :-1]
            steps = (
                values[..., 1:, :-1, :-1] - inner,
                values[..., :-1, 1:, :-1] - inner,
                values[..., :-1, :-1, 1:] - inner,
            )
            square = (steps[0] ** 2 + steps[1] ** 2 + steps[2] ** 2).sum(1)
            total = total + ((scale**2 * square + 1e-4).sqrt() - 1e-2).mean()
        return total

    def sparsity(self) -> Tensor:
        """A penalty of density: the mean of log(1 + 2 (density / unit)^2), 0 in empty space.

        Source: Plenoxels (arXiv:2112.05131), section 3.4 (a Cauchy loss).
        """
        return torch.log1p(2 * F.softplus(self.raw_density) ** 2).mean()

    @torch.no_grad()
    def occupied(self, least: float = 0.01) -> Tensor:
        """Which corners are near matter: opacity of a voxel above `least`, grown by one corner.

        Returns:
            (z, y, x), bool.
        """
        thick = self.unit * F.softplus(self.raw_density) * self.voxel
        near = F.max_pool3d(1 - torch.exp(-thick), 3, 1, 1)[0, 0] > least
        return near if self.ball is None else near & self.inside(self.corners())

    @torch.no_grad()
    def tight_box(self, least: float = 0.1) -> Box:
        """The box around all matter, a voxel wider; the whole box if it is empty."""
        where = self.occupied(least).nonzero()
        if not len(where):
            return self.box
        step = (self.upper - self.lower) / (torch.tensor(self.size).to(self.lower) - 1)
        low = (self.lower + where.amin(0).flip(0) * step).tolist()
        high = (self.lower + where.amax(0).flip(0) * step).tolist()
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _corners(size: Sequence[int], lower: Tensor, upper: Tensor) -> Tensor:
    lines = [torch.linspace(0, 1, n).to(lower) for n in size]
    z, y, x = torch.meshgrid(lines[2], lines[1], lines[0], indexing="ij")
    return lower + torch.stack([x, y, z], -1) * (upper - lower)


def check_grid(
    size: Sequence[int], box: Box, degree: int, color: float = 0.5, ball: Ball | None = None
) -> None:
    """Raise a ValueError for arguments of `Grid` out of range."""
    if len(size) != 3 or min(size) < 2:
        raise ValueError(f"the grid's size is {tuple(size)}: give three numbers, 2 or more each")
    edges = [high - low for low, high in zip(*box, strict=True)]
    if len(edges) != 3 or not all(0 < edge < math.inf for edge in edges):
        raise ValueError(f"the box is {box}: give a lower corner that is below the upper one")
    if degree not in DEGREES:
        raise ValueError(f"degree is {degree}: choose 0 (plain color), 1 or 2")
    if not 0 < color < 1:
        raise ValueError(f"color is {color}: give a number inside (0, 1)")
    if ball is not None and not (0 < ball[1] < math.inf and all(map(math.isfinite, ball[0]))):
        raise ValueError(f"the ball is {ball}: give a finite center and a radius above 0")


def cubic_size(box: Box, resolution: int) -> tuple[int, int, int]:
    """Corners along x, y and z so that voxels are nearly cubes, `resolution` along the longest.

    Example:
        >>> cubic_size(((0, 0, 0), (2, 1, 1)), 33)
        (33, 17, 17)
    """
    edges = [high - low for low, high in zip(*box, strict=True)]
    found = [max(2, round((resolution - 1) * edge / max(edges)) + 1) for edge in edges]
    return found[0], found[1], found[2]


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
