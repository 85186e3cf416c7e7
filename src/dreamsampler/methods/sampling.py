"""Sampling from noise.

All take the first noise `eps` (unit variance, shaped like the latent), falling `levels`, and two
conditions of the prior: the prompt's and the null one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, cfg_pp, per_step, second_order
from dreamsampler.maths import Denoiser, Latent, Level, Renoise, Rng, Step, Weight, fresh, keep
from dreamsampler.maths import ddpm as ddpm_share
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.samplers import clean_pair, dream


def _from_noise(
    denoise: Denoiser, eps: Latent, levels: Sequence[Level], renoise: Renoise = keep
) -> Iterator[Step]:
    """Start from noise: the first noisy latent is eps, scaled to its level."""
    if not levels:
        raise ValueError("there are no levels to sample at: pass at least one")
    first = levels[0]
    z0, noise = clean_pair((first.alpha**2 + first.sigma**2) ** 0.5 * eps, first)
    if first.alpha > first.sigma:  # a level so low that scaled noise is no latent of it
        z0, noise = torch.zeros_like(eps), eps
    return dream(denoise, LatentVariable(z0), levels, noise, renoise=renoise)


def ddim(
    prior: Prior,
    condition: Condition,
    null: Condition,
    eps: Latent,
    levels: Sequence[Level],
    guidance_scale: Weight = 1.0,
) -> Iterator[Step]:
    """DDIM: z' = alpha' z0 + sigma' eps, both under CFG.

    Source: Song, Meng & Ermon, ICLR 2021 (arXiv:2010.02502), eq. 12 with eta = 0.
    """
    return _from_noise(cfg(prior, condition, null, guidance_scale), eps, levels)


def ddpm(
    prior: Prior,
    condition: Condition,
    null: Condition,
    eps: Latent,
    levels: Sequence[Level],
    rng: Rng,
    guidance_scale: Weight = 1.0,
    eta: float = 1.0,
) -> Iterator[Step]:
    """DDPM(eta): DDIM with the share k = eta^2 (1 - (s'/s)^2) of the noise drawn afresh.

    Source: Ho et al., NeurIPS 2020, algorithm 2 (eta = 1); Song et al., ICLR 2021, eq. 16.
    """
    denoise = cfg(prior, condition, null, guidance_scale)
    return _from_noise(denoise, eps, levels, fresh(ddpm_share(eta), rng))


def dpm_solver(
    prior: Prior,
    condition: Condition,
    null: Condition,
    eps: Latent,
    levels: Sequence[Level],
    guidance_scale: Weight = 1.0,
) -> Iterator[Step]:
    """DPM-Solver++(2M): DDIM whose estimate is extrapolated along log-SNR; second order.

    Source: Lu et al., "DPM-Solver++" (arXiv:2211.01095), algorithm 2.
    """
    denoise = second_order(cfg(prior, condition, null, guidance_scale), levels)
    return _from_noise(denoise, eps, levels)


def cfg_plus_plus(
    prior: Prior,
    condition: Condition,
    null: Condition,
    eps: Latent,
    levels: Sequence[Level],
    guidance_scale: Weight | None = None,
    weight: Weight = 0.6,
) -> Iterator[Step]:
    """CFG++: the clean estimate is guided, the next noise is the null prompt's.

    Args:
        levels: falling.
        guidance_scale: CFG weight w, converted per step (l = w (1 - s'/s)); then the run is
            exactly DDIM under CFG w.
        weight: the published constant l, used when guidance_scale is None.

    Source: Chung et al., "CFG++" (arXiv:2406.08070), algorithm 2.
    """
    share = weight if guidance_scale is None else per_step(guidance_scale, levels)
    return _from_noise(cfg_pp(prior, condition, null, share), eps, levels)
