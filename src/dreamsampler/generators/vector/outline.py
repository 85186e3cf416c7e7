"""Masks as closed cubic curves: outlines at sub-pixel places, and few segments that follow them."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dreamsampler.generators.vector.scene import Loop

TOL = 0.8
"""Pixels by which a curve may be off the outline."""
SMOOTH = 1.5
"""Pixels."""
REACH = 6
"""Pixels before and after a place between which its turn is measured."""
CORNER = math.radians(50)
"""A turn of more is a corner."""
ROUNDS = 4
"""Times that the places on a curve are set anew before it is split."""

Points = NDArray[np.complex128]


def smoothed(x: Float[Tensor, "*b h w"], sigma: float = 1.0) -> Tensor:
    """By a Gaussian; the edge is repeated."""
    radius = math.ceil(3 * sigma)
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1.0) / sigma) ** 2)
    taps = (taps / taps.sum()).to(x)
    y = functional.pad(x.reshape(-1, 1, *x.shape[-2:]), [radius] * 4, mode="replicate")
    y = functional.conv2d(functional.conv2d(y, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return y.view(x.shape)


def traced_mask(mask: Bool[Tensor, "h w"], tol: float = TOL) -> list[Loop]:
    """The outlines of a mask as loops of cubic segments, holes the other way round.

    The mask is smoothed by `SMOOTH`; its outline is where half is left (marching squares, linear
    between pixels), which never crosses itself. Between corners cubics are fitted to it by least
    squares, split where they are off by more than `tol`. Beyond the canvas nothing is white.

    Args:
        mask: of what is inside.
        tol: pixels.

    Example:
        >>> y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
        >>> (disk,) = traced_mask((x - 15.5) ** 2 + (y - 15.5) ** 2 < 100)
        >>> len(disk) <= 18, 9.6 < float((disk[::3] - 16).norm(dim=1).mean()) < 10.2
        (True, True)

    Source: P. J. Schneider, "An Algorithm for Automatically Fitting Digitized Curves", Graphics
    Gems, 1990 (the fit).
    """
    pad = 6
    field = functional.pad(mask.float(), [pad] * 4)
    edge = functional.pad(torch.ones_like(mask, dtype=torch.bool), [pad] * 4)
    # at the border of the canvas the mask goes on, so that its corners stay
    out = functional.pad(mask.float()[None, None], [pad] * 4, mode="replicate")[0, 0]
    near = functional.max_pool2d(edge.float()[None], 3, 1, 1)[0] > 0
    level = torch.where(near, smoothed(out, SMOOTH), torch.zeros_like(field))
    loops = []
    for line in _lines(level.double().numpy()):
        fit = _fitted(line - (pad - 0.5) * (1 + 1j), tol)
        if fit is not None:
            loops.append(torch.view_as_real(torch.from_numpy(fit)).float())
    return loops


def _lines(level: NDArray[np.float64]) -> list[Points]:
    """Closed polygons x + i y where the field is 1/2; what is above lies to the right of travel."""
    inside = level > 0.5
    code = inside[:-1, :-1] + 2 * inside[:-1, 1:] + 4 * inside[1:, 1:] + 8 * inside[1:, :-1]
    # sides of a cell: 0 top, 1 right, 2 bottom, 3 left; from -> to for each of the 16 cases
    table = {1: [(0, 3)], 2: [(1, 0)], 3: [(1, 3)], 4: [(2, 1)], 5: [(0, 3), (2, 1)], 6: [(2, 0)],
             7: [(2, 3)], 8: [(3, 2)], 9: [(0, 2)], 10: [(1, 0), (3, 2)], 11: [(1, 2)],
             12: [(3, 1)], 13: [(0, 1)], 14: [(3, 0)]}  # fmt: skip
    after: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for row, column in np.argwhere((code > 0) & (code < 15)).tolist():
        sides = ((row, column, 0), (row, column + 1, 1), (row + 1, column, 0), (row, column, 1))
        for begin, end in table[int(code[row, column])]:
            after[sides[begin]] = sides[end]
    lines = []
    while after:
        first, here = after.popitem()
        keys = [first]
        while here != first:
            keys.append(here)
            here = after.pop(here)
        row, column, down = np.array(keys).T
        a, b = level[row, column], level[row + (down == 1), column + (down == 0)]
        share = (0.5 - a) / (b - a)
        lines.append((column + share * (down == 0)) + 1j * (row + share * (down == 1)))
    return lines[::-1]


def _fitted(line: Points, tol: float) -> Points | None:
    """A closed polygon as a loop: anchor, handle, handle, ...; None for what is too short."""
    steps = np.abs(np.roll(line, -1) - line)
    length = float(steps.sum())
    if length < 6:
        return None
    count = max(8, round(length))
    at = np.concatenate([[0], steps.cumsum()])
    even = np.arange(count) * (length / count)
    closed = np.append(line, line[0])
    p = np.interp(even, at, closed.real) + 1j * np.interp(even, at, closed.imag)
    corners = _corners(p)
    if len(corners) < 2:  # smooth: parted where it is leftmost and rightmost
        far = [int(p.real.argmin()), int(p.real.argmax())]
        corners = sorted({*corners, *far})
    sharp, loop = {*_corners(p)}, []
    smooth = {k: _unit(p[(k + 2) % count] - p[k - 2]) for k in corners if k not in sharp}
    for begin, end in zip(corners, [*corners[1:], corners[0] + count], strict=True):
        run = p[np.arange(begin, end + 1) % count]
        out = smooth.get(begin, _unit(run[min(2, len(run) - 1)] - run[0]))
        back = -smooth.get(end % count, _unit(run[-1] - run[max(-3, -len(run))]))
        loop += _cubics(run, out, back, tol)
    return np.array([point for curve in loop for point in curve[:3]])


def _corners(p: Points) -> list[int]:
    """Where a closed line of even steps turns sharply."""
    reach = min(REACH, len(p) // 6)
    turn = np.abs(np.angle((np.roll(p, -reach) - p) / (p - np.roll(p, reach))))
    near = np.max([np.roll(turn, shift) for shift in range(-reach, reach + 1)], axis=0)
    found = np.flatnonzero((turn == near) & (turn > CORNER)).tolist()
    return [k for i, k in enumerate(found) if k - found[i - 1] not in range(1, reach)]


def _cubics(p: Points, out: complex, back: complex, tol: float) -> list[list[complex]]:
    """Cubics from the first point to the last, leaving along `out`, and `back` at the end."""
    if len(p) < 3:
        third = abs(p[-1] - p[0]) / 3
        return [[p[0], p[0] + third * out, p[-1] + third * back, p[-1]]]
    u = np.concatenate([[0], np.abs(np.diff(p)).cumsum()])
    u /= u[-1]
    for _ in range(ROUNDS):
        curve = _least_squares(p, u, out, back)
        off = np.abs(_at(curve, u) - p)
        if off.max() <= tol:
            return [curve]
        u = _nearest(curve, p, u)
    middle = min(max(int(off.argmax()), 1), len(p) - 2)
    along = _unit(p[min(middle + 2, len(p) - 1)] - p[max(middle - 2, 0)])
    first = _cubics(p[: middle + 1], out, -along, tol)
    return [*first, *_cubics(p[middle:], along, back, tol)]


def _least_squares(p: Points, u: NDArray[np.float64], out: complex, back: complex) -> list[complex]:
    """The cubic with given ends and directions that is nearest to p at the places u."""
    v = 1 - u
    begin, end = 3 * v * v * u, 3 * v * u * u
    rest = p - p[0] * (v**3 + begin) - p[-1] * (u**3 + end)
    a = np.stack([begin * out, end * back])
    gram = (a[:, None] * a[None].conj()).real.sum(2)
    right = (a.conj() * rest).real.sum(1)
    whole = float(np.abs(np.diff(p)).sum())
    det = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    arms = np.linalg.solve(gram, right) if det > 1e-9 * whole else np.zeros(2)
    if not ((arms > 0.02 * whole) & (arms < whole)).all():
        arms = np.full(2, abs(p[-1] - p[0]) / 3)
    return [p[0], p[0] + arms[0] * out, p[-1] + arms[1] * back, p[-1]]


def _at(curve: list[complex], u: NDArray[np.float64]) -> Points:
    v = 1 - u
    a, b, c, d = curve
    return v**3 * a + 3 * v * v * u * b + 3 * v * u * u * c + u**3 * d


def _nearest(curve: list[complex], p: Points, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places on a curve nearer to p, by a step of Newton's method."""
    a, b, c, d = curve
    v = 1 - u
    first = 3 * (v * v * (b - a) + 2 * v * u * (c - b) + u * u * (d - c))
    second = 6 * (v * (c - 2 * b + a) + u * (d - 2 * c + b))
    gap = _at(curve, u) - p
    slope = (first * first.conj() + gap * second.conj()).real
    step = np.where(slope > 1e-9, (gap * first.conj()).real / np.maximum(slope, 1e-9), 0)
    return np.maximum.accumulate((u - step).clip(0, 1))


def _unit(z: complex) -> complex:
    return z / abs(z) if abs(z) > 1e-9 else 1.0 + 0j
