"""The closed loops that paths are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from dreamsampler.generators.vector.scene import FillRule, Loop, Scene


def contours(scene: Scene) -> list[list[list[int]]]:
    """Of every path its loops, each as the numbers of its segments in the order of travel.

    Example:
        >>> two = Scene.circles(torch.tensor([[4.0, 4.0], [9.0, 9.0]]), torch.ones(2), 16, 16)
        >>> contours(two)
        [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]
    """
    loops: list[list[list[int]]] = [[] for _ in range(scene.paths)]
    leaving: dict[tuple[int, int], list[int]] = defaultdict(list)
    rows, owners = scene.segments.tolist(), scene.path_of_segment.tolist()
    for number in range(len(rows) - 1, -1, -1):
        leaving[owners[number], rows[number][0]].append(number)
    done = [False] * len(rows)
    for first, path in enumerate(owners):
        if done[first]:
            continue
        loop, here = [], rows[first][0]
        while waiting := leaving[path, here]:
            number = waiting.pop()
            done[number] = True
            loop.append(number)
            here = rows[number][3]
        loops[path].append(loop)
    return loops


def contour_of_segment(scene: Scene) -> Tensor:
    """(n,) the number of the loop that each segment belongs to, counted over all paths."""
    out, number = torch.empty(len(scene.segments), dtype=torch.long), 0
    for loops in contours(scene):
        for loop in loops:
            out[loop] = number
            number += 1
    return out.to(scene.segments.device)


def stacked(scenes: Sequence[Scene]) -> Scene:
    """The paths of several scenes on the canvas of the first one, the first scene lowest.

    Example:
        >>> disk = Scene.circles(torch.tensor([[4.0, 4.0]]), torch.ones(1), 8, 8)
        >>> stacked([disk, disk]).paths
        2
    """
    segments, owners, points, paths = [], [], 0, 0
    for scene in scenes:
        segments.append(scene.segments + points)
        owners.append(scene.path_of_segment + paths)
        points, paths = points + len(scene.points), paths + scene.paths
    rules: list[FillRule] = [rule for scene in scenes for rule in scene.rules]
    return Scene(
        torch.cat([scene.points for scene in scenes]),
        torch.cat(segments),
        torch.cat(owners),
        torch.cat([scene.color for scene in scenes]),
        scenes[0].width,
        scenes[0].height,
        tuple(rules),
    )


def straight(vertices: Loop) -> Loop:
    """A polygon as a loop of straight cubics: (k, 2) to (3 k, 2).

    Example:
        >>> straight(torch.tensor([[0.0, 0.0], [3.0, 0.0]])).tolist()[:3]
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
    """
    step = (vertices.roll(-1, 0) - vertices) / 3
    return torch.stack([vertices, vertices + step, vertices + 2 * step], 1).view(-1, 2)
