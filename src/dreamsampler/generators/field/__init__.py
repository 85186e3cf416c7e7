"""A radiance field on a grid, and the cameras that see it."""

from dreamsampler.generators.field.camera import Camera, view_word
from dreamsampler.generators.field.grid import Grid, cubic_size
from dreamsampler.generators.field.harmonic import harmonics
from dreamsampler.generators.field.render import March, Rendering, march, render, shade

__all__ = [
    "Camera",
    "Grid",
    "March",
    "Rendering",
    "cubic_size",
    "harmonics",
    "march",
    "render",
    "shade",
    "view_word",
]
