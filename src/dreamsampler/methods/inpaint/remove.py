"""Take a thing away: pieces of what surrounds it, smoothed into place by the model."""

from __future__ import annotations

from dataclasses import replace

import torch

from dreamsampler.guidance import conditional
from dreamsampler.images.exemplar import exemplar
from dreamsampler.maths import Estimate, Latent, Level
from dreamsampler.methods.inpaint.anchored import anchored_inpainting
from dreamsampler.methods.inputs import InpaintInputs, Settings, Steps
from dreamsampler.methods.restore.dpir import LEAST, falling, plug_and_play

START = 0.04
"""Deviation in [0, 1] units up to which a model of pixels takes seams for noise."""
DOUBT = 0.08
"""Deviation of a piece from its place, in [0, 1] units, from which the model alone is believed;
where it is smaller the piece counts, so that its texture is kept."""
STRENGTH = 0.3
"""Flow time from which a model of latents draws the hole again."""


def run(inputs: InpaintInputs, settings: Settings) -> Steps:
    """As registered: from a picture filled with pieces of its surroundings, without a prompt.

    A model of pixels denoises and keeps what is known in turn, without noise added, and its
    estimate is that of the pieces where they fit; a model of latents draws the hole from flow time
    0.3, whose shapes and colors are those of the pieces.
    """
    prior, steps = inputs.prior, settings["num_inference_steps"]
    filled, off = exemplar(inputs.x, inputs.mask)
    inputs = replace(inputs, filled=filled)
    denoise = conditional(prior, inputs.null)
    if prior.factor == 1:
        levels = falling(prior.schedule, steps, START, LEAST)
        pieces = inputs.z_src
        doubt = inputs.cells((off / DOUBT).clamp(0, 1)).to(pieces)

        def mixed(z: Latent, level: Level) -> Estimate:
            estimate = denoise(z, level)
            return replace(estimate, z0=torch.lerp(pieces, estimate.z0, doubt))

        return plug_and_play(mixed, inputs.data, pieces, levels), len(levels)
    times = [STRENGTH * (1 - k / steps) for k in range(steps)]
    levels = [prior.schedule.at_flow(u) for u in times]
    strength = inputs.cells(inputs.mask, touched=True)
    how = strength, levels, inputs.rng
    return anchored_inpainting(denoise, inputs.z_src, *how), len(levels)
