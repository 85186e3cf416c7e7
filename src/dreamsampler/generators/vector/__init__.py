"""Vector graphics that can be optimized: closed cubic paths, drawn exactly."""

from dreamsampler.generators.vector.contour import compound, contours
from dreamsampler.generators.vector.dense import over, rasterize_batch
from dreamsampler.generators.vector.raster import coverage, rasterize
from dreamsampler.generators.vector.read import from_svg, read_svg
from dreamsampler.generators.vector.scene import FillRule, Scene
from dreamsampler.generators.vector.stroke import Cap, Join, stroke
from dreamsampler.generators.vector.write import save_svg, to_svg

__all__ = [
    "Cap",
    "FillRule",
    "Join",
    "Scene",
    "compound",
    "contours",
    "coverage",
    "from_svg",
    "over",
    "rasterize",
    "rasterize_batch",
    "read_svg",
    "save_svg",
    "stroke",
    "to_svg",
]
