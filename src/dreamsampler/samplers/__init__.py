"""The loop, its levels, and inversion."""

from dreamsampler.samplers.dream import dream, finish
from dreamsampler.samplers.invert import (
    ExactInversion,
    clean_pair,
    invert,
    invert_exactly,
    leapfrog,
    retrace,
)
from dreamsampler.samplers.levels import flow_shifted, karras, leading, random_levels, trailing

__all__ = [
    "ExactInversion",
    "clean_pair",
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
    "trailing",
]
