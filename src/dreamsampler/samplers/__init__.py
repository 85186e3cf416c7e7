"""The loop, the levels it visits, and the way up (inversion)."""

from dreamsampler.samplers.dream import dream, finish
from dreamsampler.samplers.invert import Trail, invert, invert_exactly, leapfrog, retrace, split
from dreamsampler.samplers.levels import by_noise, karras, leading, random_levels, uniform
from dreamsampler.samplers.record import Recorder

__all__ = [
    "Recorder",
    "Trail",
    "by_noise",
    "dream",
    "finish",
    "invert",
    "invert_exactly",
    "karras",
    "leading",
    "leapfrog",
    "random_levels",
    "retrace",
    "split",
    "uniform",
]
