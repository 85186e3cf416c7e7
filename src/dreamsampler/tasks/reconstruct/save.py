"""A reconstructed scene as files: renders, depths, turntable, field, mesh, cameras."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from torch import Tensor

from dreamsampler.files import whole_folder, write_whole
from dreamsampler.generators.field import Camera, Grid, glb, save_field, surface, write_transforms
from dreamsampler.images.animation import gif, mp4
from dreamsampler.images.save import save_picture
from dreamsampler.tasks.inputs import is_scene_file
from dreamsampler.tasks.recipe import tagged

DEPTH_STEP: Final = 1e-3
"""World units of one step of a depth map: nerfstudio's depth_unit_scale_factor as it is there."""


def save_scene(
    folder: Path,
    grid: Grid,
    views: Sequence[tuple[Camera, Tensor, Tensor]],
    turntable: list[Tensor],
    recipe: dict[str, Any],
    *,
    video: bool,
) -> None:
    """Write everything that `Reconstruct.outputs` names; the folder appears whole or not at all.

    Args:
        views: (camera, picture, depth) each.
        turntable: the pictures of the turntable; none for no file.
        video: whether the turntable is written as MP4, too.
    """
    mesh = surface(grid)
    with whole_folder(folder, is_scene_file) as part:
        names, depths = [], []
        for i, (_, picture, depth) in enumerate(views):
            names.append(f"view_{i:03d}.png")
            depths.append(f"depth_{i:03d}.png")
            save_picture(part / names[-1], picture, recipe=tagged(recipe, {"index": i}))
            write_whole(part / depths[-1], depth_png(depth))
        cameras = [camera for camera, _, _ in views]
        held_out = [False] * len(names)
        write_transforms(part, cameras, names, held_out, {"depth_file_path": depths})
        save_field(part / "field.safetensors", grid, recipe)
        write_whole(part / "mesh.ply", mesh.ply())
        write_whole(part / "mesh.glb", glb(mesh))
        if turntable:
            write_whole(part / "turntable.gif", gif(turntable))
        if turntable and video:
            write_whole(part / "turntable.mp4", mp4(turntable))


def depth_png(depth: Tensor) -> bytes:
    """A depth map, (1, h, w) in world units, as a PNG of 16 bits; 0 where there is nothing.

    One step is `DEPTH_STEP` world units, and what is farther than 65.535 of them is cut to that.
    """
    steps = (depth[0] / DEPTH_STEP).nan_to_num(0, posinf=0).round().clamp(0, 65535)
    file = BytesIO()
    Image.fromarray(steps.cpu().numpy().astype(np.uint16)).save(file, format="PNG")
    return file.getvalue()
