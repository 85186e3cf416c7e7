"""A map of pictures computed tile by tile: memory is bounded, and seams are blended."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dreamsampler.cancel import check_canceled
from dreamsampler.parts import tell_part

OVERLAP = 0.25
"""Share of a tile's side that it shares with its neighbor."""


def by_tiles(
    x: Tensor,
    apply: Callable[[Tensor], Tensor],
    side: int | None,
    *,
    up: int = 1,
    down: int = 1,
    overlap: float = OVERLAP,
) -> Tensor:
    """A map whose results are `up` times larger, or `down` times smaller, tile by tile.

    With gradients a tile is computed again in the backward pass, so that only one tile's
    activations are in memory.

    Args:
        x: (b, c, h, w).
        apply: the map, of a tile.
        side: of a tile, in pixels of x; None computes everything at once.
        up: pixels of the result per pixel of x and side.
        down: the inverse.
        overlap: share of a tile's side that it shares with its neighbor.

    Example:
        >>> x = torch.rand(1, 3, 50, 70)
        >>> torch.allclose(by_tiles(x, lambda tile: 2 * tile, 32), 2 * x)
        True
    """
    if side is None or max(x.shape[2:]) <= side:
        return apply(x)
    step = max(1, int(side * (1 - overlap)) // down) * down
    h, w = (n * up // down for n in x.shape[2:])
    weights = x.new_zeros(1, 1, h, w)
    total = x.new_zeros(0)
    places = list(product(*(_starts(n, side, step) for n in x.shape[2:])))
    for done, (top, left) in enumerate(places):
        check_canceled()
        tell_part(done / len(places))
        tile = x[:, :, top : top + side, left : left + side]
        if torch.is_grad_enabled() and tile.requires_grad:
            made = checkpoint(apply, tile, use_reentrant=False)
        else:
            made = apply(tile)
        assert isinstance(made, Tensor)
        total = total if len(total) else made.new_zeros(*made.shape[:2], h, w)
        t, u = top * up // down, left * up // down
        rows, columns = slice(t, t + made.shape[2]), slice(u, u + made.shape[3])
        ramps = (_ramp(r, n, overlap).to(made) for r, n in ((rows, h), (columns, w)))
        weight = next(ramps)[:, None] * next(ramps)
        total[:, :, rows, columns] += made * weight
        weights[:, :, rows, columns] += weight
    return total / weights


def _starts(length: int, side: int, step: int) -> list[int]:
    """First pixels of tiles that cover a length; the last one ends with it."""
    if length <= side:
        return [0]
    return [*range(0, length - side, step), length - side]


def _ramp(place: slice, length: int, overlap: float) -> Tensor:
    """Weights along one side of a tile in a picture of some length: 1 inside, 0 at its edges.

    Of the overlap a quarter is left out at the tile's edge, the middle half falls linearly, and
    the last quarter counts fully; the edges of the picture count fully.
    """
    side = place.stop - place.start
    overlap = side * overlap
    middle = torch.arange(side, dtype=torch.float64) + 0.5
    ends = (place.start == 0, place.stop == length)
    weight = torch.ones_like(middle)
    for distance, free in zip((middle, side - middle), ends, strict=True):
        if not free:
            weight = weight * ((distance - overlap / 4) / (overlap / 2)).clamp(0, 1)
    return weight
