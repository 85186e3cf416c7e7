"""Paths that cross themselves made such that do not, as little changed as possible."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.vector.contour import contours
from dreamsampler.generators.vector.penalty import crosses_itself
from dreamsampler.generators.vector.raster import coverage
from dreamsampler.generators.vector.scene import Scene

SHARES = (0.9, 0.8, 0.65, 0.5, 0.3, 0.0)
"""What is tried of the length of handles."""
MOST = 1.0
"""Pixels of coverage that a path may lose or win by it, times its opacity."""


@torch.no_grad()
def untangled(scene: Scene, most: float = MOST) -> Scene:
    """Shorten handles of paths that cross themselves, where that hardly changes what they cover.

        P1 <- P0 + s (P1 - P0),   P2 <- P3 + s (P2 - P3),   0 <= s < 1

    The penalty (`crossing`) opens what can be seen; what is left are loops of less than a pixel at
    cusps, which go when a handle there is shorter. One handle is tried at a time, then both of
    a segment, then both at an anchor, the least movement first.

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
