"""Vector graphics from measurements, under a prior."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from dreamsampler.generators.vector import Drawing
from dreamsampler.maths import (
    Denoiser,
    Latent,
    Level,
    Renoise,
    Rng,
    Step,
    Weight,
    draw,
    keep,
    weigh,
)
from dreamsampler.samplers.dream import dream

LEAST_SPREAD = 0.01
"""Least standard deviation around an estimate, a share of white."""


def vectorize(
    denoise: Denoiser,
    drawing: Drawing,
    levels: Sequence[Level],
    rng: Rng,
    *,
    spread: Weight | None = None,
    renoise: Renoise = keep,
) -> Iterator[Step]:
    """Distill a prior into a vector graphic that agrees with a measurement, at falling levels.

        z = alpha E(g) + sigma eps,    z0 = denoise(z)
        psi <- argmin data + beta/(2 r^2) |g - D(z0)|^2 + penalties,   r = spread   (a few steps)
        eps <- eps(z)

    The part of z0 that the paths did not follow comes back in the noise of the next level, since
    eps(z) is estimated from z. With one fixed noise it is lost, which measures worse.

    Args:
        drawing: the graphic; its energy holds data term and penalties.
        levels: falling.
        spread: r, standard deviation around the estimate, a share of white, > 0; the drawing's own
            if left out.
        renoise: the noise of the next level; the estimate's by default.

    Example:
        >>> import torch
        >>> from dreamsampler.generators.vector import Scene, VectorGraphic
        >>> from dreamsampler.maths import generators
        >>> from dreamsampler.models import GaussianMixture
        >>> from dreamsampler.guidance import conditional
        >>> prior = GaussianMixture(torch.zeros(1, 3, 8, 8), std=0.1)
        >>> blobs = Scene.random(3, 8, 8, torch.Generator().manual_seed(0))
        >>> drawing = Drawing(VectorGraphic(blobs), lambda g, x: 0 * x.sum(), lambda x: x,
        ...                   lambda z: z)
        >>> levels = prior.schedule.grid(4, start=0.5)
        >>> len(list(vectorize(conditional(prior, None), drawing, levels, generators([0]))))
        4

    Raises:
        ValueError: if the levels do not fall.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3.
    """
    if any(following.s >= level.s for level, following in pairwise(levels)):
        raise ValueError("the levels must fall: noise over signal has to shrink at every step")

    def set_spread(z0: Latent, step: Step) -> Latent:
        """The estimate as it is, and its spread for the drawing."""
        if spread is not None:
            drawing.spread = max(weigh(spread, step.level), LEAST_SPREAD)
        return z0

    eps = draw(drawing.latent(), rng)
    yield from dream(denoise, drawing, levels, eps, regularize=set_spread, renoise=renoise)
