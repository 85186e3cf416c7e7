"""Paths that cross themselves: whether, and by how much."""

from __future__ import annotations

from typing import Any, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamsampler.generators.vector.chords import cross, refine
from dreamsampler.generators.vector.contour import contour_of_segment, contours
from dreamsampler.generators.vector.raster import TOL
from dreamsampler.generators.vector.scene import Scene
from dreamsampler.generators.vector.winding import boxes, unwind, wind


def areas(scene: Scene, contour: Tensor | None = None) -> Float[Tensor, " k"]:
    """The signed area of every contour, in closed form, pixels squared.

        A = 1/2 sum int (x dy - y dx)

    Args:
        scene: k contours in all.
        contour: which one a segment belongs to, if known: that of `contour_of_segment`.

    Example:
        >>> disk = Scene.circles(torch.tensor([[8.0, 8.0]]), torch.tensor([4.0]), 16, 16)
        >>> round(areas(disk).item(), 1)
        50.3
    """
    contour = contour_of_segment(scene) if contour is None else contour
    p = scene.curves()
    p = p - p[:, :1].detach().mean(0)  # near the origin there is less to round
    a, b, c, d = p.unbind(1)
    # the integral of x dy - y dx along a cubic, times 20
    part = 6 * cross(a, b) + 3 * cross(a, c) + cross(a, d)
    part = part + 3 * cross(b, c) + 3 * cross(b, d) + 6 * cross(c, d)
    return p.new_zeros(int(contour.max()) + 1 if len(contour) else 0).index_add(
        0, contour, part / 20
    )


def crossing(scene: Scene, tol: float = TOL) -> Float[Tensor, ""]:
    """How much area the contours wind round more than once, or the wrong way; pixels squared.

        sum over contours of int max(-a, 0) + max(a - 1, 0)

    with a the winding number, signed so that the contour's area is positive. It is 0 for a contour
    that does not cross itself, and positive if any two segments cross; its gradient shrinks loops.

    Args:
        scene: its paths; parts outside of the canvas do not count.
        tol: largest distance between a curve and its chords, pixels.

    Example:
        >>> disk = Scene.circles(torch.tensor([[8.0, 8.0]]), torch.tensor([4.0]), 16, 16)
        >>> crossing(disk).item() < 1e-4
        True
    """
    if not len(scene.segments):
        return scene.points.sum() * 0
    return _Crossing.apply(scene.curves(), scene, contour_of_segment(scene), tol)  # type: ignore[no-any-return]


def crosses_itself(scene: Scene, chords: int = 16) -> Bool[Tensor, " p"]:
    """Whether any contour of a path crosses itself, by testing all pairs of its chords.

    Args:
        scene: of p paths.
        chords: a segment, at least 2.

    Example:
        >>> eight = torch.tensor([[[0.0, 0], [3, 3], [6, 6], [9, 9], [9, 6], [9, 3],
        ...                        [9, 0], [6, 3], [3, 6], [0.0, 9], [0, 6], [0, 3]]])
        >>> crosses_itself(Scene.loops(eight, torch.ones(1, 4), 9, 9)).tolist()
        [True]
    """
    points = scene.moved(scene.points.detach().double()).sampled(chords).cpu()
    found = [
        any(_meets_itself(points[loop].flatten(0, 1)) for loop in loops)
        for loops in contours(scene)
    ]
    return torch.tensor(found, dtype=torch.bool)


def _meets_itself(p: Tensor) -> bool:
    p = p[(p - p.roll(1, 0)).abs().amax(1) > 1e-9]
    count = len(p)
    if count < 4:
        return False
    q = p.roll(-1, 0)
    d = q - p
    side = cross(d[:, None], p[None] - p[:, None])  # on which side of each chord the others start
    left = side > 0
    apart = (left != left.roll(-1, 1)) & (left != left.roll(-1, 1)).T
    index = torch.arange(count)
    gap = (index[:, None] - index).abs()
    return bool((apart & (gap > 1) & (gap < count - 1)).any())


@final
class _Crossing(torch.autograd.Function):
    """The area where windings, made positive, are below 0 or above 1."""

    @staticmethod
    def forward(ctx: Any, curves: Tensor, scene: Scene, contour: Tensor, tol: float) -> Tensor:
        fine = refine(curves, contour)
        count = int(contour.max()) + 1
        box = boxes(fine.curves, fine.path, count, scene.width, scene.height)
        winding, pieces = wind(fine.curves, fine.path, box, tol)
        # the area is the negative integral of the winding, as y runs down
        turn = torch.where(areas(scene, contour) > 0, -1.0, 1.0).to(winding)
        each = torch.cat([turn.repeat_interleave(box.sizes), turn.new_zeros(2)])
        inner = torch.ones_like(winding, dtype=torch.bool)
        for _, _, w, h, stride, offset in box.rows():
            inner.as_strided((h, 2), (stride, 1), offset - 1)[:, 0] = False
            inner.as_strided((h, 1), (stride, 1), offset + w)[:] = False
        right = winding.mul_(each).mul_(inner)
        below, above = right < -1e-3, right > 1 + 1e-3
        wrong = (-right[below]).sum() + (right[above] - 1).sum()
        slope = (above.to(right) - below.to(right)) * each
        ctx.fine, ctx.pieces = fine, pieces
        ctx.slope = slope.index_select(0, pieces.cell.view(-1)).view_as(pieces.cell)
        return wrong

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        by_curves = ctx.fine.back(unwind(ctx.slope * gradients[0], ctx.pieces))
        return by_curves, None, None, None
