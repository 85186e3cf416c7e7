"""Painting into holes of a picture, each method a sentence on the one loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import conditional, posterior
from dreamsampler.maths import (
    Denoiser,
    Estimate,
    Image,
    Latent,
    Level,
    Renoise,
    Rng,
    Step,
    VariancePreserving,
    Weight,
    draw,
    fresh,
    keep,
    weigh,
)
from dreamsampler.methods.editing import paper_levels, up_and_down
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.operators import Mask, prox_l2
from dreamsampler.regularizers import Regularizer, chain
from dreamsampler.samplers import dream

Holes: TypeAlias = Sequence[tuple[Condition, Tensor]]
"""(prompt, where) pairs: masks (1 or b, 1, h, w) at latent size, 1 where the prompt paints."""


def consistent(prior: Prior, op: Mask, y: Image, trust: float, weight: Weight) -> Regularizer:
    """The first of the paper's two steps: come nearer to the pixels that are known.

        x  = argmin_x |y - A x|^2 + lambda |x - D(z0)|^2,    z0 <- w E(x) + (1 - w) z0

    Args:
        prior: whose encoder E and decoder D.
        op: A, 1 where a pixel is known; its closed form is the minimizer.
        y: the known pixels, (b, 3, h, w) in [-1, 1].
        trust: 1 / lambda.
        weight: w.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        x = prox_l2(op, prior.decode(z0), y, trust)
        return torch.lerp(z0, prior.encode(x), weigh(weight, step.level))

    return apply


def prompted(prior: Prior, holes: Holes, weight: Weight) -> Regularizer:
    """The second of the two: come nearer to each prompt in its hole.

        z0 <- z0 + w sum_i m_i (z0(c_i; z) - z0)

    Args:
        prior: who is asked, about all prompts in one forward.
        holes: prompts and their masks; the masks must not sum to more than 1 (`shares`).
        weight: w.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3.
    """
    conditions = [condition for condition, _ in holes]

    def apply(z0: Latent, step: Step) -> Latent:
        w, moved = weigh(weight, step.level), z0
        seen = prior.predict(step.z, step.level, conditions)
        for (_, mask), each in zip(holes, seen, strict=True):
            moved = moved + w * mask.to(z0) * (each.z0 - z0)
        return moved

    return apply


def dreamsampler_inpainting(
    prior: Prior,
    y: Image,
    known: Tensor,
    holes: Holes,
    null: Condition,
    rng: Rng,
    steps: int = 200,
    *,
    weight: float = 1e-4,
    every: int = 3,
    until: int = 170,
    shifted: bool = True,
    renoise: Renoise | None = None,
) -> Iterator[Step]:
    """The published inpainting: invert with the null prompt, come back in two kinds of steps.

        x    = (y + lambda D(z0(null))) / (m + lambda)
        z~   = alpha_bar E(x) + (1 - alpha_bar) z0(null)                        every third step
        zbar = z~ + alpha_bar sum_i m_i (z0(c_i) - z~),   renoise with k = alpha_bar
        zbar = z0(null) - d/dz |y - A D(z0(null))|,       renoise with k = 0       elsewhere

    The first kind is taken where the step's number is a multiple of `every` and below `until`; the
    last step's estimate is not moved, since the program returns it as it is. Levels and their
    shift are the program's (`paper_levels`).

    Args:
        prior: the model; needs a table of alphas_cumprod.
        y: the picture in [-1, 1], (b, 3, H, W), 0 where it is not known; one row per image to
            make. Published with noise of 0.01 on it.
        known: (1, 1, H, W) in pixels, 1 where y is known.
        holes: prompts and their masks, which must not sum to more than 1.
        null: the empty prompt's.
        rng: one generator per image.
        steps: N, going up and coming back.
        weight: lambda.
        every: a Dream step is each such step ...
        until: ... below this one; DPS steps elsewhere.
        shifted: see `dreamsampler`.
        renoise: of the Dream steps; if left out, fresh noise with k = alpha_bar (published).

    Raises:
        ValueError: a prior whose schedule is no table.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3; settings and
    alternation measured on the published program. DPS: Chung et al., ICLR 2023
    (arXiv:2209.14687).
    """
    if not isinstance(prior.schedule, VariancePreserving):
        raise ValueError("the published inpainting needs a model with a table of alphas_cumprod")
    up, down, right = paper_levels(prior.schedule, steps)
    if not shifted:
        up, down = right[::-1], right
    dreaming = {level for i, level in enumerate(down) if i % every == 0 and i < until}
    data = consistent(prior, Mask(known), y, 1 / weight, _alpha_bar)
    dreamed = chain(data, prompted(prior, holes, _alpha_bar))
    renewed = fresh(lambda level, following: level.alpha_bar, rng) if renoise is None else renoise

    def regularize(z0: Latent, step: Step) -> Latent:
        return dreamed(z0, step) if step.level in dreaming else z0

    def turn(step: Step, following: Level) -> Latent:
        return renewed(step, following) if step.level in dreaming else keep(step, following)

    with torch.no_grad():
        z_src = prior.encode(y)
    rise = conditional(prior, null)
    fall = _explaining(rise, prior, Mask(known), y, still=dreaming | {down[-1]})
    return up_and_down(rise, fall, z_src, up, down, regularize, turn)


