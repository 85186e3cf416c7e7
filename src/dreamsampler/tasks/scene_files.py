"""A reconstructed scene as files: renders, depths, turntable, field, mesh, cameras."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from dreamsampler.files import write_whole
from dreamsampler.generators.field import Camera, save_field, surface, write_transforms
from dreamsampler.tasks.picture import save_picture

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.tasks.reconstruct_run import ReconstructRun

DEPTH_STEP: Final = 1e-3
"""World units of one step of a depth map: nerfstudio's depth_unit_scale_factor as it is there."""
FRAME_MILLISECONDS: Final = 80


def save_scene(run: ReconstructRun, folder: Path, recipe: dict[str, Any]) -> None:
    """Write everything that `Reconstruct.outputs` names.

    Args:
        run: a finished run.
        folder: where to.
        recipe: goes into every picture and into the field.
    """
    names, depths = [], []
    for i, (picture, depth) in enumerate(zip(run.pictures(), run.depths(), strict=True)):
        names.append(f"view_{i:03d}.png")
        depths.append(f"depth_{i:03d}.png")
        save_picture(folder / names[-1], picture, recipe={**recipe, "index": i})
        write_whole(folder / depths[-1], depth_png(depth))
    held = [False] * len(names)
    write_transforms(folder, run.targets, names, held, {"depth_file_path": depths})
    save_field(folder / "field.safetensors", run.film.grid, recipe)
    write_whole(folder / "mesh.ply", surface(run.film.grid).ply())
    if run.task.turntable:
        frames = [run.rendered(camera)[0] for camera in turntable(run)]
        write_whole(folder / "turntable.gif", gif(frames))


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


def gif(frames: list[Tensor]) -> bytes:
    """Pictures (3, h, w) in [0, 1] as a GIF that repeats for ever, one palette for all of them."""
    pictures = [
        Image.fromarray((f.permute(1, 2, 0) * 255).round().byte().cpu().numpy()) for f in frames
    ]
    wide, high = pictures[0].size
    strip = Image.new("RGB", (wide, high * len(pictures)))
    for i, picture in enumerate(pictures):
        strip.paste(picture, (0, i * high))
    palette = strip.quantize(256)
    flat = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    file = BytesIO()
    flat[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=flat[1:],
        duration=FRAME_MILLISECONDS,
        loop=0,
    )
    return file.getvalue()
