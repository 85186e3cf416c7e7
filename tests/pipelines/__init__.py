"""A tiny instance, with random weights, of every pipeline of diffusers that makes a picture."""

from .build import Tiny, build
from .rows import TINY

__all__ = ["TINY", "Tiny", "build"]
