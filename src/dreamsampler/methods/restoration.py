"""Restoring a measured picture, each method a sentence on the one loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from dreamsampler.generators import Canvas
from dreamsampler.maths import (
    Denoiser,
    Latent,
    Level,
    Moment,
    Rng,
    Schedule,
    VariancePreserving,
    Weight,
    ddpm,
    draw,
    fresh,
    keep,
)
from dreamsampler.methods.editing import paper_levels, up_and_down
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.objectives import Regularizer, chain, plain, posterior
from dreamsampler.objectives.measurement import Measurement, corrected, descended, two_stages
from dreamsampler.objectives.negation import Negation
from dreamsampler.operators import is_linear
from dreamsampler.samplers import by_noise, dream


def restarts(schedule: Schedule, steps: int, starts: Sequence[float]) -> list[Level]:
    """Several falling walks in a row, each evenly spaced in flow time.

    Args:
        schedule: the model's.
        steps: how many levels in all, shared out in proportion to the starts; each walk gets one.
        starts: flow time u = sigma / (alpha + sigma) of the first level of each walk.

    Raises:
        ValueError: no starts.

    Source: Xu et al., "Restart sampling for improving generative processes", NeurIPS 2023
    (arXiv:2306.14878).
    """
    if not starts:
        raise ValueError("a run without starts has no levels: pass at least one")
    ends = [round(steps * share / sum(starts)) for share in accumulate(starts)]
    counts = [max(1, b - a) for a, b in pairwise([0, *ends])]
    walks = [by_noise(schedule, n, start=u) for n, u in zip(counts, starts, strict=True)]
    return [level for walk in walks for level in walk]


def anchored_restoration(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    spread: Weight,
) -> Iterator[Moment]:
    """The house's own: noise on a first guess, few levels, and the data at each of them.

        x^ = argmin |y - A x|^2 / 2 noise^2 + |x - D(z0)|^2 / 2 r^2
        z0 <- z0 + E(x^) - E(D(z0))
        renoise with the network's own eps while the levels fall, afresh where they rise

    A walk without fresh noise comes nearer to the posterior mean than one with it: what is asked
    for is one faithful picture, not a draw. Each restart averages out some of the noise that the
    walk before it began with.

    Args:
        denoise: the prior under its prompt.
        data: the measurement.
        z: latent of the first guess, one row an image.
        levels: `restarts`; the first one says how little the first guess is believed.
        rng: one generator per image.
        spread: r of a level, in [0, 1] units.

    Source: ours, measured in benchmarks/restore.py; the data step is that of Zhu et al.,
    "Denoising diffusion models for plug-and-play image restoration" (arXiv:2305.08995), eq. 12.
    """
    data_step = corrected(data, spread)
    renewed = fresh(lambda level, following: float(following.sigma > level.sigma), rng)
    return dream(denoise, Canvas(z), levels, draw(z, rng), regularize=data_step, renoise=renewed)


def treg(
    denoise: Denoiser | Negation, data: Measurement, z: Latent, levels: Sequence[Level], rng: Rng
) -> Iterator[Moment]:
    """TReg: at each level x^ in pixels, then z0 part of the way to its code, half-fresh noise.

        x^ = argmin |y - A x|^2 / 2 noise^2 + |x - D(z0)|^2 / 2 r^2,   r = noise 1e2
        z0 <- ab' E(x^) + (1 - ab') z0,   renoise with k = ab'

    ab' is alpha_bar of the next level, 1 after the last one. A `Negation` as the denoiser is the
    paper's third part, adaptive negation: after each level the null condition is moved away from
    the z0 that the two stages made.

    Args:
        denoise: the prior under its prompt; the source uses CFG, with `Negation` or without.
        data: the measurement, linear.
        z: what the first noise hides; nearly nothing is left of it at the first level.
        levels: falling.
        rng: one generator per image.

    Source: Kim et al., "Regularization by texts for latent diffusion inverse solvers"
    (arXiv:2311.15658), algorithm 1; lambda = 1e-4 there for |y - A x|^2 + lambda |x - D(z0)|^2.
    """
    after = _following(levels)
    regularize: Regularizer = two_stages(data, data.noise * 1e2, lambda level: after[level])
    if isinstance(denoise, Negation):
        regularize = chain(regularize, denoise.watched)
    renewed = fresh(lambda level, following: following.alpha_bar, rng)
    return dream(denoise, Canvas(z), levels, draw(z, rng), regularize=regularize, renoise=renewed)


def _following(levels: Sequence[Level]) -> dict[Level, float]:
    """Alpha_bar of the level after each one; 1 after the last."""
    bars = [level.alpha_bar for level in levels[1:]] + [1.0]
    return dict(zip(levels, bars, strict=True))


def flowdps(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    step: Weight = 0.05,
) -> Iterator[Moment]:
    """FlowDPS: a few normalized gradient steps through the decoder, blended by the noise.

        z^ = z0 after 3 steps down |y - A D(z0)|,   z0 <- u z^ + (1 - u) z0,   k = 1 - u'

    u = sigma / (alpha + sigma) is a flow's time (sigma there), so the same sentence serves
    variance-preserving models. A need not be linear.

    Args:
        denoise: the prior under its prompt.
        data: the measurement.
        z: what the first noise hides.
        levels: falling.
        rng: one generator per image.
        step: how far one gradient step moves a latent value, root mean square. [ours]

    Source: Kim, Kim & Ye, "FlowDPS" (arXiv:2503.08136), algorithm 1.
    """
    down = descended(data, step)

    def blended(z0: Latent, now: Moment) -> Latent:
        return torch.lerp(z0, down(z0, now), now.level.flow)

    renewed = fresh(lambda level, following: 1 - following.flow, rng)
    return dream(denoise, Canvas(z), levels, draw(z, rng), regularize=blended, renoise=renewed)


def dps(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    scale: Weight = 1.0,
    gluing: float = 0.0,
) -> Iterator[Moment]:
    """DPS, and PSLD with gluing: the gradient of the residual through network and decoder.

        z0 <- z0 - zeta d/dz ( |y - A D(z0)| + omega |z0 - E(D(z0) + A^T (y - A D(z0)))| )

    after an ancestral step, k of DDPM. The gluing term asks that z0 is a code that its own picture,
    with the data put into it, is encoded to.

    Args:
        denoise: the prior under its prompt.
        data: the measurement; linear where gluing is above 0.
        z: what the first noise hides.
        levels: falling.
        rng: one generator per image.
        scale: zeta.
        gluing: omega; 0 is DPS, 0.1 PSLD.

    Raises:
        ValueError: gluing under an operator that is not linear.

    Source: Chung et al., "Diffusion posterior sampling", ICLR 2023 (arXiv:2209.14687), algorithm 1;
    Rout et al., "PSLD", NeurIPS 2023 (arXiv:2307.00619), algorithm 2.
    """
    op, y = data.op, data.y
    if gluing and not is_linear(op):
        raise ValueError(
            f"PSLD needs the transpose of {type(op).__name__}, which is not linear: take dps"
        )

    def unexplained(z0: Latent) -> Tensor:
        x = data.show(z0)
        misfit = (y - op.A(x)).flatten(1).norm(dim=1)
        if not gluing or not is_linear(op):
            return misfit
        glued = data.hide(x + op.A_adjoint(y - op.A(x)))
        return misfit + gluing * (z0 - glued).flatten(1).norm(dim=1)

    moved = posterior(denoise, unexplained, scale)
    renewed = fresh(ddpm(1.0), rng)
    return dream(moved, Canvas(z), levels, draw(z, rng), renoise=renewed)


def dreamsampler_restoration(
    prior: Prior,
    data: Measurement,
    condition: Condition,
    null: Condition,
    rng: Rng,
    steps: int = 200,
    *,
    weight: float = 1e-4,
    every: int = 3,
    until: int = 170,
) -> Iterator[Moment]:
    """The published inpainting, for any linear measurement: two kinds of steps in turn.

        x    = argmin |y - A x|^2 + lambda |x - D(z0(null))|^2
        zbar = ab E(x) + (1 - ab) z0(null), then ab of the way to z0(c);  k = ab   every third step
        zbar = z0(null) - d/dz |y - A D(z0(null))|;                       k = 0        elsewhere

    It begins with the inversion, under the null prompt, of A^T y over A^T 1 (`Measurement.seen`; a
    downsampled picture would be dim), grey where nothing is known. The gradient is that of pictures
    in [-1, 1], as published.
    Masks, the case that was published, come out as `dreamsampler_inpainting` has them; the other
    operators are our reading of "inverse problems" in the paper's title page.

    Args:
        prior: the model; needs a table of alphas_cumprod.
        data: the measurement, linear.
        condition: the prompt's.
        null: the empty prompt's.
        rng: one generator per image; as many images are made.
        steps: N, going up and coming back.
        weight: lambda.
        every: a Dream step is each such step ...
        until: ... below this share of 200 steps; DPS steps elsewhere.

    Raises:
        ValueError: a prior whose schedule is no table, or an operator that is not linear.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3.
    """
    if not isinstance(prior.schedule, VariancePreserving):
        raise ValueError("the published program needs a model with a table of alphas_cumprod")
    if not is_linear(data.op):
        raise ValueError(
            f"preset paper needs a linear operator, and {type(data.op).__name__} is not"
        )
    up, down, _ = paper_levels(prior.schedule, steps)
    dreaming = {v for i, v in enumerate(down) if i % every == 0 and i < until * steps / 200}
    unmoved, asked = dreaming | {down[-1]}, plain(prior, null)
    dreamed = chain(
        two_stages(data, data.noise / weight**0.5, lambda level: level.alpha_bar),
        _towards(prior, condition),
    )
    renewed = fresh(lambda level, following: level.alpha_bar, rng)
    denoise = posterior(
        asked, lambda z0: 2 * data.misfit(z0), lambda v: 0.0 if v in unmoved else 1.0
    )

    def regularize(z0: Latent, now: Moment) -> Latent:
        return dreamed(z0, now) if now.level in dreaming else z0

    def turn(now: Moment, following: Level) -> Latent:
        return (renewed if now.level in dreaming else keep)(now, following)

    with torch.no_grad():
        z_src = data.hide(data.seen(0.5).clamp(0, 1))
    return up_and_down(asked, denoise, z_src, up, down, regularize, turn)


def _towards(prior: Prior, condition: Condition) -> Regularizer:
    """Alpha_bar of the way to what a prompt sees."""

    def apply(z0: Latent, now: Moment) -> Latent:
        (told,) = prior.predict(now.z, now.level, [condition])
        return torch.lerp(z0, told.z0, now.level.alpha_bar)

    return apply
