"""Pictures of scenes, with exact antialiasing and exact gradients.

A pixel's coverage is the area of the path inside it (a box filter), to within the chords' `tol`.
Several paths in a pixel are composited as if independent, as viewers do.
Source of the forward pass: the accumulation buffers of FreeType's "smooth" rasterizer and of
font-rs; of the backward pass: Reynolds' transport theorem; see `winding` and, for pixels in which
a path meets itself, `overlap`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamsampler.generators.vector.chords import Refined, gathered, refine, spread
from dreamsampler.generators.vector.overlap import Overlaps, overlaps
from dreamsampler.generators.vector.scene import Scene
from dreamsampler.generators.vector.winding import (
    Boxes,
    Pieces,
    boxes,
    fill_,
    slopes,
    unwind,
    wind,
)

TOL = 0.004
"""Chords are at most this many pixels off their curve: one of 255 steps of gray at an edge."""
AT_A_TIME = 1 << 23
"""Cells that are computed together: bounds the memory beside the result."""


def rasterize(
    scene: Scene, background: Tensor | None = None, tol: float = TOL
) -> Float[Tensor, "c {scene.height} {scene.width}"]:
    """Draw a scene, path over path.

        C_k = (1 - alpha_k) C_{k-1} + alpha_k c_k,   alpha_k = opacity_k coverage_k

    Gradients reach points, colors, opacities and the background. The result on the CPU does not
    depend on the number of threads, and is the same every time.

    Args:
        scene: what to draw.
        background: an opaque color (3,) or picture (3, height, width). If left out, the result is
            (4, height, width): red, green and blue multiplied by their opacity, and the opacity.
        tol: largest distance between a curve and its chords, pixels.

    Returns:
        (3, height, width) or (4, height, width), in [0, 1] for colors in [0, 1].

    Raises:
        ValueError: for points that are not finite or far away, or a background of another size.

    Example:
        >>> disk = Scene.circles(torch.tensor([[8.0, 8.0]]), torch.tensor([4.0]), 16, 16)
        >>> round(rasterize(disk, tol=1e-5)[3].sum().item(), 1)  # 16 pi
        50.3
    """
    behind = _background(scene, background)
    if not scene.paths:
        return behind.clone()
    curves = scene.curves()
    return _Over.apply(curves, scene.color, behind, scene, tol)  # type: ignore[no-any-return]


def coverage(scene: Scene, tol: float = TOL) -> Float[Tensor, "p h w"]:
    """The share of every pixel that each path covers: (paths, height, width) in [0, 1].

    Example:
        >>> square = torch.tensor([[[1.0, 1], [2, 1], [3, 1], [4, 1], [4, 2], [4, 3],
        ...                         [4.0, 4], [3, 4], [2, 4], [1, 4], [1, 3], [1, 2]]])
        >>> box = Scene.loops(square, torch.ones(1, 4), 6, 5)
        >>> coverage(box)[0, 1].tolist()
        [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    return _Coverage.apply(scene.curves(), scene, tol)  # type: ignore[no-any-return]


def _background(scene: Scene, background: Tensor | None) -> Tensor:
    size = (scene.height, scene.width)
    if background is None:
        return scene.points.new_zeros(4, *size)
    if background.shape == (3,):
        background = background.view(3, 1, 1).expand(3, *size)
    if background.shape != (3, *size):
        raise ValueError(
            f"the background is {tuple(background.shape)}, but must be a color (3,) or a picture "
            f"(3, {scene.height}, {scene.width})"
        )
    return background.to(scene.points)


@final
@dataclass(frozen=True, eq=False)
class _Part:
    """The coverages of some consecutive paths, box after box, and the data for their gradient."""

    first: int
    cover: Tensor
    box: Boxes
    pieces: Pieces
    slope: Tensor | None
    owner: Tensor
    shared: Overlaps

    def gradient(self, by_cover: Tensor, opacity: Tensor | None = None) -> Tensor:
        """dL/d curves from dL/d cover, or from dL/d (opacity cover)."""
        if self.slope is None:
            raise RuntimeError("the coverage was computed without gradients")
        by_winding = by_cover.index_select(0, self.pieces.cell.view(-1)).view_as(self.slope)
        if opacity is not None:
            by_winding *= spread(opacity[None, self.owner], self.pieces.samples.lengths)[:, :-1]
        at = self.shared.at
        extra = by_winding.view(-1)[at]
        by_winding *= self.slope
        terms = extra * self.shared.slope, extra * self.shared.moment
        return unwind(by_winding, self.pieces, (at % by_winding.shape[1], *terms))


def _parts(fine: Refined, scene: Scene, tol: float, *, traced: bool) -> Iterator[_Part]:
    """The scene's coverages, a few paths at a time to bound the memory."""
    if not scene.paths:
        return
    whole = boxes(fine.curves, fine.path, scene.paths, scene.width, scene.height)
    segments = fine.path.bincount(minlength=scene.paths).cumsum(0).tolist()
    even_odd = [rule == "evenodd" for rule in scene.rules]
    first, cells = 0, 0
    for last, size in enumerate(whole.sizes.tolist(), 1):
        cells += size
        if cells < AT_A_TIME and last < scene.paths:
            continue
        chosen = slice(segments[first - 1] if first else 0, segments[last - 1])
        box, owner = whole.part(first, last), fine.path[chosen] - first
        winding, pieces = wind(fine.curves[chosen], owner, box, tol)
        odd = None
        if any(even_odd[first:last]):
            each = torch.tensor(even_odd[first:last], device=owner.device)
            odd = torch.cat([each.repeat_interleave(box.sizes), each.new_zeros(2)])
        shared = overlaps(winding, pieces, box, odd)
        slope = slopes(winding, pieces, odd) if traced else None
        if slope is not None:
            slope.view(-1)[shared.at] = 0
        cover = fill_(winding, odd)
        cover[shared.cell] = shared.cover
        yield _Part(first, cover, box, pieces, slope, owner, shared)
        first, cells = last, 0


@final
class _Over(torch.autograd.Function):
    """Paths over a background, back to front; on the way back, front to back."""

    @staticmethod
    def forward(
        ctx: Any, curves: Tensor, color: Tensor, behind: Tensor, scene: Scene, tol: float
    ) -> Tensor:
        canvas = behind.clone(memory_format=torch.contiguous_format)
        channels, height, width = canvas.shape
        strides = (height * width, width, 1)
        # over nothing, the fourth channel counts opacity: a color whose fourth part is 1
        paint = torch.cat([color[:, :3], torch.ones_like(color[:, 3:])], 1)[:, :channels]
        paint = paint.reshape(-1, channels, 1, 1).unbind()
        opacity, keep = color[:, 3].tolist(), any(ctx.needs_input_grad)
        ctx.fine, ctx.parts = refine(curves, scene.path_of_segment), []
        for part in _parts(ctx.fine, scene, tol, traced=ctx.needs_input_grad[0]):
            layers = []
            for k, (x, y, w, h, stride, offset) in enumerate(part.box.rows(), part.first):
                if not w * h:
                    continue
                alpha = part.cover.as_strided((h, w), (stride, 1), offset) * opacity[k]
                place = (channels, h, w), strides, y * width + x
                below = canvas.as_strided(*place)
                change = paint[k] - below
                below.addcmul_(change, alpha)
                layers.append((k, place, alpha, change, (stride, 1), offset))
            if keep:
                ctx.parts.append((part, layers))
        ctx.save_for_backward(color)
        return canvas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (color,) = ctx.saved_tensors
        g = gradients[0].clone(memory_format=torch.contiguous_format)
        by_color, traced = torch.zeros_like(color), []
        inks = by_color[:, :3].unbind()
        for part, layers in reversed(ctx.parts):
            by_alpha = torch.zeros_like(part.cover)
            for k, place, alpha, change, stride, offset in reversed(layers):
                left = g.as_strided(*place)
                own = by_alpha.as_strided(alpha.shape, stride, offset)
                torch.sum(change * left, 0, out=own)
                through = left * alpha
                left.sub_(through)  # what is left for the layers below
                torch.sum(through[:3] if len(through) > 3 else through, (1, 2), out=inks[k])
            visible = part.box.sizes.nonzero().squeeze(1)
            shares = gathered((by_alpha * part.cover)[None, :-2], part.box.sizes[visible])
            by_color[part.first + visible, 3] = shares[0]
            if ctx.needs_input_grad[0]:
                traced.append(part.gradient(by_alpha, color[part.first :, 3]))
        by_curves = ctx.fine.back(torch.cat(traced[::-1])) if traced else None
        return by_curves, by_color, g, None, None


@final
class _Coverage(torch.autograd.Function):
    """The coverage of each path on the whole canvas."""

    @staticmethod
    def forward(ctx: Any, curves: Tensor, scene: Scene, tol: float) -> Tensor:
        out = curves.new_zeros(scene.paths, scene.height, scene.width)
        ctx.fine, ctx.parts = refine(curves, scene.path_of_segment), []
        for part in _parts(ctx.fine, scene, tol, traced=ctx.needs_input_grad[0]):
            for k, (x, y, w, h, stride, offset) in enumerate(part.box.rows(), part.first):
                out[k, y : y + h, x : x + w] = part.cover.as_strided((h, w), (stride, 1), offset)
            if ctx.needs_input_grad[0]:
                ctx.parts.append(part)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        traced = []
        for part in ctx.parts:
            packed = torch.zeros_like(part.cover)
            for k, (x, y, w, h, stride, offset) in enumerate(part.box.rows(), part.first):
                own = packed.as_strided((h, w), (stride, 1), offset)
                own.copy_(gradients[0][k, y : y + h, x : x + w])
            traced.append(part.gradient(packed))
        return ctx.fine.back(torch.cat(traced)), None, None
