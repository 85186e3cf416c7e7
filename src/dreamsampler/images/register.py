"""Where a picture lies in its redrawing: how it was moved, scaled and tinted, and undoing it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

STILL = 0.05
"""Where no pixel moves further than this, none moves, so that nothing is resampled."""
FINEST, COARSEST = 512, 16
"""Sides of a pyramid: at most of the longer one, at least of the shorter one."""
TOLERANCES = (1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.1, 0.1)
"""Displacements that explain a residual, in pixels of a level, one for each of its iterations."""
NOISE = (0.02, 0.1)
"""Residuals that are no change, at least and at most (of 1); in between twice their median."""
TINTED = 1e-4
"""Variance of a channel below which its gain stays near 1."""
SLOPE = 0.0005
"""Slopes of this size (of 1, a pixel) say little of where a picture lies."""
AGREEMENT = 0.2
"""Share of the picture's slopes that its redrawing must have, in place, for it to be found."""
FURTHEST = 0.15
"""Largest change of scale, and largest shift as a share of a side, that is believed."""
LOBES = 3
"""Of the Lanczos kernel, on either side."""


@final
@dataclass(frozen=True)
class Alignment:
    """How a picture lies in its redrawing: moved, scaled and tinted.

        redrawn(c + scale (p - c) + shift) = gain picture(p) + offset,   c the middle

    Args:
        scale: of distances, the same for both axes; 1 leaves them.
        shift: down and right, in pixels.
        gain: of red, green and blue.
        offset: of red, green and blue, in pictures of [0, 1].
    """

    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)

    def far(self, size_hw: tuple[int, int]) -> float:
        """How far the pixel moves that moves furthest, in pixels."""
        ends = [abs(self.scale - 1) * (n - 1) / 2 for n in size_hw]
        return math.hypot(*(end + abs(t) for end, t in zip(ends, self.shift, strict=True)))

    def places(self, size_hw: tuple[int, int]) -> list[Tensor]:
        """Rows, and columns, of the redrawing where those of the picture went; two (n,)."""
        return [
            torch.arange(n, dtype=torch.float64) * self.scale + (n - 1) / 2 * (1 - self.scale) + t
            for n, t in zip(size_hw, self.shift, strict=True)
        ]

    def in_place(self, x: Tensor) -> Tensor:
        """A redrawing (..., h, w) where the picture lies; what lies beyond its rim is its rim."""
        if self.scale == 1 and self.shift == (0, 0):
            return x
        rows, columns = self.places((x.shape[-2], x.shape[-1]))
        return _resampled(_resampled(x, rows).mT, columns).mT

    def untinted(self, x: Tensor) -> Tensor:
        """A redrawing (..., 3, h, w) in the colors of the picture."""
        gain, offset = (x.new_tensor(each).view(3, 1, 1) for each in (self.gain, self.offset))
        return (x - offset) / gain


def register(picture: Tensor, redrawn: Tensor, keep: Tensor | None = None) -> Alignment:
    """Estimate how a picture lies in its redrawing, whatever was changed in a part of it.

        min over the alignment of  sum_p rho(|r_p| / (tau |slope_p| + noise)),
        r = redrawn in place - gain picture - offset,     rho(u) = u^2 / (1 + u^2)

    Reweighted Gauss-Newton steps, from coarse to fine. A residual is a change where no displacement
    by tau pixels explains it; tau falls from 1 to 0.1 at every level. So edges count, however few
    they are, and what was changed does not.

    Args:
        picture, redrawn: (3, h, w) in [0, 1].
        keep: (1, h, w) in [0, 1], by which parts to go; by all of it if left out.

    Returns:
        The identity where the pictures do not say: blank ones, or such as have little in common.

    Example:
        >>> x = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> x = functional.avg_pool2d(x, 5, stride=1, padding=2)
        >>> [round(t, 1) for t in register(x, x.roll((2, -1), (1, 2))).shift]
        [2.0, -1.0]

    Source: Black & Rangarajan, "On the unification of line processes, outlier rejection, and robust
    statistics", IJCV 1996, for rho and its weights; Benhimane & Malis, "Real-time image-based
    tracking of planes using efficient second-order minimization", IROS 2004, for the mean of both
    slopes.
    """
    size = picture.shape[-2], picture.shape[-1]
    keep = torch.ones_like(picture[:1]) if keep is None else keep.to(picture)
    found, before, agreement = Alignment(), size, 0.0
    for level in _levels(size):
        full = [each[None] for each in (picture, redrawn, keep)]
        sized = [functional.interpolate(x, level, mode="bilinear", antialias=True)[0] for x in full]
        one, other, by = (smooth(each) for each in sized)
        found, before = _on(found, before, level), level
        for tolerance in TOLERANCES:
            found, agreement = _step(found, one, other, by, tolerance)
    found = _on(found, before, size)
    moved = [abs(found.scale - 1), *(abs(t) / n for t, n in zip(found.shift, size, strict=True))]
    if agreement < AGREEMENT or max(moved) > FURTHEST:
        return Alignment()
    return replace(found, scale=1.0, shift=(0.0, 0.0)) if found.far(size) <= STILL else found


