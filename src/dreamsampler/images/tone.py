"""Colors of a painted hole, shifted smoothly to agree with those around it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamsampler.images.seam import around
from dreamsampler.maths import conjugate_gradient

GAP = 40 / 255
"""Larger differences across the edge are not of tone: another thing begins there."""
EDGE = 16 / 255
"""Steps of the painting through which a shift hardly passes."""
REACH = 0.4
"""How far a shift reaches into the hole, as a share of the side of a square of the picture's area;
what no edge separates from the hole's rim takes its shift from there, the rest keeps its color."""
STEPS = 150
"""Most steps towards the solution: what is left then is smooth."""


def toned(source: Tensor, painted: Tensor, hole: Tensor, depths: Sequence[int] = (1,)) -> Tensor:
    """The painting, with a smooth shift of its colors that makes them meet those around the hole.

        sum_q w_pq (c_p - c_q) + sum_k v_pk (c_p - g_pk) + c_p / reach^2 = 0       p, q in the hole
        w_pq = exp(-|painted_p - painted_q|^2 / (16/255)^2)
        v_pk = exp(-|g_pk|^2 / (40/255)^2), 0 if |g_pk| > 40/255    g_pk = source_o - painted_p

    where q are the neighbors of p, and o is the pixel outside of the hole k pixels from p along a
    row or column. |.| is the largest of the three colors. So a shift begins where nearly the same
    color lies on both sides, spreads over what the painting has in that color, and stops at its
    outlines. v is also small where source or painting step by more than 16/255 beside o or p.

    Args:
        source: (3, h, w) in [0, 1].
        painted: likewise; what it holds outside of the hole does not matter.
        hole: (1, h, w); above 0.
        depths: the numbers k, in pixels.

    Returns:
        painted + c, (3, h, w) in [0, 1], equal to `painted` outside of the hole.

    Source: ours; Perez, Gangnet & Blake, "Poisson image editing", SIGGRAPH 2003, with the weights
    of Perona & Malik, PAMI 1990.
    """
    inside = hole[0] > 0
    if not bool(inside.any()) or bool(inside.all()):
        return painted
    box = (slice(None), *around(inside, max(depths) + 1))
    x, known = painted[box], source[box]
    free = inside[box[1:]].to(x)[None]
    rough = free * _roughness(x, free) + (1 - free) * _roughness(known, 1 - free)
    reach = REACH * (hole.shape[-2] * hole.shape[-1]) ** 0.5
    total, right = free / reach**2, torch.zeros_like(x)
    links: list[tuple[int, int, Tensor]] = []
    for axis in (1, 2):
        for way in (1, -1):
            link = free * _moved(free, axis, way) * _near(x - _moved(x, axis, way), EDGE)
            links.append((axis, way, link))
            total = total + link
            between = free
            for k in range(1, max(depths) + 1):
                if k in depths:
                    gap = _moved(known, axis, way * k) - x
                    meets = between * _moved(1 - free, axis, way * k) * (_size(gap) <= GAP)
                    flat = _near(rough, EDGE) * _near(_moved(rough, axis, way * k), EDGE)
                    meets = meets * _near(gap, GAP) * flat
                    total, right = total + meets, right + meets * gap
                between = between * _moved(free, axis, way * k)
    scale = total.clamp_min(1e-12).rsqrt() * free  # so that steps do not depend on the weights

    def system(y: Tensor) -> Tensor:
        c, result = scale * y, total * scale * y
        for axis, way, link in links:
            result = result - link * _moved(c, axis, way)
        return scale * result + (1 - free) * y

    c = scale * conjugate_gradient(system, scale * right, steps=STEPS, tol=1e-3)
    shifted = painted.clone()
    shifted[box] = torch.where(free > 0, (x + c).clamp(0, 1), x)
    return shifted


def _moved(x: Tensor, axis: int, by: int) -> Tensor:
    """Every pixel's neighbor `by` before it along an axis; 0 where there is none."""
    moved, count = torch.zeros_like(x), x.shape[axis] - abs(by)
    if count > 0:
        start = max(by, 0)
        moved.narrow(axis, start, count).copy_(x.narrow(axis, start - by, count))
    return moved


def _size(x: Tensor) -> Tensor:
    """The largest of the three colors, (1, h, w)."""
    return x.abs().amax(0, keepdim=True)


def _near(x: Tensor, width: float) -> Tensor:
    return torch.exp(-((_size(x) / width) ** 2))


def _roughness(x: Tensor, where: Tensor) -> Tensor:
    """The largest step to a neighbor on the same side of the hole's edge, (1, h, w)."""
    rough = torch.zeros_like(where)
    for axis in (1, 2):
        for way in (1, -1):
            both = where * _moved(where, axis, way)
            rough = torch.maximum(rough, both * _size(x - _moved(x, axis, way)))
    return rough
