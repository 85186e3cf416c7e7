"""Blended latent diffusion: the source in fresh noise outside the hole, at every level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import Denoiser, Latent, Level, Rng, Step, draw
from dreamsampler.methods.inputs import InpaintInputs, Settings, Steps
from dreamsampler.regularizers import inside
from dreamsampler.samplers import dream, flow_shifted


def blended_diffusion(
    denoise: Denoiser, z_src: Latent, hole: Tensor, levels: Sequence[Level], rng: Rng
) -> Iterator[Step]:
    """Blended latent diffusion: outside the hole the source, in fresh noise at every level.

        z' = m (alpha' z0 + sigma' eps) + (1 - m) (alpha' z_src + sigma' n)

    Args:
        hole: m, (1 or b, 1, h, w) of zeros and ones at latent size.
        levels: falling, from noise.

    Source: Avrahami, Fried & Lischinski, "Blended latent diffusion", SIGGRAPH 2023
    (arXiv:2206.02779), algorithm 1, without its fine-tuning of the decoder.
    """
    free = hole.to(z_src)

    def renoise(step: Step, following: Level) -> Latent:
        return torch.lerp(draw(z_src, rng), step.estimate.eps, free)

    eps, maps = draw(z_src, rng), inside(free, z_src)
    return dream(denoise, LatentVariable(z_src), levels, eps, regularize=maps, renoise=renoise)


def run(inputs: InpaintInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = flow_shifted(inputs.prior.schedule, settings["num_inference_steps"])
    denoise, hole = (
        inputs.denoise(settings["guidance_scale"]),
        inputs.cells(inputs.mask, touched=True),
    )
    return blended_diffusion(denoise, inputs.z_src, hole, levels, inputs.rng), len(levels)
