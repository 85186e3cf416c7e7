"""RePaint: DDPM in the hole, with every level visited several times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import Denoiser, Latent, Level, Rng, Step, ddpm, draw
from dreamsampler.methods.inputs import InpaintInputs, Settings, Steps
from dreamsampler.regularizers import inside
from dreamsampler.samplers import dream, flow_shifted


def repaint(
    denoise: Denoiser,
    z_src: Latent,
    hole: Tensor,
    levels: Sequence[Level],
    rng: Rng,
    resample: int = 2,
) -> Iterator[Step]:
    """RePaint with jumps of one level: DDPM in the hole, every level visited several times.

        down:    z' = m (alpha' z0 + sigma' (sqrt(1 - k) eps + sqrt(k) n)) + (1 - m) z'_src
        up:      z  = (alpha / alpha') z' + sqrt(sigma^2 - (alpha sigma' / alpha')^2) n
        z'_src = alpha' z_src + sigma' n

    The way up needs no evaluation, so that a visit is one.

    Args:
        hole: m, (1 or b, 1, h, w) of zeros and ones at latent size.
        levels: falling, from noise, each once.
        resample: visits of a level; published 10, with jumps of 10 levels of 250.

    Raises:
        ValueError: no visit at all.

    Source: Lugmayr et al., "RePaint", CVPR 2022 (arXiv:2201.09865), algorithm 1.
    """
    if resample < 1:
        raise ValueError(f"resample is {resample}, but every level is visited at least once")
    free, share = hole.to(z_src), ddpm(1.0)
    below = dict(itertools.pairwise(levels))

    def renoise(step: Step, following: Level) -> Latent:
        down = below[step.level]
        k = share(step.level, down)
        drawn = (1 - k) ** 0.5 * step.estimate.eps + k**0.5 * draw(z_src, rng)
        eps = torch.lerp(draw(z_src, rng), drawn, free)
        if following == down:
            return eps
        kept = down.s / following.s
        return kept * eps + (1 - kept**2) ** 0.5 * draw(z_src, rng)

    eps, maps = draw(z_src, rng), inside(free, z_src)
    visits = visited(levels, resample)
    return dream(denoise, LatentVariable(z_src), visits, eps, regularize=maps, renoise=renoise)


def visited(levels: Sequence[Level], resample: int) -> list[Level]:
    """Every level so many times, the last one once."""
    return [level for level in levels[:-1] for _ in range(resample)] + list(levels[-1:])


def run(inputs: InpaintInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = flow_shifted(inputs.prior.schedule, settings["num_inference_steps"])
    denoise, n = inputs.denoise(settings["guidance_scale"]), settings["visits"]
    hole = inputs.cells(inputs.mask, touched=True)
    steps = repaint(denoise, inputs.z_src, hole, levels, inputs.rng, n)
    return steps, len(visited(levels, n))
