"""The exact winding number of each pixel, and its gradient by the points of the paths.

The forward pass is that of the accumulation buffers of font rasterizers: signed areas of short
chords, then one prefix sum. The backward pass moves the boundary (Reynolds' transport theorem), so
nothing is sampled and nothing is traced:

    a(cell) = 1/|cell| int_cell winding dA
    d a(cell) / d p = int_chord in cell (1 - t) dt (-dy, dx)      p, q: ends of the chord
    d a(cell) / d q = int_chord in cell      t  dt (-dy, dx)

The pixels each path may touch, its box, are laid out one path after the other. A row of a box of
width w takes w + 2 cells: the first and the last one take what lies left and right of the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from dreamsampler.generators.vector.chords import Samples, by_curves, sample, spread


@final
@dataclass(frozen=True, eq=False)
class Boxes:
    """The pixels that each path may touch, and where its cells are.

    `low` and `high`, (p, 2), enclose its pixels; `offset` is its first cell (a border cell) and
    `stride` the length of its rows.
    """

    low: Tensor
    high: Tensor
    offset: Tensor
    stride: Tensor
    cells: int

    @classmethod
    def around(cls, low: Tensor, high: Tensor) -> Boxes:
        """One box after the other."""
        stride = high[:, 0] - low[:, 0] + 2
        sizes = stride * (high[:, 1] - low[:, 1])
        end = sizes.cumsum(0)
        return cls(low, high, end - sizes, stride, int(end[-1]))

    def part(self, first: int, last: int) -> Boxes:
        """Those of some paths, their cells counted anew."""
        return Boxes.around(self.low[first:last], self.high[first:last])

    @property
    def sizes(self) -> Tensor:
        """How many cells each path has."""
        return self.stride * (self.high[:, 1] - self.low[:, 1])

    def rows(self) -> list[list[int]]:
        """Of every path (left, top, width, height, stride, index of its first pixel)."""
        ends = torch.stack([self.stride, self.offset + 1], 1)
        return torch.cat([self.low, self.high - self.low, ends], 1).tolist()


def boxes(curves: Tensor, path: Tensor, paths: int, width: int, height: int) -> Boxes:
    """Boxes around the control points of each path, clipped to the canvas.

    An edge on a grid line also owns the cell right of or below it: otherwise edges that lie on the
    pixel grid, as in every traced picture, would have no gradient.
    """
    infinite = torch.full((paths, 2), torch.inf, dtype=curves.dtype, device=curves.device)
    index = path[:, None].expand(-1, 2)
    low = infinite.scatter_reduce(0, index, curves.amin(1), "amin")
    high = (-infinite).scatter_reduce(0, index, curves.amax(1), "amax")
    size = torch.tensor([width, height], dtype=curves.dtype, device=curves.device)
    low = torch.minimum((low - 0.01).floor().clamp_min(0), size)
    high = torch.maximum(torch.minimum((high + 0.01).floor() + 1, size), low)
    return Boxes.around(low.long(), high.long())


@final
@dataclass(frozen=True, eq=False)
class Pieces:
    """The m - 1 chords between samples, each in three pieces that lie in one cell.

    A chord goes by `d` and is cut at t1 <= t2, where it crosses the pixel grid; `cell`, (3, m - 1),
    is where its pieces lie. Whatever lies above or below its box goes to one cell after the last.
    """

    samples: Samples
    d: Tensor
    t1: Tensor
    t2: Tensor
    cell: Tensor


def wind(curves: Tensor, path: Tensor, box: Boxes, tol: float) -> tuple[Tensor, Pieces]:
    """The mean winding number of every cell of every box, and the chords that made it.

    Args:
        curves: (n, 4, 2), the contours of each path closed.
        path: (n,), the path of a segment.
        box: of every path.
        tol: how far a chord may be off its curve, pixels.

    Returns:
        (cells + 2,) windings, box after box; and the chords, for the gradient.
    """
    samples = sample(curves, tol)
    xy = samples.xy
    floor = xy.floor()
    row, left = _places(floor, path, box, samples.lengths)
    (x, _), d = xy[:, :-1], xy[:, 1:] - xy[:, :-1]
    d.index_fill_(1, samples.bridges, 0)
    t1, t2, x_first = _cuts(xy, floor, d)

    def pieces(value: Tensor, swap: bool) -> Tensor:
        """Values before, between and after the cuts, from the values at both ends."""
        ends = value[:-1], value[1:]
        return torch.stack([ends[0], torch.where(x_first, ends[swap], ends[not swap]), ends[1]])

    cell = pieces(row, False).add_(pieces(left.long(), True)).clamp_(0, box.cells)
    u, v = t1 * d, t2 * d
    area = torch.stack([u[1], v[1] - u[1], d[1] - v[1]])
    beyond = torch.stack([u[0], u[0] + v[0], v[0] + d[0]]).mul_(0.5).add_(x)
    beyond.sub_(pieces(left, True)).clamp_(0, 1).mul_(area)  # the part that the next cell gets
    winding = torch.zeros(box.cells + 2, dtype=xy.dtype, device=xy.device)
    flat = cell.view(-1)
    winding.scatter_add_(0, flat, area.sub_(beyond).view(-1))
    winding.scatter_add_(0, flat + 1, beyond.view(-1))
    return _prefix_sum(winding), Pieces(samples, d, t1, t2, cell)


def _places(floor: Tensor, path: Tensor, box: Boxes, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The row of every sample, as the index of its cell at x = 0, and its column, clamped."""
    low, high, stride = box.low[path], box.high[path], box.stride[path]
    start = box.offset[path] + 1 - low[:, 1] * stride - low[:, 0]
    bounds = torch.stack([low[:, 0] - 1, high[:, 0], low[:, 1], high[:, 1]]).to(floor.dtype)
    x_low, x_high, y_low, y_high = spread(bounds, lengths)
    stride, start = spread(torch.stack([stride, start]), lengths)
    x, y = floor
    row = y.long().mul_(stride).add_(start)
    row = torch.where((y >= y_low) & (y < y_high), row, box.cells + 1)
    return row, torch.minimum(torch.maximum(x, x_low), x_high)


