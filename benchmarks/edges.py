"""How crisp and how flat a drawing is, as an eye sees it: steps between neighboring pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

STRONG = 32 / 255
"""Steps above this are edges."""
FLAT = 2 / 255
"""Steps up to this are none that an eye would see."""
RISE = 64 / 255
"""Least contrast of an edge whose width is measured."""
CHANGED = 8 / 255
"""Least change of a pixel that counts as one."""


def drawn(x: Tensor, source: Tensor, where: Tensor | None = None) -> dict[str, float]:
    """Crispness, flatness and width of edges where a picture differs from its source.

    The first two are divided by the source's own, over all of it, so that 1 is as crisp and as flat
    as the source. Of a picture that did not change, and of edges where no edge changed, all counts.

    Args:
        x: the result, (3, h, w) in [0, 1].
        source: what it was made from.
        where: (h, w), the pixels that count, such as a hole; those that changed if left out.
    """
    where = changed(x, source) if where is None else where
    where = where if bool(where.any()) else None
    return {
        "crispness": crispness(x, where) / max(crispness(source), 1e-6),
        "flatness": flatness(x, where) / max(flatness(source), 1e-6),
        "edge width": edge_width(x, where) or edge_width(x) or 1.0,
    }


def changed(x: Tensor, source: Tensor) -> Tensor:
    """Where a picture differs from its source, and one pixel around it, (h, w)."""
    differs = ((x - source).abs().amax(0) > CHANGED).float()
    return functional.max_pool2d(differs[None, None], 3, 1, 1)[0, 0] > 0


def crispness(x: Tensor, where: Tensor | None = None) -> float:
    """Share of the gradient that lies in strong steps.

        sum over neighbors of |dI| [|dI| > 32/255] / sum of |dI|

    |dI| is the largest of the three colors. 1 for drawings of flat colors and hard edges, 0 for
    smooth pictures, and for one without any gradient.

    Args:
        x: (3, h, w) in [0, 1].
        where: (h, w), the pixels whose steps count; all if left out.
    """
    steps = _steps(x, where)
    return float(steps[steps > STRONG].sum() / steps.sum().clamp_min(1e-12))


def flatness(x: Tensor, where: Tensor | None = None) -> float:
    """Share of neighboring pixels of one color: |dI| up to 2/255.

    Args:
        x: (3, h, w) in [0, 1].
        where: (h, w), the pixels whose steps count; all if left out.
    """
    return float((_steps(x, where) <= FLAT).float().mean())


def edge_width(x: Tensor, where: Tensor | None = None) -> float | None:
    """Mean width of edges in pixels: contrast over steepest step; None without an edge.

    An edge is a run of a row or column along which one color only rises, or only falls, by 64/255
    or more in all. Its width is that contrast divided by its steepest step: 1 for a step, n for a
    ramp of n steps.

    Args:
        x: (3, h, w) in [0, 1].
        where: (h, w); edges count whose steepest step lies there; all if left out.
    """
    widths: list[Tensor] = []
    for lines, inside in _lines(x, where):
        step = lines.diff(dim=1)
        turn = functional.pad(step[:, 1:].sign() != step[:, :-1].sign(), (1, 0), value=True)
        run = (turn.flatten().cumsum(0) - 1).view_as(step)
        size = step.abs()
        total = torch.zeros(int(run.max()) + 1).index_add_(0, run.flatten(), size.flatten())
        steepest = torch.zeros_like(total).scatter_reduce_(0, run.flatten(), size.flatten(), "amax")
        at = (size == steepest[run]) & inside
        counted = torch.zeros_like(total).index_add_(0, run[at], torch.ones(int(at.sum()))) > 0
        edge = counted & (total >= RISE)
        widths.append(total[edge] / steepest[edge])
    every = torch.cat(widths)
    return float(every.mean()) if len(every) else None


def _steps(x: Tensor, where: Tensor | None) -> Tensor:
    """The sizes of all steps along rows and columns, (n,)."""
    found: list[Tensor] = []
    for axis in (1, 2):
        size = x.diff(dim=axis).abs().amax(0)
        found.append(size.flatten() if where is None else size[_both(where, axis - 1)])
    return torch.cat(found)


def _both(where: Tensor, axis: int) -> Tensor:
    """Pairs of neighbors that both count."""
    count = where.shape[axis] - 1
    return where.narrow(axis, 0, count) & where.narrow(axis, 1, count)


def _lines(x: Tensor, where: Tensor | None) -> list[tuple[Tensor, Tensor]]:
    """Rows and columns of each color, (n, length), and which of their steps count."""
    known = torch.ones(x.shape[1:], dtype=torch.bool) if where is None else where
    pairs: list[tuple[Tensor, Tensor]] = []
    for picture, mask in ((x, known), (x.transpose(1, 2), known.T)):
        inside = _both(mask, 1).expand(3, -1, -1).flatten(0, 1)
        pairs.append((picture.flatten(0, 1), inside))
    return pairs
