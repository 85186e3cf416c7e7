"""Vector graphics that can be optimized: closed cubic paths, drawn exactly."""

from dreamsampler.generators.vector.contour import contours, stacked
from dreamsampler.generators.vector.drawing import Drawing, fitted, staged
from dreamsampler.generators.vector.graphic import VectorGraphic
from dreamsampler.generators.vector.initial import placed, scattered, traced
from dreamsampler.generators.vector.penalty import (
    areas,
    crosses_itself,
    crossing,
)
from dreamsampler.generators.vector.raster import coverage, rasterize
from dreamsampler.generators.vector.read import from_svg, read_svg
from dreamsampler.generators.vector.scene import FillRule, Scene, compound
from dreamsampler.generators.vector.simplify import simplified, untangled, without
from dreamsampler.generators.vector.stroke import Cap, Join, stroke
from dreamsampler.generators.vector.write import to_svg

__all__ = [
    "Cap",
    "Drawing",
    "FillRule",
    "Join",
    "Scene",
    "VectorGraphic",
    "areas",
    "compound",
    "contours",
    "coverage",
    "crosses_itself",
    "crossing",
    "fitted",
    "from_svg",
    "placed",
    "rasterize",
    "read_svg",
    "scattered",
    "simplified",
    "stacked",
    "staged",
    "stroke",
    "to_svg",
    "traced",
    "untangled",
    "without",
]
