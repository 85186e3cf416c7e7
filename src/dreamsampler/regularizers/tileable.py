"""Tiling: opposite borders meet, so that a picture repeats without a seam."""

from __future__ import annotations

import math
from typing import Any

import torch

from dreamsampler.maths import Latent, Weight
from dreamsampler.regularizers.regularizer import Regularizer, towards


def tileable(weight: Weight = float("inf")) -> Regularizer:
    """Opposite borders meet: their difference is removed, spread smoothly over the picture.

        x = p + s:   s = argmin  |jumps of x - s across the borders|^2 + |differences of s|^2
        prox: x - w / (1 + w) s

    s is smooth and small inside, so shapes stay; its mean is zero, so colors do as well.
    In closed form by one Fourier transform.

    Args:
        weight: w >= 0; 0 is the identity, infinity leaves the periodic part p alone.

    Source: Moisan, "Periodic plus smooth image decomposition", J. Math. Imaging and Vision 39
    (2011), eq. 7 and 11.
    """
    return towards(lambda z0: z0 - smooth_part(z0), weight)


def smooth_part(x: Latent) -> Latent:
    """Moisan's s: the smooth picture of mean zero that has the jumps of x across its borders."""
    jumps = torch.zeros_like(x)
    for dim in (-2, -1):
        last = x.shape[dim] - 1
        jump = x.narrow(dim, last, 1) - x.narrow(dim, 0, 1)
        jumps.narrow(dim, 0, 1).add_(jump)
        jumps.narrow(dim, last, 1).sub_(jump)
    height, width = x.shape[-2:]
    wave = [2 * torch.cos(2 * math.pi * torch.arange(n, device=x.device) / n) for n in x.shape[-2:]]
    below = (wave[0][:, None] + wave[1][None, : width // 2 + 1] - 4).to(x)
    below[0, 0] = 1
    transform: Any = torch.fft
    spectrum = transform.rfft2(jumps) / below
    spectrum[..., 0, 0] = 0
    return transform.irfft2(spectrum, s=(height, width))
