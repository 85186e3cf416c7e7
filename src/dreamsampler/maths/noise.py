"""Noise: drawn per image on the CPU, and renewed in part from step to step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from dreamsampler.maths.estimate import Latent, Step
from dreamsampler.maths.level import Level

Rng: TypeAlias = Sequence[torch.Generator]
"""One generator per image, on the CPU: a picture does not depend on its neighbors."""

Renoise: TypeAlias = Callable[[Step, Level], Latent]
"""(step, next level) -> the noise that is added to the next clean latent."""


def generators(seed: int | Sequence[int], images: int | None = None) -> list[torch.Generator]:
    """One CPU generator per image, seeded seed, seed + 1, ... or as listed.

    Args:
        seed: the first image's seed, or one seed per image.
        images: how many images; may be left out when seeds are listed.

    Example:
        >>> [g.initial_seed() for g in generators(7, images=2)]
        [7, 8]
    """
    seeds = [seed + i for i in range(images or 1)] if isinstance(seed, int) else list(seed)
    if images is not None and len(seeds) != images:
        raise ValueError(f"{len(seeds)} seeds for {images} images: pass one seed per image")
    return [torch.Generator("cpu").manual_seed(s) for s in seeds]


def draw(like: Latent, rng: Rng) -> Latent:
    """Unit-variance noise shaped like a latent, each row from its own generator.

    Drawn in float32 on the CPU (float64 for float64 latents) and then moved, so that device and
    batch size never change a picture.

    Raises:
        ValueError: another number of generators than rows.
    """
    if len(rng) != len(like):
        raise ValueError(f"{len(rng)} generators for {len(like)} images: pass one per image")
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    rows = [torch.randn(like.shape[1:], generator=g, dtype=dtype) for g in rng]
    noise = torch.stack(rows)
    if like.is_cuda:  # from pinned memory it is on its way while the device works
        noise = noise.pin_memory()
    return noise.to(like, non_blocking=True)


def keep(step: Step, following: Level) -> Latent:
    """Renoise with the estimated noise: the deterministic process (DDIM)."""
    return step.estimate.eps


def hold(step: Step, following: Level) -> Latent:
    """Renoise with the same noise as before."""
    return step.noise


def fresh(share: Callable[[Level, Level], float] | float, rng: Rng) -> Renoise:
    """Renoise with a share k of fresh noise: sqrt(1 - k) eps + sqrt(k) n.

    The variance stays one for every k. k = 0 is DDIM, k = 1 score distillation.

    Args:
        share: k in [0, 1], or a function (level, next level) -> k.
        rng: one generator per image.

    Raises:
        ValueError: a share outside [0, 1].

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), the renoising step.
    """

    def renoise(step: Step, following: Level) -> Latent:
        k = share(step.level, following) if callable(share) else share
        if not 0 <= k <= 1:
            raise ValueError(f"the share of fresh noise is {k}, but must lie in [0, 1]")
        if k == 0:
            return step.estimate.eps
        return (1 - k) ** 0.5 * step.estimate.eps + k**0.5 * draw(step.z, rng)

    return renoise


def ddpm(eta: float = 1.0) -> Callable[[Level, Level], float]:
    """The share of fresh noise in DDIM's family: k = eta^2 (1 - (s' / s)^2), s = sigma / alpha.

    For variance-preserving schedules this is eta^2 (1 - ab / ab') / (1 - ab), DDPM's at eta = 1.

    Source: Song, Meng & Ermon, "Denoising diffusion implicit models", ICLR 2021, eq. 16.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}, but must lie in [0, 1]: 0 is DDIM, 1 is DDPM")
    return lambda level, following: eta**2 * (1 - (following.s / level.s) ** 2)
