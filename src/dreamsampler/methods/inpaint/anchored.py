"""Denoise the hole, keep its surroundings and their noise: the default up to version 0.2.0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import Denoiser, Estimate, Latent, Level, Rng, Step, draw, fresh
from dreamsampler.methods.inputs import InpaintInputs, Settings, Steps
from dreamsampler.samplers import dream, flow_shifted


def anchored_inpainting(
    denoise: Denoiser,
    z_src: Latent,
    strength: Tensor,
    levels: Sequence[Level],
    rng: Rng,
    share: Callable[[Level, Level], float] | float = 0.0,
) -> Iterator[Step]:
    """Denoise the hole; its surroundings stay the source.

        free = strength > 0 and strength >= u,      u = sigma / (alpha + sigma)
        z0   = z0(z) where free, z_src elsewhere
        eps  = eps(z) where free, the noise it had elsewhere,   renewed by a share k

    What is known keeps its own noise, so its noisy latent is one that the model was trained on, and
    the hole is drawn to fit it. There is no inversion, no gradient and no autoencoder in the loop.
    A cell of strength 1 is free from the first level; one of strength 0.5 where half of the flow's
    way to noise is left, so that it keeps the larger shapes of the source, as an edit of that
    strength does.

    Args:
        denoise: guided by the prompt of the hole (`regional` for several).
        strength: (1 or b, 1, h, w) at latent size, in [0, 1]; 0 stays, 1 is painted anew.
        levels: falling, from noise.
        share: k, a number or a function (level, next level) -> k; fresh noise lets the hole and
            its surroundings agree again, at the cost of detail.

    Source: Avrahami, Fried & Lischinski, "Blended latent diffusion", SIGGRAPH 2023
    (arXiv:2206.02779), algorithm 1, with the noise of what is known held; Levin & Fried,
    "Differential diffusion" (arXiv:2306.00950) for strengths between. Measured in the inpainting
    suite of the benchmarks.
    """
    strength = strength.to(z_src)
    renew = fresh(share, rng)

    def free(level: Level) -> Tensor:
        return (strength > 0) & (strength >= min(level.flow, 1.0))

    def surround(z0: Latent, step: Step) -> Latent:
        return torch.where(free(step.level), z0, z_src)

    def renoise(step: Step, following: Level) -> Latent:
        eps = torch.where(free(step.level), step.estimate.eps, step.noise)
        return renew(replace(step, estimate=Estimate(step.estimate.z0, eps)), following)

    eps = draw(z_src, rng)
    return dream(denoise, LatentVariable(z_src), levels, eps, regularize=surround, renoise=renoise)


def run(inputs: InpaintInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = flow_shifted(inputs.prior.schedule, settings["num_inference_steps"])
    denoise, strength = inputs.denoise(settings["guidance_scale"]), strengths(inputs)
    how = strength, levels, inputs.rng, settings["fresh"]
    return anchored_inpainting(denoise, inputs.z_src, *how), len(levels)


def strengths(inputs: InpaintInputs) -> Tensor:
    """The strength of each cell: its mean, times the share of it that is hole.

    A cell that the hole only touches is freed late, when shapes are settled, so that they stay
    inside the hole.
    """
    mask = inputs.mask
    return inputs.cells(mask) * inputs.cells((mask > 0).to(mask))
