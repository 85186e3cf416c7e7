"""Strokes as filled outlines, with gradients for their points and their width."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from dreamsampler.generators.vector.chords import cross
from dreamsampler.generators.vector.contour import straight
from dreamsampler.generators.vector.raster import TOL
from dreamsampler.generators.vector.scene import Loop

Cap: TypeAlias = Literal["butt", "round", "square"]
Join: TypeAlias = Literal["miter", "round", "bevel"]

Curves: TypeAlias = Float[Tensor, "n 4 2"]


def stroke(
    curves: Curves,
    width: Float[Tensor, ""],
    *,
    closed: bool,
    cap: Cap = "butt",
    join: Join = "miter",
    miter_limit: float = 4.0,
    tol: float = TOL,
) -> list[Loop]:
    """The outline of a stroke, as loops of one path to be filled by the nonzero rule.

    Both sides are at half the width from the line, p +- width / 2 n. Where the radius of curvature
    is smaller than that, the inner side runs backwards; the area it covers there is filled, too.

    Args:
        curves: consecutive segments of one line.
        width: pixels, >= 0; a tensor, so that it can have a gradient.
        closed: whether the last segment ends where the first one begins, and is joined to it.
        cap: of the ends of an open line, as in SVG.
        join: of its corners, as in SVG.
        miter_limit: longest miter, in widths; longer ones become bevels.
        tol: largest distance of the outline's chords from the outline, pixels.

    Returns:
        Loops for `compound`; a single point with butt caps has none.

    Raises:
        ValueError: for an unknown cap or join, a negative width or no segments.

    Example:
        >>> line = torch.tensor([[[2.0, 4.0], [4.0, 4.0], [6.0, 4.0], [8.0, 4.0]]])
        >>> (loop,) = stroke(line, torch.tensor(2.0), closed=False, cap="square")
        >>> loop[:, 0].min().item(), loop[:, 0].max().item()
        (1.0, 9.0)

    Source: SVG 2, section 13.5 (stroke shape).
    """
    if cap not in ("butt", "round", "square"):
        raise ValueError(f'cap is {cap!r}, but must be "butt", "round" or "square"')
    if join not in ("miter", "round", "bevel"):
        raise ValueError(f'join is {join!r}, but must be "miter", "round" or "bevel"')
    if not len(curves) or not float(width.detach()) >= 0:
        raise ValueError(
            f"a stroke of {len(curves)} segments and width {float(width.detach()):g} cannot be "
            "drawn: give at least 1 segment and a width of 0 or more"
        )
    half = 0.5 * width
    lines = [_sampled(curve, half, tol) for curve in curves]
    if not any(bool((p.detach() != p[0].detach()).any()) for p, _ in lines):
        if cap == "butt":
            return []
        closed = False
    left, right = _sides(lines, half, closed, join, miter_limit, tol)
    if closed:
        loops = [torch.cat(left), torch.cat(right).flip(0)]
    else:
        (first, n0), (last, n1) = lines[0], lines[-1]
        end = _cap(last[-1], n1[-1], half, cap, tol)
        start = _cap(first[0], -n0[0], half, cap, tol)
        loops = [torch.cat([*left, end, torch.cat(right).flip(0), start])]
    return [straight(loop) for loop in [*loops, *_turned_back(lines, half)]]


def _sampled(curve: Tensor, half: Tensor, tol: float) -> tuple[Tensor, Tensor]:
    """Points of a segment, (k + 1, 2), and the unit normals (-dy, dx) there."""
    p0, p1, p2, p3 = curve
    steps = curve[1:] - curve[:-1]
    with torch.no_grad():
        curvature = (steps[1:] - steps[:-1]).norm(dim=1).max()
        legs = steps[steps.norm(dim=1) > 0]
        turn = torch.zeros((), dtype=curve.dtype)
        for a, b in pairwise(legs):
            turn = turn + torch.atan2(cross(a, b).abs(), (a * b).sum())
        of_side = 1.5 * turn * (half / (8 * tol)).sqrt()
        count = int(torch.maximum((0.75 * curvature / tol).sqrt(), of_side).ceil().clamp(1, 4096))
    t = torch.linspace(0, 1, count + 1, dtype=curve.dtype, device=curve.device)[:, None]
    s = 1 - t
    point = s**3 * p0 + 3 * s**2 * t * p1 + 3 * s * t**2 * p2 + t**3 * p3
    along = s**2 * steps[0] + 2 * s * t * steps[1] + t**2 * steps[2]
    along = torch.cat([_first_of(p1 - p0, p2 - p0, p3 - p0)[None], along[1:-1],
                       _first_of(p3 - p2, p3 - p1, p3 - p0)[None]])  # fmt: skip
    length = along.norm(dim=1, keepdim=True)
    still = length < 1e-9  # a cusp: the direction of the chord across it
    across = torch.cat([point[1:], point[-1:]]) - torch.cat([point[:1], point[:-1]])
    along = torch.where(still, across + 1e-12, along)
    along = along / along.norm(dim=1, keepdim=True)
    return point, torch.stack([-along[:, 1], along[:, 0]], 1)


def _first_of(*directions: Tensor) -> Tensor:
    """The first direction that is not 0."""
    for direction in directions:
        if float(direction.detach().abs().max()) > 1e-9:
            return direction
    return torch.tensor([1.0, 0.0], dtype=directions[0].dtype, device=directions[0].device)


def _sides(
    lines: list[tuple[Tensor, Tensor]],
    half: Tensor,
    closed: bool,
    join: Join,
    miter_limit: float,
    tol: float,
) -> tuple[list[Tensor], list[Tensor]]:
    """Both sides in the direction of travel, corners joined."""
    left, right = [], []
    for number, (point, normal) in enumerate(lines):
        left.append(point + half * normal)
        right.append(point - half * normal)
        if number + 1 == len(lines) and not closed:
            break
        before, after = normal[-1], lines[(number + 1) % len(lines)][1][0]
        with torch.no_grad():
            turn, onward = float(cross(before, after)), float((before * after).sum())
        if abs(turn) < 1e-6 and onward > 0:
            continue
        sign = -1.0 if turn > 0 else 1.0  # the outer side: left where it turns right
        corner = point[-1]
        if join == "round" and abs(turn) < 1e-6:  # half a circle, in front
            sign, shape = 1.0, _cap(corner, before, half, "round", tol)
        else:
            shape = _join(corner, sign * before, sign * after, half, join, miter_limit, tol)
        outer, inner = (left, right) if sign > 0 else (right, left)
        outer.append(shape)
        inner.append(corner[None])
    return left, right


def _join(
    corner: Tensor,
    before: Tensor,
    after: Tensor,
    half: Tensor,
    join: Join,
    miter_limit: float,
    tol: float,
) -> Tensor:
    """What lies between the ends of two outer sides: (k, 2), k may be 0."""
    if join == "round":
        return _arc(corner, before, after, half, tol)
    likeness = 1 + (before * after).sum()
    if join == "miter" and float(likeness.detach()) * miter_limit**2 >= 2:
        return (corner + half * (before + after) / likeness)[None]
    return corner.new_zeros(0, 2)


def _cap(end: Tensor, normal: Tensor, half: Tensor, cap: Cap, tol: float) -> Tensor:
    """From the end of the left side to that of the right one."""
    if cap == "butt":
        return end.new_zeros(0, 2)
    forward = torch.stack([normal[1], -normal[0]])
    if cap == "square":
        return torch.stack([end + half * (forward + normal), end + half * (forward - normal)])
    quarters = [
        _arc(end, normal, forward, half, tol),
        (end + half * forward)[None],
        _arc(end, forward, -normal, half, tol),
    ]
    return torch.cat(quarters)


def _arc(center: Tensor, a: Tensor, b: Tensor, radius: Tensor, tol: float) -> Tensor:
    """Inner points of the shorter arc between the unit vectors a and b: (k, 2)."""
    angle = torch.atan2(cross(a, b), (a * b).sum())
    step = 2 * math.acos(max(0.0, 1 - tol / max(float(radius.detach()), tol)))
    count = math.ceil(abs(float(angle.detach())) / step)
    if count < 2:
        return center.new_zeros(0, 2)
    share = torch.arange(1, count, dtype=center.dtype, device=center.device) / count
    phi = (share * angle)[:, None]
    side = torch.stack([-a[1], a[0]])
    return center + radius * (phi.cos() * a + phi.sin() * side)


def _turned_back(lines: list[tuple[Tensor, Tensor]], half: Tensor) -> list[Tensor]:
    """Loops that fill the area that an inner side takes away by running backwards.

    Of each chord the outline holds the quadrangles between it and both sides. One whose side runs
    backwards is taken out again, and the two triangles that its spokes sweep are put in its place.
    """
    loops = []
    for point, normal in lines:
        for sign in (1.0, -1.0):
            side = point + sign * half * normal
            against = ((side[1:] - side[:-1]) * (point[1:] - point[:-1])).sum(1)
            for k in (against.detach() < 0).nonzero().squeeze(1).tolist():
                p, q, to, back = point[k], point[k + 1], side[k + 1], side[k]
                out = torch.stack([back, p, q, to])
                loops.append(out if sign > 0 else out.flip(0))
                for corner in (back, to):
                    triangle = torch.stack([p, corner, q])
                    turns = float(cross(corner - p, q - p).detach())
                    loops.append(triangle if turns < 0 else triangle.flip(0))
    return loops