def _explaining(denoise: Denoiser, prior: Prior, op: Mask, y: Image, still: set[Level]) -> Denoiser:
    """The DPS steps: moved to where the known pixels are explained, but for some levels."""

    def unexplained(z0: Latent) -> Tensor:
        return (y - op.A(prior.decode(z0))).flatten(1).square().sum(1).sqrt()

    return posterior(denoise, unexplained, lambda level: 0.0 if level in still else 1.0)


def _alpha_bar(level: Level) -> float:
    return level.alpha_bar


def anchored_inpainting(
    denoise: Denoiser,
    z_src: Latent,
    strength: Tensor,
    levels: Sequence[Level],
    rng: Rng,
    share: Callable[[Level, Level], float] | float = 0.0,
) -> Iterator[Step]:
    """The house's own inpainting: sample the hole, show its surroundings as they are.

        free = strength > 0 and strength >= u,      u = sigma / (alpha + sigma)
        z0   = z0(z) where free, z_src elsewhere
        eps  = eps(z) where free, the noise it had elsewhere,   renewed by a share k

    What is known keeps its own noise, so its noisy latent is one that the model was trained on, and
    the hole is drawn to fit it. Without inversion, without a gradient, without the autoencoder
    inside the loop. A cell of strength 1 is free from the first level; one of strength 0.5 where
    half of the flow's way to noise is left, so that it keeps the larger shapes of the source, as
    an edit of that strength does.

    Args:
        denoise: guided by the prompt of the hole (`regional` for several).
        z_src: clean latent of the source, one row per image.
        strength: (1 or b, 1, h, w) at latent size, in [0, 1]; 0 stays, 1 is painted anew.
        levels: falling, from noise.
        rng: one generator per image.
        share: k, a number or a function (level, next level) -> k; fresh noise lets the hole and
            its surroundings agree again, at the cost of detail.

    Source: Avrahami, Fried & Lischinski, "Blended latent diffusion", SIGGRAPH 2023
    (arXiv:2206.02779), algorithm 1, with the noise of what is known held; Levin & Fried,
    "Differential diffusion" (arXiv:2306.00950) for strengths between. Measured in
    benchmarks/inpaint.py.
    """
    strength = strength.to(z_src)
    renew = fresh(share, rng)

    def free(level: Level) -> Tensor:
        return (strength > 0) & (strength >= min(level.flow, 1.0))

    def surround(z0: Latent, step: Step) -> Latent:
        return torch.where(free(step.level), z0, z_src)

    def renoise(step: Step, following: Level) -> Latent:
        eps = torch.where(free(step.level), step.estimate.eps, step.noise)
        kept = replace(step, estimate=Estimate(step.estimate.z0, eps))
        return renew(kept, following)

    eps = draw(z_src, rng)
    return dream(denoise, LatentVariable(z_src), levels, eps, regularize=surround, renoise=renoise)
