"""Toys: shaded pictures of simple objects from known cameras, as ground truth for examples."""

from dreamsampler.generators.toy.scene import Part, Rendering, Scene, render
from dreamsampler.generators.toy.shape import KINDS, intersect

__all__ = [
    "KINDS",
    "Part",
    "Rendering",
    "Scene",
    "intersect",
    "render",
]
