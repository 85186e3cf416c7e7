"""A radiance field on a grid, its cameras, renderer, mesh and files."""

from dreamsampler.generators.field.camera import Camera, view_word
from dreamsampler.generators.field.grid import Grid, cubic_size, harmonics
from dreamsampler.generators.field.lens import Lens
from dreamsampler.generators.field.mesh import Mesh, glb, isosurface, surface
from dreamsampler.generators.field.multi_view import MultiViewField
from dreamsampler.generators.field.render import March, Rendering, march, render, shade
from dreamsampler.generators.field.scene import read_scene, scene_files
from dreamsampler.generators.field.shot import Shot
from dreamsampler.generators.field.store import load_field, save_field
from dreamsampler.generators.field.transforms import (
    read_transforms,
    surroundings,
    write_transforms,
)

__all__ = [
    "Camera",
    "Grid",
    "Lens",
    "March",
    "Mesh",
    "MultiViewField",
    "Rendering",
    "Shot",
    "cubic_size",
    "glb",
    "harmonics",
    "isosurface",
    "load_field",
    "march",
    "read_scene",
    "read_transforms",
    "render",
    "save_field",
    "scene_files",
    "shade",
    "surface",
    "surroundings",
    "view_word",
    "write_transforms",
]
