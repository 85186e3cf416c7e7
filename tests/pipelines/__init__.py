"""A tiny instance, with random weights, of every pipeline of diffusers that makes a picture."""

from .build import Tiny, build
from .left_out import LEFT_OUT, exported
from .rows import TINY

__all__ = ["LEFT_OUT", "TINY", "Tiny", "build", "exported"]
