"""Curves as short chords: their number, their places, and gradients from chords to curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

MOST_CHORDS = 1 << 24
"""More in one path, or a few, would take gigabytes; float32 counts exactly up to here."""
LONG = 12.0
"""Segments whose chords would be more than that many are quartered first."""


def _quarters() -> Tensor:
    """(4, 4, 4): what takes the control points of a cubic to those of its four quarters."""
    rows = []
    for u, v in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        for a, b, c in ((u, u, u), (u, u, v), (u, v, v), (v, v, v)):  # the arguments of the blossom
            p, q, r = 1 - a, 1 - b, 1 - c
            near = a * q * r + p * b * r + p * q * c
            rows.append([p * q * r, near, p * b * c + a * q * c + a * b * r, a * b * c])
    return torch.tensor(rows, dtype=torch.float64).view(4, 4, 4)


QUARTERS = _quarters()


@final
@dataclass(frozen=True, eq=False)
class Refined:
    """Segments in the order of their paths, the long ones quartered.

    The chords of a quarter fit its own speed and curvature, so that a third fewer are needed.
    """

    curves: Tensor
    path: Tensor
    short: Tensor
    long: Tensor
    order: Tensor

    def back(self, gradient: Tensor) -> Tensor:
        """From dL/d (finer curves), (n', 4, 2), to dL/d curves, (n, 4, 2)."""
        unordered = torch.empty_like(gradient)
        unordered[self.order] = gradient
        count = len(self.short)
        out = gradient.new_empty(count + len(self.long), 4, 2)
        out[self.short] = unordered[:count]
        quarters = unordered[count:].view(-1, 4, 4, 2)
        out[self.long] = torch.einsum("jab,njak->nbk", QUARTERS.to(gradient), quarters)
        return out


def refine(curves: Tensor, path: Tensor) -> Refined:
    """Quarter what is long, sort by path.

    Args:
        curves: (n, 4, 2).
        path: (n,), the path of each.
    """
    far = 3 * (curves[:, 1:] - curves[:, :-1]).abs().amax((1, 2)) > LONG
    short, long = (~far).nonzero().squeeze(1), far.nonzero().squeeze(1)
    quarters = torch.einsum("jab,nbk->njak", QUARTERS.to(curves), curves[long])
    finer = torch.cat([curves[short], quarters.reshape(-1, 4, 2)])
    owner = torch.cat([path[short], path[long].repeat_interleave(4)])
    order = (owner * len(path) + torch.cat([short, long.repeat_interleave(4)])).argsort(stable=True)
    owner = owner[order]
    return Refined(finer[order], owner, short, long, order)


def counts(curves: Tensor, tol: float) -> Tensor:
    """Chords each segment is cut into: none longer than a pixel along an axis, none `tol` off.

        n = max( max |B'|_inf / (1 - r),  sqrt(max |B''| / 8 tol) )

    A chord of at most a pixel crosses at most one grid line of each direction. r bounds how much
    the rounding of its ends can lengthen it: without r, a chord from 18.999998 to 20 crosses two.

    Raises:
        ValueError: for points that are not finite, or so many chords that memory would not do.

    Source: the second term is Wang's bound: Wang, "The subdivision method for finding the
    intersection between two Bezier curves or surfaces", Zhejiang Univ. (1984).
    """
    first = curves[:, 1:] - curves[:, :-1]
    second = (first[:, 1:] - first[:, :-1]).square().sum(2).amax(1).sqrt()
    speed = 3 * first.abs().amax((1, 2))
    r = 16 * torch.finfo(curves.dtype).eps * (curves.abs().amax((1, 2)) + speed)
    n = torch.maximum(speed / (1 - r).clamp_min(0.1), (second * (0.75 / tol)).sqrt())
    n = n.ceil().clamp_min(1)
    total = float(n.sum())
    if not total <= MOST_CHORDS:  # also for NaN
        raise ValueError(
            f"the paths would take {total:.3g} chords, but {MOST_CHORDS} are the most: clamp "
            "points to the neighborhood of the canvas, and remove NaN from them"
        )
    return n


def cross(a: Tensor, b: Tensor) -> Tensor:
    """The cross products of vectors (..., 2): (...)."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def spread(table: Tensor, lengths: Tensor) -> Tensor:
    """Repeat the columns of (k, n) `lengths` times, (n,)."""
    if table.device.type == "cpu":  # several times as fast as index_select
        return torch.from_numpy(np.repeat(table.numpy(), lengths.numpy(), axis=1))
    return table.repeat_interleave(lengths, dim=1)


def gathered(table: Tensor, lengths: Tensor) -> Tensor:
    """Sum the columns of (k, m) in runs of those lengths, each at least 1: (k, n)."""
    if table.device.type == "cpu":  # pairwise sums, and ten times as fast as index_add
        starts = (lengths.cumsum(0) - lengths).numpy()
        return torch.from_numpy(np.add.reduceat(table.numpy(), starts, axis=1))
    owner = torch.arange(len(lengths), device=table.device).repeat_interleave(lengths)
    return table.new_zeros(len(table), len(lengths)).index_add_(1, owner, table)


@final
@dataclass(frozen=True, eq=False)
class Samples:
    """m points on the curves, segment after segment; the chords between them are drawn."""

    lengths: Tensor
    t: Tensor
    xy: Tensor

    @property
    def bridges(self) -> Tensor:
        """The chords from the end of a segment to the start of the next, which do not exist."""
        return self.lengths.cumsum(0)[:-1] - 1


def sample(curves: Tensor, tol: float) -> Samples:
    """Points at even steps of every segment's parameter, ends included; xy is (2, m)."""
    n = counts(curves, tol)
    lengths = n.long() + 1
    end = lengths.cumsum(0)
    p0, p1, p2, p3 = curves.permute(1, 2, 0).unbind()
    powers = [p0, 3 * (p1 - p0), 3 * ((p2 - p1) - (p1 - p0)), (p3 - p0) - 3 * (p2 - p1)]
    table = torch.cat([*powers, 1 / n[None], (end - lengths)[None].to(n)])
    floats = spread(table, lengths)
    t = (torch.arange(floats.shape[1], device=n.device, dtype=n.dtype) - floats[9]) * floats[8]
    xy = floats[6:8] * t
    for power in (4, 2):
        xy.add_(floats[power : power + 2]).mul_(t)
    xy.add_(floats[:2])
    xy[:, end - 1] = p3  # contours must close to the last bit
    return Samples(lengths, t, xy)


def by_curves(by_xy: Tensor, samples: Samples) -> Tensor:
    """dL/d curves, (n, 4, 2), from dL/d xy, (2, m)."""
    moments = torch.empty(4, *by_xy.shape, dtype=by_xy.dtype, device=by_xy.device)
    moments[0] = by_xy
    for power in (1, 2, 3):
        torch.mul(moments[power - 1], samples.t, out=moments[power])
    c0, c1, c2, c3 = gathered(moments.view(8, -1), samples.lengths).view(4, 2, -1)
    p0 = c0 - 3 * (c1 - c2) - c3
    return torch.stack([p0, 3 * (c1 - 2 * c2 + c3), 3 * (c2 - c3), c3]).permute(2, 0, 1)
