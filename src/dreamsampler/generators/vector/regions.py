"""Pictures as regions of one color each, which are then traced as opaque closed paths."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.vector.initial import Picture
from dreamsampler.generators.vector.outline import smoothed, traced_mask
from dreamsampler.generators.vector.scene import Loop, Scene, compound

APART = 0.16
"""Distance of two colors, |RGB|, from which on they are two."""
MOST_COLORS = 24
SMALLEST = 3e-4
"""Share of the canvas below which a region is no region: 20 pixels of 256 x 256."""
SMOOTH, EDGE = 2.0, 4
"""Pixels: of the smoothing of edges, and half the width of what may be a mixture along one."""
OVERLAP = 4
"""Pixels by which a region goes on below those drawn later, so that no seam shows."""

Mask = Bool[Tensor, "h w"]
Labels = Int[Tensor, "h w"]
Palette = Float[Tensor, "_ 3"]


def flat_colors(picture: Picture, given: Palette, where: Mask) -> Palette:
    """The colors of a picture's flat parts: the given ones first, then those that are missed.

    Args:
        picture: in [0, 1].
        given: colors to use where they are near enough.
        where: pixels that count.
    """
    spread = functional.max_pool2d(picture[None], 3, 1, 1)[0]
    spread = (spread + functional.max_pool2d(-picture[None], 3, 1, 1)[0]).amax(0)
    flat = where & (spread < APART / 2)
    bins, count = (picture[:, flat].T * 31).round().unique(dim=0, return_counts=True)
    colors, bins, count = given, bins / 31, count.float()
    least = SMALLEST * where.numel()
    while len(colors) < MOST_COLORS and len(bins):
        far = torch.cdist(bins, colors).amin(1) if len(colors) else torch.ones(len(bins))
        # a color wins by all that is near it
        near = (torch.cdist(bins, bins) < APART).float() @ (count * (far > APART))
        near *= far > APART
        if float(near.max()) < least:
            break
        colors = torch.cat([colors, bins[near.argmax()][None]])
        for _ in range(4):
            owner = torch.cdist(bins, colors).argmin(1)
            mass = torch.zeros(len(colors)).index_add(0, owner, count)
            mean = torch.zeros(len(colors), 3).index_add(0, owner, count[:, None] * bins)
            moved = mean / mass.clamp_min(1)[:, None]
            free = (torch.arange(len(colors)) >= len(given)) & (mass > 0)
            colors = torch.where(free[:, None], moved, colors)
    return colors


def labeled(picture: Picture, colors: Palette) -> Labels:
    """The number of each pixel's color, in regions that are neither thin nor small.

    The squared distances to the colors are smoothed by `SMOOTH`, and the least one wins. Mixtures
    along a soft edge go to the two colors that they lie between; what is then less than three
    pixels wide, or less than `SMALLEST`, goes to the nearest color around it.

    Args:
        picture: in [0, 1].
        colors: at least one.
    """
    far = smoothed((picture[None] - colors[:, :, None, None]).square().sum(1), SMOOTH)
    label = far.argmin(0)
    part = components(label)
    thick = opened(functional.one_hot(label, len(colors)).permute(2, 0, 1) > 0, EDGE).any(0)
    given = label.clone()
    for number in part[~torch.isin(part, part[thick].unique())].unique().tolist():
        check_canceled()
        box = _box(part == number)
        one = part[box] == number
        k = int(given[box][one][0])
        around = torch.bincount(given[box][grown(one, 2) & ~one], minlength=len(colors))
        a, b = around.argsort(descending=True)[:2].tolist() if len(colors) > 1 else (k, k)
        if around[b] >= 0.15 * around.sum() and mixture(colors[k], colors[a], colors[b]):
            nearer = torch.where(far[a][box] < far[b][box], a, b)
            label[box] = torch.where(one, nearer, label[box])
    every = functional.one_hot(label, len(colors)).permute(2, 0, 1) > 0
    whole = opened(every, 1).any(0)
    part = components(torch.where(whole, label, -1))
    size = torch.bincount(part.flatten(), minlength=1)
    whole &= (size >= SMALLEST * label.numel())[part]
    rest = _box(~whole) if bool(whole.any()) and not bool(whole.all()) else None
    while rest is not None and not bool(whole[rest].all()):
        check_canceled()
        known = torch.where(whole[rest], label[rest], len(colors))
        around = grown(functional.one_hot(known).permute(2, 0, 1)[:-1] > 0, 1)
        reached = around.any(0) & ~whole[rest]
        nearest = torch.where(around, far[(slice(None), *rest)], torch.inf).argmin(0)
        label[rest] = torch.where(reached, nearest, label[rest])
        whole[rest] |= reached
    return label


def components(label: Labels) -> Labels:
    """A number, 0, 1, ..., for each connected region of one label (corners do not connect)."""
    a = label.numpy()
    begins = np.ones(a.shape, dtype=bool)
    begins[:, 1:] = a[:, 1:] != a[:, :-1]
    run = begins.cumsum().reshape(a.shape) - 1
    # runs of two rows touch where both go on, or where one of them begins
    touch = (a[1:] == a[:-1]) & (begins[1:] | begins[:-1])
    root = list(range(int(run[-1, -1]) + 1))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = k = root[root[k]]
        return k

    for one, other in zip(run[1:][touch].tolist(), run[:-1][touch].tolist(), strict=True):
        root[find(one)] = find(other)
    _, number = np.unique([find(k) for k in range(len(root))], return_inverse=True)
    return torch.from_numpy(number[run])


def mixture(color: Tensor, a: Tensor, b: Tensor) -> bool:
    """Whether a color lies between two others."""
    way = b - a
    share = float((color - a) @ way / way.square().sum().clamp_min(1e-9))
    return 0 < share < 1 and float((a + share * way - color).norm()) < APART


def traced_regions(
    label: Labels, colors: Palette, where: Mask, below: Mask | None = None, most: int = 4096
) -> Scene:
    """Regions as opaque paths, larger ones first, that overlap a little and never cross themselves.

    Args:
        label: number of each pixel's color.
        colors: of the labels.
        where: what is drawn; the rest stays free.
        below: where regions may go on beyond `where`, since later paths cover it.
        most: of the regions; where there are more, the smallest ones are left out.
    """
    height, width = label.shape
    part = components(torch.where(where, label, -1))
    least = SMALLEST * label.numel()
    numbers = [n for n in part[where].unique().tolist() if int((part == n).sum()) >= least]
    boxes = {number: _box(part == number) for number in numbers}
    size = {n: int(filled(part[boxes[n]] == n).sum()) for n in numbers}
    later = where.clone() if below is None else where | below
    paths: list[list[Loop]] = []
    chosen: list[int] = []
    for number in sorted(numbers, key=lambda n: -size[n])[:most]:
        check_canceled()
        rows, columns = box = boxes[number]
        one = part[box] == number
        later[box] &= ~one
        reach = one | (grown(one, OVERLAP) & later[box])
        holes = filled(reach) & ~reach
        free = components(holes.long())
        reach = reach | (holes & ~torch.isin(free, free[holes & ~later[box]].unique()))
        if loops := traced_mask(reach):
            corner = torch.tensor([columns.start, rows.start])
            paths.append([loop + corner for loop in loops])
            chosen.append(int(label[box][one][0]))
    color = torch.cat([colors[chosen], torch.ones(len(chosen), 1)], 1)
    return compound(paths, color, width, height)


def grown(mask: Tensor, radius: float) -> Tensor:
    """A mask (*, h, w) and all that is about so many pixels around it."""
    out = mask.float().reshape(-1, 1, *mask.shape[-2:])
    for step in range(round(radius)):  # squares and diamonds by turns, about a disk
        square = functional.max_pool2d(out, 3, 1, 1)
        cross = torch.maximum(
            functional.max_pool2d(out, (3, 1), 1, (1, 0)),
            functional.max_pool2d(out, (1, 3), 1, (0, 1)),
        )
        out = cross if step % 2 else square
    return out.view(mask.shape) > 0


def opened(mask: Tensor, radius: float) -> Tensor:
    """A mask without what is thinner than about twice the radius; beyond the edge it goes on."""
    return grown(~grown(~mask, radius), radius) & mask


def filled(mask: Mask) -> Mask:
    """A mask without holes."""
    outside = components(functional.pad(mask.long(), [1] * 4))
    return (outside != outside[0, 0])[1:-1, 1:-1]


def _box(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns of a mask, and a few more for what it may grow by."""
    rows, columns = (torch.nonzero(mask.any(axis)).squeeze(1) for axis in (1, 0))
    return (
        slice(max(0, int(rows[0]) - OVERLAP - 1), int(rows[-1]) + OVERLAP + 2),
        slice(max(0, int(columns[0]) - OVERLAP - 1), int(columns[-1]) + OVERLAP + 2),
    )
