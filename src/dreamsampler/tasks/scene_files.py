"""A reconstructed scene as files: renders, depths, turntable, field, mesh, cameras."""

from __future__ import annotations

import math
import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from dreamsampler.files import whole_folder, write_whole
from dreamsampler.generators.field import Camera, glb, save_field, surface, write_transforms
from dreamsampler.images.animation import gif, mp4
from dreamsampler.images.picture import save_picture
from dreamsampler.tasks.recipe import tagged

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.tasks.reconstruct.run import ReconstructRun

DEPTH_STEP: Final = 1e-3
"""World units of one step of a depth map: nerfstudio's depth_unit_scale_factor as it is there."""
OWN: Final = re.compile(
    r"(view|depth|mask|held_out)_\d{3,}\.png|transforms\.json|field\.safetensors"
    r"|mesh\.(ply|glb)|turntable\.(gif|mp4)"
)
"""Names of the files of a scene: what an older one may be replaced by."""


def own(name: str) -> bool:
    """Whether a file of that name is one of a scene."""
    return OWN.fullmatch(name) is not None


def save_scene(run: ReconstructRun, folder: Path, recipe: dict[str, Any]) -> None:
    """Write everything that `Reconstruct.outputs` names; the folder appears whole or not at all.

    Args:
        run: a finished run.
        folder: where to.
        recipe: goes into every picture and into the field.
    """
    grid, frames = run.film.grid, [run.rendered(camera)[0] for camera in turntable(run)]
    mesh = surface(grid)
    with whole_folder(folder, own) as part:
        names, depths = [], []
        for i, (picture, depth) in enumerate(zip(run.pictures(), run.depths(), strict=True)):
            names.append(f"view_{i:03d}.png")
            depths.append(f"depth_{i:03d}.png")
            save_picture(part / names[-1], picture, recipe=tagged(recipe, {"index": i}))
            write_whole(part / depths[-1], depth_png(depth))
        held = [False] * len(names)
        write_transforms(part, run.targets, names, held, {"depth_file_path": depths})
        save_field(part / "field.safetensors", grid, recipe)
        write_whole(part / "mesh.ply", mesh.ply())
        write_whole(part / "mesh.glb", glb(mesh))
        if frames:
            write_whole(part / "turntable.gif", gif(frames))
        if frames and run.task.mp4:
            write_whole(part / "turntable.mp4", mp4(frames))


def depth_png(depth: Tensor) -> bytes:
    """A depth map, (1, h, w) in world units, as a PNG of 16 bits; 0 where there is nothing.

    One step is `DEPTH_STEP` world units, and what is farther than 65.535 of them is cut to that.
    """
    steps = (depth[0] / DEPTH_STEP).nan_to_num(0, posinf=0).round().clamp(0, 65535)
    file = BytesIO()
    Image.fromarray(steps.cpu().numpy().astype(np.uint16)).save(file, format="PNG")
    return file.getvalue()


def turntable(run: ReconstructRun) -> list[Camera]:
    """Cameras once around the scene, at the mean distance and elevation of the views."""
    cameras, center = run.views.cameras, run.views.center
    away = sum(math.dist(c.position, center) for c in cameras) / len(cameras)
    height = sum(c.angles(center)[1] for c in cameras) / len(cameras)
    first, count = cameras[0], run.task.turntable
    wide = 2 * math.degrees(math.atan(first.size[1] / 2 / first.focal[0]))
    return [
        Camera.orbit(
            360 * i / count, height, away, target=center, field_of_view=wide, size=first.size
        )
        for i in range(count)
    ]
