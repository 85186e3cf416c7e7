"""Restoring a measured picture, each method a sentence on the one loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import final

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import conditional, posterior
from dreamsampler.guidance.negation import Negation
from dreamsampler.maths import (
    Denoiser,
    Latent,
    Level,
    Rng,
    Schedule,
    Step,
    VariancePreserving,
    Weight,
    ddpm,
    draw,
    fresh,
    keep,
)
from dreamsampler.methods.editing import paper_levels, up_and_down
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.operators import is_linear
from dreamsampler.regularizers import Regularizer, chain
from dreamsampler.regularizers.measurement import Measurement, corrected, descended, two_stages
from dreamsampler.samplers import dream, flow_shifted


def restarts(schedule: Schedule, steps: int, starts: Sequence[float]) -> list[list[Level]]:
    """Several falling walks, each evenly spaced in flow time.

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
    return [flow_shifted(schedule, n, start=u) for n, u in zip(counts, starts, strict=True)]


def anchored_restoration(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    spread: Weight,
) -> Iterator[Step]:
    """The house's own: noise on a first guess, few levels, and the data at each of them.

        x^ = argmin |y - A x|^2 / 2 noise^2 + |x - D(z0)|^2 / 2 r^2
        z0 <- z0 + E(x^) - E(D(z0)),   renoise with the network's own eps

    A walk without fresh noise comes nearer to the posterior mean than one with it: what is asked
    for is one faithful picture, not a draw.

    Args:
        denoise: the prior under its prompt.
        data: the measurement.
        z: latent of the first guess, one row an image.
        levels: falling; the first one says how little the first guess is believed.
        rng: one generator per image.
        spread: r of a level, in [0, 1] units.

    Source: ours, measured in benchmarks/restore.py; the data step is that of Zhu et al.,
    "Denoising diffusion models for plug-and-play image restoration" (arXiv:2305.08995), eq. 12.
    """
    return dream(
        denoise, LatentVariable(z), levels, draw(z, rng), regularize=corrected(data, spread)
    )


@final
class Found:
    """The picture that walks look for, as far as it has been found: the mean of their ends.

    Args:
        guess: what stands for it until the first walk has ended, (b or 1, 3, h, w) in [0, 1].

    Attributes:
        mean: (b, 3, h, w), not clamped.
        walks: how many have ended.

    Source: see `averaged_restoration`.
    """

    def __init__(self, guess: Tensor) -> None:
        self.mean, self.walks = guess, 0

    def add(self, x: Tensor) -> None:
        """Take the end of a walk into the mean."""
        self.walks += 1
        self.mean = x if self.walks == 1 else self.mean + (x - self.mean) / self.walks


def averaged_restoration(
    denoise: Denoiser,
    views: Sequence[Measurement],
    found: Found,
    walks: Sequence[Sequence[Level]],
    rng: Rng,
    *,
    spread: Weight,
) -> Iterator[Step]:
    """Anchored walks in a row, each begun at the mean of those before it, in another view.

        x <- mean of D_i(z0 at the end of walk i),   walk i + 1 begins at E_i+1(x) in fresh noise

    What the network and the autoencoder get wrong depends on how a picture lies on their grid and
    on the noise, so that it differs between views (a picture and its mirror image, say) and
    averages out, in the mean that is left in `found` and in what the next walk begins with.

    Args:
        denoise: the prior under its prompt.
        views: one for each walk: the measurement with a way between latent and picture.
        found: the first guess; at the end its mean is the result.
        walks: `restarts`.
        rng: one generator per image.
        spread: r of a level, in [0, 1] units.

    Source: ours, measured in benchmarks/restore.py; averaging over views is the cycle spinning of
    Coifman & Donoho, "Translation-invariant de-noising" (1995).
    """
    done = 0
    for view, levels in zip(views, walks, strict=True):
        with torch.no_grad():
            z = view.hide(found.mean)
        z = z.expand(len(rng), *z.shape[1:])
        for step in anchored_restoration(denoise, view, z, levels, rng, spread=spread):
            if step.index == len(levels) - 1:
                with torch.no_grad():
                    found.add(view.show(step.z0))
            yield replace(step, index=done + step.index)
        done += len(levels)


def treg(
    denoise: Denoiser | Negation, data: Measurement, z: Latent, levels: Sequence[Level], rng: Rng
) -> Iterator[Step]:
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
    return dream(
        denoise, LatentVariable(z), levels, draw(z, rng), regularize=regularize, renoise=renewed
    )


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
) -> Iterator[Step]:
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

    def blended(z0: Latent, current: Step) -> Latent:
        return torch.lerp(z0, down(z0, current), current.level.flow)

    renewed = fresh(lambda level, following: 1 - following.flow, rng)
    return dream(
        denoise, LatentVariable(z), levels, draw(z, rng), regularize=blended, renoise=renewed
    )


def dps(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    scale: Weight = 1.0,
    gluing: float = 0.0,
) -> Iterator[Step]:
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
    return dream(moved, LatentVariable(z), levels, draw(z, rng), renoise=renewed)


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
) -> Iterator[Step]:
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
    unmoved, asked = dreaming | {down[-1]}, conditional(prior, null)
    dreamed = chain(
        two_stages(data, data.noise / weight**0.5, lambda level: level.alpha_bar),
        _towards(prior, condition),
    )
    renewed = fresh(lambda level, following: level.alpha_bar, rng)
    denoise = posterior(
        asked, lambda z0: 2 * data.misfit(z0), lambda v: 0.0 if v in unmoved else 1.0
    )

    def regularize(z0: Latent, step: Step) -> Latent:
        return dreamed(z0, step) if step.level in dreaming else z0

    def turn(step: Step, following: Level) -> Latent:
        return (renewed if step.level in dreaming else keep)(step, following)

    with torch.no_grad():
        z_src = data.hide(data.seen(0.5).clamp(0, 1))
    return up_and_down(asked, denoise, z_src, up, down, regularize, turn)


def _towards(prior: Prior, condition: Condition) -> Regularizer:
    """Alpha_bar of the way to what a prompt sees."""

    def apply(z0: Latent, step: Step) -> Latent:
        (told,) = prior.predict(step.z, step.level, [condition])
        return torch.lerp(z0, told.z0, step.level.alpha_bar)

    return apply
