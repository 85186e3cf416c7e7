"""Where repainted pixels meet the ones that stay: no jump, and nothing outside is touched."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.images.pyramid import spread
from dreamsampler.maths import conjugate_gradient

WIDTH = 16 / 512
"""Default width of a seam, as a share of the side of a square picture of the same area."""
STEP = 24 / 255
"""Smaller steps across the edge are not meant: cells of the latent that end at the hole leave them.
Outlines are larger."""
STEPS = 80
"""Most steps towards the membrane: what is left then is smooth and far from the edge."""


def seam_width(size_hw: tuple[int, int]) -> float:
    """The default feather of a picture, in its pixels: 16 at 512 x 512, and in proportion."""
    return WIDTH * (size_hw[0] * size_hw[1]) ** 0.5


def healed(
    source: Tensor, painted: Tensor, mask: Tensor, width: float, step: float = STEP
) -> Tensor:
    """The painted picture, shifted along the edge of the hole to meet the source there.

        laplace c = 0   in the band of the hole that is at most `width` deep,
              c = source - painted   outside of the hole,
                  - small(painted(q) - painted(p))
        painted + (1 - smoothstep((depth - 1) / width)) c,   depth = 1 next to the edge

    The second line is seen from q inside, where p is its neighbor outside; small(x) is x up to
    `step` and 0 above, so that small steps of the painting across the edge vanish.

    The mismatch along the edge fades into the hole. A crossfade would show, in the same band, what
    was to be painted over; this shows only the colors of the edge itself, drawn inward. Nothing
    flows over the inner side of the band or over the rim of the picture.

    Args:
        source: (3, h, w) in [0, 1].
        mask: (1, h, w) in [0, 1]; the hole is where it is above 0.
        width: in pixels, >= 0; 0 changes nothing.
        step: the largest step that is not meant.

    Returns:
        (3, h, w) in [0, 1], equal to `painted` outside of the band.

    Source: Perez, Gangnet & Blake, "Poisson image editing", SIGGRAPH 2003, eq. 4 for c = source -
    painted, on a band.
    """
    hole = mask[0] > 0
    deepest = round(width)
    if deepest < 1 or not bool(hole.any()) or bool(hole.all()):
        return painted
    box = around(hole)
    inside = hole[box].to(painted.dtype)[None, None]
    depth = _depth(inside, deepest)
    band = inside * (depth <= deepest)
    theirs = painted[(slice(None), *box)][:, None]
    gap = (source[(slice(None), *box)][:, None] - theirs) * (1 - inside)
    degree = _neighbors(band + 1 - inside)

    def system(c: Tensor) -> Tensor:
        return band * (degree * c - _neighbors(band * c))

    guess = band * spread(gap, 1 - inside)  # near enough that few steps are left
    right_side = band * (_neighbors(gap) - _steps(theirs, inside, step))
    c = conjugate_gradient(system, right_side, guess, steps=STEPS, tol=1e-3)
    part = ((depth - 1) / deepest).clamp(0, 1)
    fade = 1 - part * part * (3 - 2 * part)
    whole = painted.clone()
    whole[(slice(None), *box)] += (c * band * fade)[:, 0]
    return torch.where(hole, whole.clamp(0, 1), painted)


def _steps(painted: Tensor, inside: Tensor, most: float) -> Tensor:
    """The small steps from all neighbors outside, summed; (3, 1, h, w).

    Small are those up to `most` in all three colors.
    """
    total = torch.zeros_like(painted)
    for axis in (2, 3):
        for way in (1, -1):
            outside = 1 - inside.roll(way, axis)
            outside.select(axis, 0 if way == 1 else -1).zero_()  # beyond the rim is nothing
            step = painted - painted.roll(way, axis)
            total += outside * step * (step.abs().amax(0, keepdim=True) <= most)
    return total


def _depth(inside: Tensor, deepest: int) -> Tensor:
    """How many pixels a pixel lies inside: 1 next to the edge, counted up to deepest + 1.

    The rim of the picture is no edge. Squares and diamonds in turn, so that it is nearly round.
    """
    depth, left = inside.clone(), inside
    for turn in range(deepest):
        if turn % 2:
            rows = functional.max_pool2d(1 - left, (3, 1), stride=1, padding=(1, 0))
            reached = functional.max_pool2d(rows, (1, 3), stride=1, padding=(0, 1))
            left = 1 - reached
        else:
            left = left * (_neighbors(1 - left) == 0)
        depth = depth + left
    return depth


def around(hole: Tensor, margin: int = 1) -> tuple[slice, slice]:
    """Rows and columns of a hole, (h, w), and the pixels next to it."""
    spans: list[slice] = []
    for axis in (1, 0):
        marked = hole.any(axis).nonzero()
        first, last = int(marked[0]), int(marked[-1])
        spans.append(slice(max(first - margin, 0), last + 1 + margin))
    return spans[0], spans[1]


def _neighbors(x: Tensor) -> Tensor:
    """The sum of the four neighbors; there are none beyond the rim. (b, 1, h, w)."""
    total = torch.zeros_like(x)
    total[..., 1:, :] += x[..., :-1, :]
    total[..., :-1, :] += x[..., 1:, :]
    total[..., 1:] += x[..., :-1]
    total[..., :-1] += x[..., 1:]
    return total


def jump(picture: Tensor, mask: Tensor) -> float:
    """The mean step of a picture from a pixel outside of a hole to its neighbor inside.

    Args:
        picture: (3, h, w) in [0, 1].
        mask: (1, h, w); the hole is where it is above 0.

    Returns:
        Mean absolute difference of the three colors over all such pairs; 0 if there are none.
    """
    hole, steps = mask[0] > 0, torch.zeros(0)
    for axis in (0, 1):
        crossing = hole.int().diff(dim=axis) != 0
        sizes = picture.diff(dim=axis + 1).abs().mean(0)
        steps = torch.cat([steps, sizes[crossing].to(steps)])
    return steps.mean().item() if len(steps) else 0.0
