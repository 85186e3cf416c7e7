"""Wider changes of scale, angle and place than the denoiser sees."""

import random

import numpy as np
from icons import GLYPH
from render import SIZE


def wide_affine(rng: random.Random) -> tuple[float, ...]:
    """Output-to-glyph affine map: scale, rotation, shift, often a mirror."""
    scale, angle = rng.uniform(0.62, 0.98), np.deg2rad(rng.gauss(0, 6))
    x0, y0 = SIZE / 2 + rng.uniform(-9, 9), SIZE / 2 + rng.uniform(-9, 9)
    mirror = -1 if rng.random() < 0.35 else 1
    c, s, mid = np.cos(angle) / scale, np.sin(angle) / scale, GLYPH / 2
    return (mirror * c, mirror * s, mid - mirror * (c * x0 + s * y0), -s, c, mid + s * x0 - c * y0)
