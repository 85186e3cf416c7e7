"""Emission and absorption along rays: color, depth and opacity of a field.

A ray is cut where it enters and leaves the box, and into steps in between. The samples (`march`)
depend on the field only through its occupied voxels, so that they are kept between optimizer steps;
their color (`shade`) is differentiable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.field.grid import Grid

HIDDEN = 1e-4
"""Samples behind this transmittance are invisible, and their color is not computed."""


@final
@dataclass(frozen=True, eq=False)
class March:
    """Samples of a bundle of rays, in the order of the rays and along each ray.

    Args:
        rays: the number of rays.
        ray: (p,) which ray a sample lies on, non-decreasing.
        distance: (p,) from the ray's origin to the middle of the step.
        length: (p,) of the step.
        points: (p, 3), in world coordinates.
        directions: (rays, 3), unit length.
    """

    rays: int
    ray: Tensor
    distance: Tensor
    length: Tensor
    points: Tensor
    directions: Tensor

    def __len__(self) -> int:
        return len(self.ray)


@final
@dataclass(frozen=True, eq=False)
class Rendering:
    """Color, opacity and depth of rays, without a background.

    Args:
        color: (rays, 3), sum_i w_i c_i: already weighted by opacity.
        opacity: (rays,) in [0, 1], sum_i w_i.
        depth: (rays,) mean distance, sum_i w_i t_i / opacity; infinite where the
            opacity is below 0.001.
    """

    color: Tensor
    opacity: Tensor
    depth: Tensor

    def on(self, background: Tensor | float) -> Tensor:
        """Colors before a background: color + (1 - opacity) background, (rays, 3)."""
        return self.color + (1 - self.opacity)[:, None] * background


@torch.no_grad()
def march(
    grid: Grid,
    origins: Tensor,
    directions: Tensor,
    *,
    step: float | None = None,
    occupied: Tensor | None = None,
) -> March:
    """Cut rays into steps inside the box, without those in empty voxels.

    The steps of a ray cover its way through the box exactly; the last one may be shorter.

    Args:
        grid: whose box.
        origins: (n, 3).
        directions: (n, 3), unit length.
        step: length of a step; by default the shortest edge of a voxel.
        occupied: `Grid.occupied()`, (z, y, x); by default everything is.

    Raises:
        ValueError: a step that is not above 0.
    """
    step = grid.voxel if step is None else step
    if not step > 0:
        raise ValueError(f"step is {step}: give a length above 0")
    origins, directions = origins.to(grid.lower), directions.to(grid.lower)
    near, far = _through(grid, origins, directions)
    most = math.ceil(float((far - near).max().clamp_min(0)) / step - 1e-4) if len(near) else 0
    start = near[:, None] + step * torch.arange(max(most, 0)).to(near)
    ray, place = (start < far[:, None] - 1e-4 * step).nonzero(as_tuple=True)
    begin = start[ray, place]
    length = (far[ray] - begin).clamp_max(step)
    distance = begin + length / 2
    points = origins[ray] + distance[:, None] * directions[ray]
    found = March(len(origins), ray, distance, length, points, directions)
    return found if occupied is None else _kept(found, _near_something(grid, points, occupied))


def _kept(all_: March, which: Tensor) -> March:
    return March(
        all_.rays,
        all_.ray[which],
        all_.distance[which],
        all_.length[which],
        all_.points[which],
        all_.directions,
    )


def _through(grid: Grid, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Distances at which rays enter and leave the box; near = far where they miss it."""
    tiny = torch.full_like(directions, 1e-12)
    slope = torch.where(directions.abs() < 1e-12, tiny, directions)
    ends = torch.stack([(grid.lower - origins) / slope, (grid.upper - origins) / slope])
    near = ends.amin(0).amax(1).clamp_min(0)
    far = ends.amax(0).amin(1)
    return near, torch.maximum(near, far)


def _near_something(grid: Grid, points: Tensor, occupied: Tensor) -> Tensor:
    """Indices of the points whose nearest corner is occupied."""
    shape = torch.tensor(grid.size, device=points.device)
    place = (points - grid.lower) / (grid.upper - grid.lower) * (shape - 1)
    x, y, z = torch.minimum(place.round().long().clamp_min(0), shape - 1).unbind(1)
    return occupied.reshape(-1)[(z * shape[1] + y) * shape[0] + x].nonzero()[:, 0]


def shade(grid: Grid, marched: March) -> Rendering:
    """Color, opacity and depth of the rays of a march; gradients reach the grid.

        tau_i = density(x_i) length_i,   T_i = exp(-sum_{j<i} tau_j),   w_i = T_i (1 - exp(-tau_i))
        color = sum_i w_i c_i,    opacity = sum_i w_i,    depth = sum_i w_i t_i / opacity

    Source: Max, "Optical models for direct volume rendering", TVCG 1995; Mildenhall et al., "NeRF",
        ECCV 2020 (arXiv:2003.08934), eq. 3.
    """
    ray = marched.ray
    thick = grid.density(marched.points) * marched.length
    weights, transmitted = _weights(thick, ray, marched.rays)
    visible = (transmitted.detach() > HIDDEN).nonzero()[:, 0]
    own, weights = ray[visible], weights[visible]
    colors = grid.color(marched.points[visible], marched.directions[own])
    blank = thick.new_zeros(marched.rays)
    opacity = blank.index_add(0, own, weights)
    reach = blank.index_add(0, own, weights * marched.distance[visible])
    depth = torch.where(opacity > 1e-3, reach / opacity.clamp_min(1e-3), math.inf)
    color = thick.new_zeros(marched.rays, 3).index_add(0, own, weights[:, None] * colors)
    return Rendering(color, opacity, depth)


def _weights(thick: Tensor, ray: Tensor, rays: int) -> tuple[Tensor, Tensor]:
    """w_i and T_i of samples that lie one after the other, ray by ray.

    One running sum over all rays, in float64, from which each ray's own start is taken away.
    """
    total = thick.double().cumsum(0)
    before = total - thick
    first = torch.searchsorted(ray, torch.arange(rays, device=ray.device))
    starts = torch.cat([before, before.new_zeros(1)])[first]
    transmitted = torch.exp(-(before - starts[ray]).clamp_min(0)).to(thick)
    return transmitted * -torch.expm1(-thick), transmitted


def render(
    grid: Grid,
    origins: Tensor,
    directions: Tensor,
    *,
    step: float | None = None,
    occupied: Tensor | None = None,
    chunk: int = 4096,
) -> Rendering:
    """Color, opacity and depth of rays, a chunk of them at a time; see `march` and `shade`.

    With gradients, every chunk is computed again on the way back, so that the memory does not
    grow with the number of rays (but for ten numbers a ray).

    Args:
        grid: the field.
        origins: (n, 3).
        directions: (n, 3), unit length.
        step: length of a step.
        occupied: as for `march`.
        chunk: rays at a time, > 0.

    Raises:
        ValueError: a chunk of less than one ray.
    """
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}: render at least one ray at a time")

    def part(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        check_canceled()
        found = shade(grid, march(grid, o, d, step=step, occupied=occupied))
        return found.color, found.opacity, found.depth

    bundles = list(zip(origins.split(chunk), directions.split(chunk), strict=True))
    again = torch.is_grad_enabled() and len(bundles) > 1
    parts = [
        checkpoint(part, o, d, use_reentrant=False) if again else part(o, d) for o, d in bundles
    ]
    color, opacity, depth = (torch.cat(each) for each in zip(*parts, strict=True))
    return Rendering(color, opacity, depth)