def _cuts(xy: Tensor, floor: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where chords cross grid lines, t1 <= t2 (1 where they do not); whether x comes first."""
    before, after = floor[:, :-1], floor[:, 1:]
    cut = (torch.maximum(before, after) - xy[:, :-1]) / d
    cut = torch.where((before != after) & (d != 0), cut.clamp_(0, 1), 1)
    return torch.minimum(cut[0], cut[1]), torch.maximum(cut[0], cut[1]), cut[0] < cut[1]


def _prefix_sum(x: Tensor) -> Tensor:
    """Closed contours make every row sum to zero, so one prefix sum serves all boxes."""
    if x.device.type == "cpu":  # torch adds in float64 on the CPU
        return torch.cumsum(x, 0, out=x)
    return x.cumsum(0, dtype=torch.float64).to(x.dtype)


def fill_(winding: Tensor, odd: Tensor | None) -> Tensor:
    """In place, the share of a cell that is filled: min(|a|, 1), or the distance to even.

    Args:
        winding: of every cell.
        odd: in which of them the even-odd rule holds; None for none.
    """
    if odd is not None:
        even = (0.5 * winding).round_().mul_(odd)
        winding.sub_(even, alpha=2)
    return winding.abs_().clamp_(max=1)


def slopes(winding: Tensor, pieces: Pieces, odd: Tensor | None) -> Tensor:
    """The derivative of coverage by winding at every piece of a chord: (3, m - 1)."""
    cell = pieces.cell.view(-1)
    a = winding.index_select(0, cell)
    within = a.abs() < 1
    if odd is not None:
        a -= 2 * (0.5 * a).round_().mul_(odd[cell])
        within |= odd[cell]
    return a.sign().mul_(within).view_as(pieces.cell)


def unwind(
    gradient: Tensor, pieces: Pieces, extra: tuple[Tensor, Tensor, Tensor] | None = None
) -> Tensor:
    """dL/d curves, (n, 4, 2), from dL/d winding at every piece of a chord, (3, m - 1).

    dL/dp = sum g int (1 - t) dt (-dy, dx),   dL/dq = sum g int t dt (-dy, dx)

    `extra` are more terms: the numbers of chords, and for each int g dt and int g t dt.
    """
    g0, g1, g2 = gradient
    first, second = (g0 - g1).mul_(pieces.t1), (g1 - g2).mul_(pieces.t2)
    toward_p = (first + second).add_(g2)
    toward_q = first.mul_(pieces.t1).add_(second.mul_(pieces.t2)).add_(g2).mul_(0.5)
    if extra is not None:
        toward_p.index_add_(0, extra[0], extra[1])
        toward_q.index_add_(0, extra[0], extra[2])
    toward_p -= toward_q
    dx, dy = pieces.d
    by_xy = torch.empty(2, len(dx) + 1, dtype=dx.dtype, device=dx.device)
    by_xy[:, -1] = 0
    x, y = by_xy
    torch.mul(toward_p, dy, out=x[:-1])
    torch.mul(toward_p, dx, out=y[:-1])
    x[1:].addcmul_(toward_q, dy)
    y[1:].addcmul_(toward_q, dx)
    x.neg_()
    return by_curves(by_xy, pieces.samples)
