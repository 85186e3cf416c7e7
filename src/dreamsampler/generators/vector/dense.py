"""Several scenes at once, all paths on all pixels: the form for graphics cards.

On the CPU `rasterize` is many times as fast, since it only touches what lies in a path's box; here
the number of kernels depends on neither the batch nor the size of the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamsampler.generators.vector.contour import stacked
from dreamsampler.generators.vector.raster import TOL, coverage
from dreamsampler.generators.vector.scene import Scene


def over(
    alpha: Float[Tensor, "b p h w"],
    color: Float[Tensor, "b p c"],
    background: Float[Tensor, "b c h w"],
) -> Float[Tensor, "b c h w"]:
    """Layers over a background, the first one lowest.

        T_k = prod_{j>k} (1 - alpha_j),   C = sum_k T_k alpha_k c_k + T_0 background

    The gradient is exact for opaque layers too, since nothing is divided:

        dL/d alpha_k = T_k (G'c_k - r_{k-1}),   r_k = (1 - alpha_k) r_{k-1} + alpha_k G'c_k

    Args:
        alpha: opacity times coverage, [0, 1].
        color: of each layer, any number of channels.
        background: opaque.

    Example:
        >>> half, red = torch.full((1, 1, 1, 1), 0.5), torch.tensor([[[1.0, 0.0, 0.0]]])
        >>> over(half, red, torch.ones(1, 3, 1, 1)).flatten().tolist()
        [1.0, 0.5, 0.5]
    """
    return _Over.apply(alpha, color, background)  # type: ignore[no-any-return]


def rasterize_batch(
    scenes: Sequence[Scene],
    background: Float[Tensor, "b 3 h w"] | Float[Tensor, 3],
    tol: float = TOL,
) -> Float[Tensor, "b 3 h w"]:
    """Draw scenes of one size, the same pictures and gradients as from `rasterize`.

    Takes memory for paths x height x width numbers a scene. On a graphics card the sums are added
    in any order, so that the last bits differ from call to call.

    Args:
        scenes: on canvases of one size; they may have different numbers of paths.
        background: a color for all of them, or a picture each.
        tol: largest distance between a curve and its chords, pixels.

    Raises:
        ValueError: for no scenes, or canvases of different sizes.

    Example:
        >>> disk = Scene.circles(torch.tensor([[8.0, 8.0]]), torch.tensor([4.0]), 16, 16)
        >>> rasterize_batch([disk, disk], torch.ones(3)).shape
        torch.Size([2, 3, 16, 16])
    """
    sizes = {(scene.height, scene.width) for scene in scenes}
    if len(sizes) != 1:
        raise ValueError(f"the canvases are {sorted(sizes)}, but one size was wanted for all")
    ((height, width),) = sizes
    if background.shape == (3,):
        background = background.view(1, 3, 1, 1).expand(len(scenes), 3, height, width)
    every = coverage(stacked(scenes), tol) if any(s.paths for s in scenes) else None
    most = max(scene.paths for scene in scenes)
    if every is None:
        return background.clone()
    counts = [scene.paths for scene in scenes]
    alphas = [
        cover * scene.color[:, 3, None, None]
        for cover, scene in zip(every.split(counts), scenes, strict=True)
    ]
    colors = [scene.color[:, :3] for scene in scenes]
    alpha, color = (
        torch.stack([torch.cat([p, p.new_zeros(most - len(p), *p.shape[1:])]) for p in parts])
        for parts in (alphas, colors)
    )
    return over(alpha, color, background.to(alpha))


@final
class _Over(torch.autograd.Function):
    """`over`, with memory for layers x pixels, not layers x channels x pixels."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, color: Tensor, background: Tensor) -> Tensor:
        above = (1 - alpha).flip(1).cumprod(1)  # of the uppermost 1, 2, ... layers
        through, last = torch.ones_like(alpha), above[:, -1:]
        through[:, :-1] = above[:, :-1].flip(1)
        ctx.save_for_backward(alpha, color, background, through, last)
        return torch.einsum("bpc,bphw->bchw", color, alpha * through) + background * last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,) = gradients
        alpha, color, background, through, last = ctx.saved_tensors
        by_alpha = torch.einsum("bpc,bchw->bphw", color, g)
        below = (g * background).sum(1)
        for layer, part in zip(by_alpha.unbind(1), alpha.unbind(1), strict=True):
            upon = torch.lerp(below, layer, part)
            layer -= below
            below = upon
        by_color = torch.einsum("bphw,bchw->bpc", alpha * through, g)
        return by_alpha.mul_(through), by_color, g * last
