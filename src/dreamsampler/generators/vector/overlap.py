"""The exact coverage of pixels that a path enters more than once, or turns around in.

Where the windings in a pixel are two neighbors (an edge, a corner), coverage is a function of their
mean. Where a path overlaps or crosses itself, or two of its edges share a pixel, it is not. There
the pieces of its chords are cut where they meet; each has one winding w on one side and w + 1 on
the other, and with the rule f

    coverage = int f(w) dy at the left border + sum over pieces (f(w + 1) - f(w)) dy (1 - x)

f(w + 1) - f(w) is also the slope of coverage in the derivative by points. Windings are counted
along the line from one place in the pixel; there it follows from the mean, as f(w) = w gives that.
These pixels are few, so they are computed in float64 on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamsampler.generators.vector.winding import Boxes, Pieces

Array: TypeAlias = NDArray[Any]

PLACE = 0.41421356 + 0.73205081j
"""Where windings are counted from: in a pixel, and on none of the edges that people draw."""
WHOLE = 1e-4
"""Windings this near to a whole number count as whole (float32 rounds to about 2e-5)."""
MOST = 400
"""Pieces in one pixel; where there are more, coverage stays that of the mean winding."""

PAIRS = 1 << 20
"""Pairs of pieces that are compared together: bounds the memory."""


@final
@dataclass(frozen=True, eq=False)
class Overlaps:
    """Coverages of c cells, and the slopes of k pieces in them.

    `at` are the numbers of the pieces, part m + chord; `slope` and `moment` the integrals of the
    slope, and of t times the slope, over each.
    """

    cell: Tensor
    cover: Tensor
    at: Tensor
    slope: Tensor
    moment: Tensor


def overlaps(winding: Tensor, pieces: Pieces, box: Boxes, odd: Tensor | None) -> Overlaps:
    """The cells in which coverage, or its slope, is no function of the mean winding.

    Args:
        winding: the mean of every cell.
        pieces: of the chords.
        box: of every path.
        odd: in which cells the even-odd rule holds; None for none.
    """
    everywhere = pieces.cell.cpu().numpy()
    means = winding.cpu().numpy()
    d, xy = pieces.d.cpu().numpy(), pieces.samples.xy.cpu().numpy()
    found = _shared(everywhere, d, pieces.samples.bridges.cpu().numpy(), len(means))
    flat = everywhere.reshape(-1)
    off = means[flat]  # pixels of whole windings count, too: an edge may lie on their border
    off -= np.rint(off)
    found = np.concatenate([found, flat[np.abs(off, out=off) < WHOLE]])
    chosen = np.zeros(box.cells + 2, dtype=bool)
    chosen[found] = True
    found = np.flatnonzero(chosen[: box.cells])
    corner, pixel = _corners(found, box)
    chosen[found] = pixel
    chosen[box.cells :] = False
    at = np.flatnonzero(chosen[flat])
    part, chord = np.divmod(at, everywhere.shape[1])
    t1, t2 = (t.cpu().numpy()[chord] for t in (pieces.t1, pieces.t2))
    low, high = t1 * (part == 1) + t2 * (part == 2), np.where(part == 0, t1, t2)
    high[part == 2] = 1
    real = np.flatnonzero((high > low) & d[:, chord].any(0))
    real = real[flat[at[real]].argsort(kind="stable")]
    cell, owner, count = np.unique(flat[at[real]], return_inverse=True, return_counts=True)
    if count.max(initial=0) > MOST:
        real = real[(count <= MOST)[owner]]
        cell, owner, count = np.unique(flat[at[real]], return_inverse=True, return_counts=True)
    at, chord, low, high = at[real], chord[real], low[real], high[real]
    first, last = (xy[0, k] + 1j * xy[1, k].astype(np.float64) for k in (chord, chord + 1))
    corner = corner[np.searchsorted(found, cell)][owner]
    near = 16 * float(np.finfo(means.dtype).eps) * (1 + float(np.abs(first).max(initial=0)))
    ends = []
    for t in (low, high):
        end = np.where(t == 1, last, first + t * (last - first)) - corner
        end = end.view(np.float64)
        end[end < near], end[end > 1 - near] = 0, 1
        ends.append(end.view(np.complex128))
    rule = np.zeros(len(cell), bool) if odd is None else odd.cpu().numpy()[cell]
    mean, pairs = means[cell], (count * count).cumsum()
    split = np.searchsorted(pairs, np.arange(PAIRS, pairs[-1] if len(pairs) else 0, PAIRS))
    done = []
    for few, more in pairwise([0, *split.tolist(), len(cell)]):
        own, of = slice(few, more), slice(*np.searchsorted(owner, (few, more)).tolist())
        at_cells = ends[0][of], ends[1][of], owner[of] - few
        done.append(_resolved(*at_cells, mean[own], rule[own], near))
    cover, slope, moment = (np.concatenate(parts) for parts in zip(*done, strict=True))
    step = high - low
    numbers = cover, step * slope, step * (low * slope + step * moment)
    values = [torch.from_numpy(x).to(winding) for x in numbers]
    where = [torch.from_numpy(x).to(winding.device) for x in (cell, at)]
    return Overlaps(where[0], values[0], where[1], values[1], values[2])


def _shared(cell: Array, d: Array, bridges: Array, cells: int) -> Array:
    """The cells that are entered more than once, or where a path turns in x and in y."""
    first, middle, last = cell
    between = (middle != first) & (middle != last)
    entered = np.concatenate([last[first != last], middle[between]], dtype=np.int32)
    entered.sort()
    again = entered[1:][entered[1:] == entered[:-1]]
    way = np.sign(d)
    way[:, bridges] = way[:, bridges - 1]
    across, down = (cell[0, 1:][turned] for turned in way[:, 1:] != way[:, :-1])
    turns = np.zeros(cells, dtype=bool)
    turns[down] = True
    return np.concatenate([again, across[turns[across]]])


def _corners(cell: Array, box: Boxes) -> tuple[Array, Array]:
    """The upper left corners x + i y of cells, and which of them are pixels, not borders."""
    low, offset, every = (x.cpu().numpy() for x in (box.low, box.offset, box.stride))
    path = np.searchsorted(offset, cell, side="right") - 1
    row, column = np.divmod(cell - offset[path], every[path])
    pixel = (column > 0) & (column < every[path] - 1)
    return low[path, 0] + column - 1 + 1j * (low[path, 1] + row), pixel


def _resolved(
    a: Array, b: Array, owner: Array, mean: Array, odd: Array, near: float
) -> tuple[Array, Array, Array]:
    """Coverage, (c,), and of every piece the integrals of slope and t slope, (k,) each.

    Args:
        a: where pieces begin in their pixel, x + i y, (k,).
        b: where they end.
        owner: the pixel of each, (k,), rising.
        mean: the winding of each pixel, (c,).
        odd: whether the even-odd rule holds in each, (c,).
        near: distance below which pieces lie on each other.
    """
    count = np.bincount(owner, minlength=len(mean))
    start = count.cumsum() - count

    def with_pieces(pixel: Array) -> tuple[Array, Array]:
        """For places in pixels all pairs of a place and a piece in its pixel."""
        many = count[pixel]
        shift = start[pixel] - (many.cumsum() - many)
        return np.repeat(np.arange(len(pixel)), many), np.arange(many.sum()) + shift.repeat(many)

    e = b - a
    length = np.abs(e)
    # pieces are cut where others cross them or begin on them
    i, j = with_pieces(owner)
    gap, ei, ej = a[j] - a[i], e[i], e[j]
    turn, along = _cross(ei, ej), gap * ei.conj()
    on = np.abs(np.imag(along)) <= near * length[i]
    with np.errstate(divide="ignore", invalid="ignore"):
        t, s = _cross(gap, ej) / turn, -np.imag(along) / turn
        t = np.where(on, np.real(along) / length[i] ** 2, t)
    cut = (t > 0) & (t < 1) & (on | ((s > -0.01) & (s < 1.01)))
    piece, low, step = _intervals(i[cut], t[cut], len(owner))
    middle = a[piece] + (low + 0.5 * step) * e[piece]
    # the left border is cut where pieces touch it
    touching = np.concatenate([a, b])
    touch = (np.real(touching) <= 0) & (np.imag(touching) > 0) & (np.imag(touching) < 1)
    pixel, top, height = _intervals(np.tile(owner, 2)[touch], np.imag(touching)[touch], len(mean))
    # windings there, less that of the place
    places = np.concatenate([middle, 1j * (top + 0.5 * height) - 1e-9])
    q, j = with_pieces(np.concatenate([owner[piece], pixel]))
    rank = np.concatenate([piece, np.full_like(pixel, len(owner))])
    side = _cross(e, PLACE - a)  # above 0 where the place has the lower winding
    ray = (places - PLACE)[q]
    spans = (_cross(ray, (a - PLACE)[j]) > 0) != (_cross(ray, (b - PLACE)[j]) > 0)
    q, j = q[spans], j[spans]
    beyond = _cross(e[j], places[q] - a[j])
    crossed = np.where(np.abs(beyond) <= near * length[j], j < rank[q], beyond * side[j] < 0)
    rise = np.bincount(q, crossed * np.sign(side[j]), len(rank))
    lower, left = rise[: len(piece)] - (side < 0)[piece], rise[len(piece) :]
    area = step * np.imag(e)[piece] * (1 - np.real(middle))
    level = np.bincount(pixel, height * left, len(mean))
    level = np.round(mean - level - np.bincount(owner[piece], area, len(mean)))
    lower, left = lower + level[owner[piece]], left + level[pixel]
    rule = odd[owner[piece]]
    slope = _filled(lower + 1, rule) - _filled(lower, rule)
    cover = np.bincount(pixel, height * _filled(left, odd[pixel]), len(mean))
    cover += np.bincount(owner[piece], slope * area, len(mean))
    slope *= step
    moment = np.bincount(piece, slope * (low + 0.5 * step), len(owner))
    return cover, np.bincount(piece, slope, len(owner)), moment


def _intervals(owner: Array, cut: Array, count: int) -> tuple[Array, Array, Array]:
    """[0, 1] of each of `count` owners, cut within: whose, begin and length of all intervals."""
    owner, cut = np.concatenate([np.arange(count), owner]), np.concatenate([np.zeros(count), cut])
    order = np.lexsort((cut, owner))
    owner, cut = owner[order], cut[order]
    after = np.append(cut[1:], 0)
    return owner, cut, np.where(after > 0, after, 1) - cut


def _cross(a: Array, b: Array) -> Array:
    return np.imag(a.conj() * b)


def _filled(winding: Array, odd: Array) -> Array:
    """1.0 where a whole winding is filled, else 0.0."""
    return np.where(odd, winding % 2, winding != 0).astype(np.float64)
