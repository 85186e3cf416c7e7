"""The fewest paths that still look right."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.vector.initial import Picture
from dreamsampler.generators.vector.raster import coverage
from dreamsampler.generators.vector.scene import Scene


@torch.no_grad()
def simplified(scene: Scene, background: Tensor, picture: Picture, loss: float = 0.3) -> Scene:
    """Leave out paths, the least missed ones first, as long as the picture stays that near.

    How much a path is missed is what leaving it out adds to the squared error:

        sum r^2 - 2 r (C - y),   r_k = alpha_k prod_{j>k} (1 - alpha_j) (c_k - C_{k-1})

    Takes memory for paths x height x width numbers.

    Args:
        scene: to simplify.
        background: an opaque color (3,) in [0, 1].
        picture: y, what the scene shall look like, in [0, 1].
        loss: how much nearness may be lost, dB of PSNR, >= 0.

    Returns:
        The paths that are left, in their order.

    Raises:
        ValueError: for a negative loss.

    Example:
        >>> twice = torch.tensor([[4.0, 4.0], [4.0, 4.0]])
        >>> red = torch.tensor([1.0, 0, 0, 1]).repeat(2, 1)
        >>> scene = Scene.circles(twice, torch.tensor([1.0, 3.0]), 8, 8, color=red)
        >>> from dreamsampler.generators.vector import rasterize
        >>> white = torch.ones(3)
        >>> simplified(scene, white, rasterize(scene, white), loss=1).paths
        1
    """
    if not loss >= 0:
        raise ValueError(f"loss is {loss:g} dB, but must be 0 or more")
    alpha = coverage(scene) * scene.color[:, 3, None, None]
    keep = torch.ones(scene.paths, dtype=torch.bool)
    error, missed = _missed(scene, alpha, keep, background, picture)
    # a picture that is met exactly may lose as if it were at 60 dB
    allowed = max(error, picture.numel() * 1e-6) * 10 ** (loss / 10)
    batch = math.ceil(scene.paths / 8)
    while batch and bool(keep.any()):
        trial = keep.clone()
        order = missed.argsort()
        trial[order[: min(batch, int(keep.sum()))]] = False
        error, after = _missed(scene, alpha, trial, background, picture)
        if error <= allowed:
            keep, missed = trial, after
        else:
            batch //= 2
    return scene.kept(keep)


@torch.no_grad()
def without(scene: Scene, background: Tensor, picture: Picture, count: int) -> Scene:
    """Leave out so many paths, the least missed ones (`simplified`).

    Args:
        scene: at least as many paths.
        background: an opaque color (3,) in [0, 1].
        picture: what the scene shall look like, (3, h, w) in [0, 1].
        count: how many go.

    Example:
        >>> disks = torch.tensor([[4.0, 4.0], [4.0, 4.0]])
        >>> scene = Scene.circles(disks, torch.tensor([1.0, 3.0]), 8, 8)
        >>> without(scene, torch.ones(3), torch.zeros(3, 8, 8), 1).paths
        1
    """
    alpha = coverage(scene) * scene.color[:, 3, None, None]
    keep = torch.ones(scene.paths, dtype=torch.bool)
    _, missed = _missed(scene, alpha, keep, background, picture)
    keep[missed.argsort()[:count]] = False
    return scene.kept(keep)


def _missed(
    scene: Scene,
    alpha: Float[Tensor, "p h w"],
    keep: Bool[Tensor, " p"],
    background: Float[Tensor, " 3"],
    picture: Picture,
) -> tuple[float, Float[Tensor, " p"]]:
    """The squared error of the paths that are kept, and what each of them is missed for."""
    canvas = background.to(alpha).view(3, 1, 1).expand(3, *alpha.shape[1:]).clone()
    numbers = keep.nonzero().squeeze(1).tolist()
    change = {}
    for k in numbers:
        check_canceled()
        change[k] = alpha[k] * (scene.color[k, :3, None, None] - canvas)
        canvas += change[k]
    off = canvas - picture
    missed = torch.full((len(alpha),), math.inf)
    through = torch.ones_like(alpha[0])
    for k in reversed(numbers):
        r = change[k] * through
        missed[k] = (r * (r - 2 * off)).sum()
        through *= 1 - alpha[k]
    return float(off.square().sum()), missed
