"""Simpler scenes that look alike: fewer paths, and paths that do not cross themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.vector.contour import contours
from dreamsampler.generators.vector.initial import Picture
from dreamsampler.generators.vector.penalty import crosses_itself
from dreamsampler.generators.vector.raster import coverage
from dreamsampler.generators.vector.scene import Scene

SHARES = (0.9, 0.8, 0.65, 0.5, 0.3, 0.0)
"""Shares of the length of handles that are tried."""
MOST = 1.0
"""Allowed change of the coverage of a path, in pixels times its opacity."""


@torch.no_grad()
def simplified(scene: Scene, background: Tensor, picture: Picture, loss: float = 0.3) -> Scene:
    """Leave out paths, the least important ones first, while the picture stays similar.

    The importance of a path is the squared error that leaving it out adds:

        sum r^2 - 2 r (C - y),   r_k = alpha_k prod_{j>k} (1 - alpha_j) (c_k - C_{k-1})

    Takes memory for paths x height x width numbers.

    Args:
        scene: to simplify.
        background: an opaque color (3,) in [0, 1].
        picture: y, the target, in [0, 1].
        loss: largest loss of PSNR, dB, >= 0.

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
    error, importance = _importance(scene, alpha, keep, background, picture)
    # an exact picture may lose as if it had 60 dB
    allowed = max(error, picture.numel() * 1e-6) * 10 ** (loss / 10)
    batch = math.ceil(scene.paths / 8)
    while batch and bool(keep.any()):
        trial = keep.clone()
        order = importance.argsort()
        trial[order[: min(batch, int(keep.sum()))]] = False
        error, after = _importance(scene, alpha, trial, background, picture)
        if error <= allowed:
            keep, importance = trial, after
        else:
            batch //= 2
    return scene.kept(keep)


@torch.no_grad()
def without(scene: Scene, background: Tensor, picture: Picture, count: int) -> Scene:
    """Leave out `count` paths, the least important ones (`simplified`).

    Args:
        scene: at least as many paths.
        background: an opaque color (3,) in [0, 1].
        picture: the target, (3, h, w) in [0, 1].
        count: of the paths that are left out.

    Example:
        >>> disks = torch.tensor([[4.0, 4.0], [4.0, 4.0]])
        >>> scene = Scene.circles(disks, torch.tensor([1.0, 3.0]), 8, 8)
        >>> without(scene, torch.ones(3), torch.zeros(3, 8, 8), 1).paths
        1
    """
    alpha = coverage(scene) * scene.color[:, 3, None, None]
    keep = torch.ones(scene.paths, dtype=torch.bool)
    _, importance = _importance(scene, alpha, keep, background, picture)
    keep[importance.argsort()[:count]] = False
    return scene.kept(keep)


def _importance(
    scene: Scene,
    alpha: Float[Tensor, "p h w"],
    keep: Bool[Tensor, " p"],
    background: Float[Tensor, " 3"],
    picture: Picture,
) -> tuple[float, Float[Tensor, " p"]]:
    """The squared error of the paths that are kept, and the importance of each."""
    canvas = background.to(alpha).view(3, 1, 1).expand(3, *alpha.shape[1:]).clone()
    numbers = keep.nonzero().squeeze(1).tolist()
    change = {}
    for k in numbers:
        check_canceled()
        change[k] = alpha[k] * (scene.color[k, :3, None, None] - canvas)
        canvas += change[k]
    off = canvas - picture
    importance = torch.full((len(alpha),), math.inf)
    through = torch.ones_like(alpha[0])
    for k in reversed(numbers):
        r = change[k] * through
        importance[k] = (r * (r - 2 * off)).sum()
        through *= 1 - alpha[k]
    return float(off.square().sum()), importance


@torch.no_grad()
def untangled(scene: Scene, most: float = MOST) -> Scene:
    """Shorten handles of paths that cross themselves, where that hardly changes their coverage.

        P1 <- P0 + s (P1 - P0),   P2 <- P3 + s (P2 - P3),   0 <= s < 1

    The penalty `crossing` removes visible loops; shorter handles remove those of less than a pixel
    at cusps. One handle is tried at a time, then both of a segment, then both at an anchor, the
    least movement first.

    Args:
        scene: of any paths.
        most: sum over pixels of opacity times the change of coverage that is allowed; a path that
            takes more stays as it is.

    Example:
        >>> knot = torch.tensor([[[0.0, 0], [4, 4], [-1, 4], [3.0, 0], [3, 1], [3, 2],
        ...                       [3, 3], [2, 3], [1, 3], [0.0, 3], [0, 2], [0, 1]]])
        >>> scene = Scene.loops(knot, torch.ones(1, 4), 9, 9)
        >>> crosses_itself(scene).tolist(), crosses_itself(untangled(scene)).tolist()
        ([True], [False])
    """
    points, owned = scene.points.clone(), contours(scene)
    for number in crosses_itself(scene).nonzero().squeeze(1).tolist():
        one = torch.zeros(scene.paths, dtype=torch.bool)
        one[number] = True
        before = coverage(scene.moved(points).kept(one))
        for tried in _shortened(scene, points, owned[number]):
            check_canceled()
            path = scene.moved(tried).kept(one)
            if bool(crosses_itself(path).any()):
                continue
            change = (coverage(path) - before).abs().sum() * path.color[0, 3]
            if float(change) <= most:
                points = tried
                break
    return scene.moved(points)


def _shortened(scene: Scene, points: Tensor, loops: list[list[int]]) -> Iterator[Tensor]:
    """The points with some handles of a path shorter, the least movement first."""
    choices: list[tuple[float, list[int], Tensor]] = []
    for loop in loops:
        rows = scene.segments[loop]
        one = [[(k, 0)] for k in range(len(loop))] + [[(k, 3)] for k in range(len(loop))]
        whole = [[(k, 0), (k, 3)] for k in range(len(loop))]
        around = [[(k - 1, 3), (k, 0)] for k in range(len(loop))]
        for ends in [*one, *whole, *around]:
            anchor = torch.stack([rows[k, end] for k, end in ends])
            handle = torch.stack([rows[k, 1 if end == 0 else 2] for k, end in ends])
            arm = points[handle] - points[anchor]
            for share in SHARES:
                far = (1 - share) * float(arm.norm(dim=1).sum())
                choices.append((far, handle.tolist(), points[anchor] + share * arm))
    for _, handle, place in sorted(choices, key=lambda each: each[0]):
        tried = points.clone()
        tried[handle] = place
        yield tried