def _step(
    found: Alignment, picture: Tensor, redrawn: Tensor, keep: Tensor, tolerance: float
) -> tuple[Alignment, float]:
    """One step: weights, then colors, then place; and the share of slopes that agreed before it."""
    size = picture.shape[-2], picture.shape[-1]
    ends = zip(found.places(size), size, strict=True)
    rows, columns = (((at >= 0) & (at <= n - 1)).to(picture) for at, n in ends)
    seen, moved = keep * rows[:, None] * columns, found.in_place(redrawn)
    gain, offset = (picture.new_tensor(c).view(3, 1, 1) for c in (found.gain, found.offset))
    ours, theirs = torch.gradient(picture, dim=(1, 2)), torch.gradient(moved, dim=(1, 2))
    off = (moved - gain * picture - offset).abs()
    noise = float(2 * off[:, seen[0] > 0].flatten().median().nan_to_num())
    steep = [functional.max_pool2d(torch.hypot(*each), 3, 1, 1) for each in (ours, theirs)]
    allowed = tolerance * torch.minimum(*steep) + min(max(noise, NOISE[0]), NOISE[1])
    trust = 1 / (1 + (off / allowed).square().amax(0, keepdim=True))
    weight = seen * trust.square() * functional.avg_pool2d(trust, 5, 1, 2, count_include_pad=False)
    common = sum((weight * a * b).sum() for a, b in zip(ours, theirs, strict=True))
    whole = sum((seen * a.square()).sum() for a in ours) + SLOPE**2 * seen.sum() + 1e-12
    gain, offset = (c.view(3, 1, 1) for c in _colors(picture, moved, weight))
    residual = (moved - gain * picture - offset).flatten().double()
    down, right = ((gain * a + b) / 2 for a, b in zip(ours, theirs, strict=True))
    y, x = (torch.arange(n).to(picture) - (n - 1) / 2 for n in size)
    reach = max(size) / 2  # so that all three unknowns are pixels
    slopes = torch.stack([(down * y[:, None] + right * x) / reach, down, right]).flatten(1).double()
    weighted = slopes * (weight / allowed.square()).flatten().double()
    matrix = weighted @ slopes.T
    ridge = SLOPE**2 * (weight / allowed.square()).sum().double() + 1e-12
    moves = torch.linalg.solve(matrix + ridge * torch.eye(3).to(matrix), -weighted @ residual)
    wider, lower, righter = moves.clamp(-2, 2).tolist()
    scale, (a, b) = found.scale * (1 + wider / reach), found.shift
    colors = tuple(gain.flatten().tolist()), tuple(offset.flatten().tolist())
    return Alignment(scale, (a + lower, b + righter), *colors), float(common / whole)


def _colors(picture: Tensor, moved: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset of each channel, least squares with weights; the gain of flat ones is 1."""
    share = weight / weight.sum().clamp_min(1e-12)
    mean, theirs = ((share * each).sum((1, 2)) for each in (picture, moved))
    apart = picture - mean.view(3, 1, 1)
    both = (share * apart * (moved - theirs.view(3, 1, 1))).sum((1, 2))
    gain = (both + TINTED) / ((share * apart.square()).sum((1, 2)) + TINTED)
    gain = gain.clamp(0.5, 2)  # colors of a change are none of the picture
    return gain, theirs - gain * mean


def _levels(size_hw: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes from coarse to fine, each about half of the next."""
    scale = min(1.0, FINEST / max(size_hw))
    levels = [(round(size_hw[0] * scale), round(size_hw[1] * scale))]
    while min(levels[-1]) >= 2 * COARSEST:
        levels.append((round(levels[-1][0] / 2), round(levels[-1][1] / 2)))
    return levels[::-1]


def _on(found: Alignment, old: tuple[int, int], new: tuple[int, int]) -> Alignment:
    """The same alignment in pixels of another size."""
    down, right = (t * n / m for t, n, m in zip(found.shift, new, old, strict=True))
    return replace(found, shift=(down, right))


def smooth(x: Tensor) -> Tensor:
    """Binomial 3 x 3 means, so that slopes are those between the pixels as well."""
    padded = functional.pad(x[None], (1, 1, 1, 1), mode="replicate")[0]
    return functional.avg_pool2d(functional.avg_pool2d(padded, 2, 1), 2, 1)


def _resampled(x: Tensor, rows: Tensor) -> Tensor:
    """Rows of (..., h, w) at places between them: Lanczos' kernel, constant beyond the rim."""
    taps = rows.floor()[:, None] + torch.arange(1 - LOBES, LOBES + 1)
    apart = rows[:, None] - taps
    kernel = torch.sinc(apart) * torch.sinc(apart / LOBES)
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(x)
    index = taps.long().clamp(0, x.shape[-2] - 1).to(x.device)
    total = kernel[:, 0, None] * x[..., index[:, 0], :]
    for k in range(1, 2 * LOBES):
        total += kernel[:, k, None] * x[..., index[:, k], :]
    return total
