"""Initial scenes: disks anywhere, disks where the error is large, the outlines of a tracer."""

from __future__ import annotations

import io
import math
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from dreamsampler.cancel import check_canceled
from dreamsampler.files import InputError
from dreamsampler.generators.vector.contour import stacked
from dreamsampler.generators.vector.read import from_svg
from dreamsampler.generators.vector.scene import Scene

Picture: TypeAlias = Float[Tensor, "3 h w"]

OPACITY = 0.95
"""Of new paths: paths below an opaque one have no gradient."""
COARSE = 128
"""Longer side, in pixels, of the reduced error in which places of disks are searched."""


def scattered(picture: Picture, paths: int, rng: torch.Generator, segments: int = 4) -> Scene:
    """Disks anywhere, in the mean color of the picture below them.

    Args:
        picture: in [0, 1].
        paths: how many.
        rng: on the CPU.
        segments: a path, at least 2.
    """
    height, width = picture.shape[1:]
    centers = torch.rand(paths, 2, generator=rng) * torch.tensor([width, height])
    small = min(width, height)
    radii = small * (0.025 + 0.07 * torch.rand(paths, generator=rng))
    return _disks(picture, centers, radii, segments)


def placed(
    picture: Picture, error: Picture, paths: int, rng: torch.Generator, segments: int = 4
) -> Scene:
    """Disks where the error is large over a large area, one after the other.

    Of the areas in which the (slightly blurred) error is at least 0.3, 0.5 or 0.7 of its maximum,
    the one with the largest sum, times that share, is taken; the disk lies where that area is
    deepest, is as large as fits, and takes the picture's mean color. Where no error is left, disks
    are scattered. Areas of a large picture are searched at about 128 pixels.

    Args:
        picture: the target, in [0, 1].
        error: the present picture minus the target.
        paths: how many disks.
        rng: on the CPU.
        segments: a path, at least 2.

    Source: after Ma et al., "Towards Layer-wise Image Vectorization" (LIVE), CVPR 2022
    (arXiv:2206.04655), section 3.2.
    """
    height, width = picture.shape[1:]
    side = max(1, round(max(height, width) / COARSE))
    reduced = functional.avg_pool2d(error.norm(dim=0)[None, None], side, ceil_mode=True)
    left = _blurred(reduced[0, 0])
    largest, floor = 0.16 * min(height, width), 1e-3 * float(left.max())
    y, x = torch.meshgrid(*(torch.arange(n) for n in left.shape), indexing="ij")
    centers, radii = [], []
    while len(centers) < paths and float(left.max()) > max(floor, 1e-4):
        check_canceled()
        row, column, radius = _deepest(_most_wrong(left))
        radius = min(max(radius, 1.5), largest / side)
        centers.append((side * (column + 0.5), side * (row + 0.5)))
        radii.append(side * radius)
        left = left * ((y - row) ** 2 + (x - column) ** 2 > radius**2)
    more = scattered(picture, paths - len(centers), rng, segments)
    if not centers:
        return more
    disks = _disks(picture, torch.tensor(centers), torch.tensor(radii), segments)
    if not more.paths:
        return disks
    return stacked([disks, more])


