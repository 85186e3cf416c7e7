"""The loop, the levels it visits, and the way up (inversion)."""

from dreamsampler.samplers.dream import dream, finish
from dreamsampler.samplers.invert import Trail, invert, invert_exactly, leapfrog, retrace, split
from dreamsampler.samplers.levels import flow_shifted, karras, leading, random_levels, trailing

__all__ = [
    "Trail",
    "dream",
    "finish",
    "flow_shifted",
    "invert",
    "invert_exactly",
    "karras",
    "leading",
    "leapfrog",
    "random_levels",
    "retrace",
    "split",
    "trailing",
]
