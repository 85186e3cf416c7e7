"""Vector graphics that can be optimized: closed cubic paths, drawn exactly."""

from dreamsampler.generators.vector.dense import over, rasterize_batch
from dreamsampler.generators.vector.raster import coverage, rasterize
from dreamsampler.generators.vector.scene import FillRule, Scene

__all__ = ["FillRule", "Scene", "coverage", "over", "rasterize", "rasterize_batch"]