def traced(picture: Picture, paths: int, alpha: Tensor | None = None) -> Scene:
    """The outlines of areas of one color, by the tracer vtracer, at most so many of them.

    Args:
        picture: in [0, 1].
        paths: most paths; the tracer takes coarser colors until there are no more.
        alpha: (1, h, w); where it is below a half nothing is traced.

    Raises:
        InputError: if vtracer is not installed, or cannot do with so few paths.

    Source: the program vtracer, Pun & Tsang (2020).
    """
    try:
        import vtracer
    except ImportError as error:
        raise InputError(
            "tracing needs vtracer, which is not installed: pip install 'dreamsampler[svg]', or "
            'begin with "component" or "random"'
        ) from error
    from PIL import Image

    shown = torch.ones_like(picture[:1]) if alpha is None else (alpha > 0.5).to(picture)
    planes = torch.cat([picture.clamp(0, 1), shown])
    levels = (planes * 255).round().byte().permute(1, 2, 0).numpy()
    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(levels)).save(data, "PNG")
    for speckle, precision, difference in ((2, 6, 16), (4, 5, 24), (4, 5, 40), (6, 4, 64),
                                           (8, 3, 96), (12, 2, 128)):  # fmt: skip
        text = vtracer.convert_raw_image_to_svg(
            data.getvalue(),
            img_format="png",
            filter_speckle=speckle,
            color_precision=precision,
            layer_difference=difference,
            path_precision=4,
        )
        scene = from_svg(text)
        if scene.paths <= paths:
            opaque = torch.cat(
                [scene.color[:, :3], torch.full_like(scene.color[:, 3:], OPACITY)], 1
            )
            return scene.moved(scene.points, opaque)
    raise InputError(
        f"the tracer finds no way to draw this picture with {paths} paths: allow more, or begin "
        'with "component"'
    )


def _disks(picture: Picture, centers: Tensor, radii: Tensor, segments: int) -> Scene:
    height, width = picture.shape[1:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    color = torch.empty(len(centers), 4)
    color[:, 3] = OPACITY
    for row, (cx, cy), radius in zip(color, centers.tolist(), radii.tolist(), strict=True):
        inside = (x - cx) ** 2 + (y - cy) ** 2 <= max(radius, 1.0) ** 2
        row[:3] = picture[:, inside].mean(1).clamp(0, 1)
    return Scene.circles(centers, radii, width, height, color=color, segments=segments)


def _blurred(x: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """By a Gaussian of one pixel."""
    taps = torch.exp(-0.5 * torch.arange(-3.0, 4.0) ** 2)
    taps = (taps / taps.sum()).to(x)
    x = functional.conv2d(x[None, None], taps.view(1, 1, 7, 1), padding=(3, 0))
    return functional.conv2d(x, taps.view(1, 1, 1, 7), padding=(0, 3))[0, 0]


def _most_wrong(error: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """The connected area of large error with the largest sum."""
    best, chosen = -math.inf, torch.zeros_like(error, dtype=torch.bool)
    for part in (0.3, 0.5, 0.7):
        label = _labels(error >= part * error.max())
        sums = torch.bincount(label.flatten(), error.flatten(), minlength=2)
        sums[0] = -math.inf  # outside
        number = int(sums.argmax())
        if part * float(sums[number]) > best:
            best, chosen = part * float(sums[number]), label == number
    return chosen


def _labels(mask: Bool[Tensor, "h w"]) -> Tensor:
    """A number for each connected area (corners connect), 0 outside.

    Every pixel takes the largest number around it, then the number that its number has taken, so
    that the iterations grow with the width of areas, not with their length.
    """
    label = torch.arange(1, mask.numel() + 1).view(mask.shape) * mask
    while True:
        spread = functional.max_pool2d(label[None].double(), 3, 1, 1)[0].long() * mask
        table = torch.cat([spread.new_zeros(1), spread.flatten()])
        jumped = table[table[spread.flatten()]].view(mask.shape)
        if torch.equal(jumped, label):
            return label
        label = jumped


def _deepest(mask: Bool[Tensor, "h w"]) -> tuple[int, int, float]:
    """(row, column) of a pixel as far as possible from the edge of a mask, and how far that is."""
    depth, left = 0, mask.float()
    while True:
        smaller = -functional.max_pool2d(-functional.pad(left, (1, 1, 1, 1))[None], 3, 1)[0]
        if not bool(smaller.any()):
            break
        depth, left = depth + 1, smaller
    rows, columns = left.nonzero().unbind(1)
    middle = len(rows) // 2
    return int(rows[middle]), int(columns[middle]), depth + 0.5
