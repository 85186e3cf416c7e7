"""Lines of SVG shapes as loops to be filled: what they enclose, and their strokes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from dreamsampler.generators.vector.coordinates import NUMBER, Matrix
from dreamsampler.generators.vector.pathdata import Line
from dreamsampler.generators.vector.scene import Loop
from dreamsampler.generators.vector.stroke import stroke


def mapped(points: Tensor, matrix: Matrix) -> Tensor:
    """Points (..., 2) by a matrix."""
    a, b, c, d, e, f = torch.tensor(matrix, dtype=points.dtype)
    x, y = points.unbind(-1)
    return torch.stack([a * x + c * y + e, b * x + d * y + f], -1)


def filled(lines: list[Line]) -> list[Loop]:
    """Every line as a loop, closed by a straight segment where it is open; none without area."""
    loops = []
    for curves, _ in lines:
        if float((curves[-1, 3] - curves[0, 0]).abs().max()) > 1e-6:
            a, b = curves[-1, 3], curves[0, 0]
            back = torch.stack([a, a + (b - a) / 3, a + (b - a) * 2 / 3, b])
            curves = torch.cat([curves, back[None]])
        loop = curves[:, :3].reshape(-1, 2)
        arms = loop - loop[0]
        u, v = arms[arms.norm(dim=1).argmax()]
        if float((arms[:, 0] * v - arms[:, 1] * u).abs().max()) > 1e-6 * float(u.hypot(v)):
            loops.append(loop)
    return loops


def stroked(
    lines: list[Line], matrix: Matrix, width: float, style: Mapping[str, str]
) -> list[Loop]:
    """The outlines of a stroke, made where its width is the same in all directions, then mapped.

    Args:
        lines: before the matrix.
        matrix: to pixels.
        width: of the stroke, before the matrix.
        style: properties of the stroke.
    """
    a, b, c, d, e, f = matrix
    scale = float(torch.linalg.matrix_norm(torch.tensor([[a, c], [b, d]]), 2))
    cap, join = style.get("stroke-linecap"), style.get("stroke-linejoin")
    limit = style.get("stroke-miterlimit", "").strip()
    loops = []
    for curves, closed in lines:
        loops += stroke(
            _settled(scale * curves),
            curves.new_tensor(scale * width),
            closed=closed,
            cap=cap if cap in ("round", "square") else "butt",
            join=join if join in ("round", "bevel") else "miter",
            miter_limit=max(float(limit), 1.0) if re.fullmatch(NUMBER, limit) else 4.0,
            tol=0.02,
        )
    rest = (a / scale, b / scale, c / scale, d / scale, e, f)
    return [mapped(loop, rest) for loop in loops]


def overlap(paths: list[list[Loop]]) -> bool:
    """Whether the boxes of two paths overlap; of very many it is taken for granted."""
    if not 1 < len(paths) < 1000:
        return len(paths) > 1
    boxes = [torch.cat(loops).aminmax(dim=0) for loops in paths]
    low, high = (torch.stack(ends) for ends in zip(*boxes, strict=True))
    apart = (low[:, None] >= high[None] - 0.01).any(2)
    return bool((~(apart | apart.T)).sum() > len(paths))


def _settled(curves: Tensor) -> Tensor:
    """Curves without those of no length and handles that all but meet their anchor."""
    a, b, c, d = curves.unbind(1)
    b = torch.where((b - a).norm(dim=1, keepdim=True) < 1 / 4096, a, b)
    c = torch.where((d - c).norm(dim=1, keepdim=True) < 1 / 4096, d, c)
    moves = (curves - curves[:, :1]).abs().amax((1, 2)) > 1e-9
    curves = torch.stack([a, b, c, d], 1)
    return curves[moves] if bool(moves.any()) else curves[:1]
