"""The views of a scene, whichever program described its cameras."""

from __future__ import annotations

from pathlib import Path

from dreamsampler.files import InputError
from dreamsampler.generators.field.colmap import model_files, read_colmap
from dreamsampler.generators.field.shot import Shot
from dreamsampler.generators.field.transforms import FILE, TRAIN, read_transforms, transforms_files


def scene_files(scene: str | Path) -> list[Path]:
    """The files that describe the cameras of a scene: of transforms.json, else of COLMAP's model.

    Raises:
        InputError: if there is none.
    """
    scene = Path(scene)
    found = transforms_files(scene) or list(model_files(scene) or ())
    if not found:
        raise InputError(
            f"{scene} is no scene: give a folder with {FILE} (or {TRAIN}), or with COLMAP's "
            "sparse/0, and its pictures; `dreamsampler make-scene` renders one"
        )
    return found


def read_scene(scene: str | Path) -> list[Shot]:
    """Every view of a scene, those that are held out at the end.

    Args:
        scene: a folder as `read_transforms` or `read_colmap` takes it.

    Raises:
        InputError: as both.
    """
    files = scene_files(scene)
    return read_transforms(scene) if files[0].suffix == ".json" else read_colmap(Path(scene))
