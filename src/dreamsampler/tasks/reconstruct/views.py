"""The views of a scene: files and cameras in, measurements out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.generators.field import Camera, Shot, surroundings
from dreamsampler.images.header import check_picture
from dreamsampler.images.picture import Picture, open_picture
from dreamsampler.operators import Operator, measured
from dreamsampler.tasks.data_consistency import noise_of

if TYPE_CHECKING:
    from dreamsampler.operators.spec import Description


FAR = 0.06
"""Difference to the background, as a share of white, from which a pixel shows something."""


@final
@dataclass(frozen=True, eq=False)
class Views:
    """What is known of a scene.

    Args:
        cameras: of the pictures that were degraded, one per view.
        y: the measurements, (v, c, h, w) in [0, 1].
        known: (v, 1, h, w), 1 where a measurement counts.
        op: what made the measurements of the pictures.
        first: the first view as it was read.
        center: where the cameras look.
        radius: of the sphere that holds the scene.
    """

    cameras: list[Camera]
    y: Tensor
    known: Tensor
    op: Operator
    first: Picture
    center: tuple[float, float, float]
    radius: float

    def to(self, where: torch.device | str) -> Views:
        """The same with its measurements on a device; operators follow what they are given."""
        return replace(self, y=self.y.to(where), known=self.known.to(where))

    def misfit(self, rows: Sequence[int], pictures: Tensor) -> Tensor:
        """Mean of |A g - y|^2 over what is known of some views."""
        known = self.known[rows]
        away = (self.op.A(pictures) - self.y[rows]) * known
        return (away**2).sum() / (known.sum() * away.shape[1]).clamp_min(1)

    def solid(self, behind: float, sharp: Tensor | None = None) -> Tensor:
        """Where something is for certain: amid pixels that differ from the background.

        Args:
            sharp: pictures that explain the views, (v, 3, h, w), where the views are blurred.

        Returns:
            (v, 1, h, w), 1 where all known pixels of 5 x 5 around differ by FAR and more; of 3 x 3
            where views were scaled down, whose pixels are the mean of many.
        """
        pictures = self.y if sharp is None else sharp
        known = self.known if sharp is None else torch.ones_like(sharp[:, :1])
        empty = known * ((pictures - behind).abs().amax(1, keepdim=True) < FAR)
        side = 5 if tuple(pictures.shape[2:]) == self.cameras[0].size else 3
        around = side, 1, side // 2
        certain = (1 - F.max_pool2d(empty, *around)) * F.max_pool2d(known, *around)
        return F.interpolate(certain, self.cameras[0].size, mode="nearest")

    def noise(self, requested: float | str) -> float:
        """The deviation of the noise: as requested, or for "auto" the mean of what views say.

        Raises:
            ValueError: "auto", and no view has three measured pixels in a row.
        """
        found = []
        for y, known in zip(self.y, self.known, strict=True):
            try:
                found.append(noise_of(y[None], requested, self.first.depth, known[None]))
            except ValueError:  # too few pixels; other views may have enough
                continue
        if not found:
            raise ValueError(
                "the noise of the views cannot be estimated from so few pixels: pass noise, a "
                "share of white, such as 0.01"
            )
        return math.sqrt(sum(each**2 for each in found) / len(found))


def check_views(
    shots: Sequence[Shot], description: Description, radius: float | None
) -> tuple[int, int]:
    """Refuse views that do not fit together, by their headers; height and width of a picture.

    Args:
        shots: at least two of them not held out.

    Raises:
        InputError: pictures or files that cannot be used, views of different sizes, cameras that
            are not around anything, or one inside the scene.
    """
    measured_shots = [shot for shot in shots if not shot.held_out]
    sizes = {shot.path: check_picture(shot.path, upright=False) for shot in shots}
    first = sizes[measured_shots[0].path] if measured_shots else (0, 0)
    for shot in measured_shots:
        size = sizes[shot.path]
        if size != first:
            raise InputError(
                f"{shot.path} is {size[1]}x{size[0]}, but {measured_shots[0].path} is "
                f"{first[1]}x{first[0]}: give views of one size"
            )
        if shot.mask is not None and check_picture(shot.mask, upright=False) != size:
            raise InputError(f"{shot.mask} is not of the size of its view: make it {size[1]} wide")
    size_hw = description.input_size(first)
    cameras = [shot.camera(first).resized(size_hw) for shot in measured_shots]
    whereabouts(cameras, radius)
    return size_hw


def whereabouts(
    cameras: Sequence[Camera], radius: float | None
) -> tuple[tuple[float, float, float], float]:
    """Center and radius of what the cameras look at; `surroundings`, or a radius that was given.

    Raises:
        InputError: as `surroundings`, or a camera inside that sphere.
    """
    center, found = surroundings(cameras)
    used = found if radius is None else radius
    for i, camera in enumerate(cameras):
        away = sum((p - c) ** 2 for p, c in zip(camera.position, center, strict=True)) ** 0.5
        if away <= used:
            raise InputError(
                f"camera {i} stands inside the scene, {away:.3g} from its middle: pass a radius "
                "below that, or leave the view out"
            )
    return center, used


def open_views(
    shots: Sequence[Shot], description: Description, radius: float | None, background: float
) -> Views:
    """Read the views that are not held out.

    Raises:
        InputError: as `check_views`, and for pictures with NaN.
    """
    size_hw = check_views(shots, description, radius)
    op = description.build(size_hw)
    channels, height, width = measured(op, (3, *size_hw))
    measured_shots = [shot for shot in shots if not shot.held_out]
    pictures, ys, knowns = [], [], []
    for shot in measured_shots:
        picture, known = open_view(shot)
        y = picture.flat(background)
        if not bool(y.isfinite().all()):
            raise InputError(f"{shot.path} holds NaN or infinite values: repair it first")
        if picture.size != (height, width):
            raise InputError(
                f"{shot.path} is {picture.size[1]}x{picture.size[0]}, but the operator makes "
                f"{width}x{height} of a picture of {size_hw[1]}x{size_hw[0]}"
            )
        pictures.append(picture)
        ys.append(y.mean(0, keepdim=True) if channels == 1 else y)
        knowns.append(known)
    cameras = [shot.camera(pictures[0].size).resized(size_hw) for shot in measured_shots]
    center, around = whereabouts(cameras, radius)
    return Views(cameras, torch.stack(ys), torch.stack(knowns), op, pictures[0], center, around)


def open_view(shot: Shot) -> tuple[Picture, Tensor]:
    """A view as its pinhole camera sees it, and where it counts, (1, h, w).

    An EXIF turn is not applied: cameras are those of the stored pixels. Distorted pictures are
    resampled by the values of their samples, as OpenCV and COLMAP do it, colors times alpha. What
    is mixed with pixels that are black in the mask does not count.
    """
    picture = open_picture(shot.path, upright=False)
    known = torch.ones(1, *picture.size)
    if shot.mask is not None:
        mask = open_picture(shot.mask, upright=False).rgb.mean(0, keepdim=True)
        known = (shot.undistorted((mask > 0.5).float()) > 0.999).float()
    if shot.lens is None:
        return picture, known
    if picture.alpha is None:
        return replace(picture, rgb=shot.undistorted(picture.rgb)), known
    *colors, alpha = shot.undistorted(torch.cat([picture.alpha * picture.rgb, picture.alpha]))
    rgb = (torch.stack(colors) / alpha.clamp_min(1 / 65535)).clamp(0, 1)
    return replace(picture, rgb=rgb, alpha=alpha[None]), known
