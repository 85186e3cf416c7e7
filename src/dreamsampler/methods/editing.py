"""Editing a real picture, each method a sentence on the one loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import (
    Guided,
    cfg_pp,
    conditional,
    delta,
    difference_mask,
    gamma,
    together,
)
from dreamsampler.maths import (
    Denoiser,
    Estimate,
    Latent,
    Level,
    Renoise,
    Rng,
    Step,
    VariancePreserving,
    Weight,
    covered,
    draw,
    fresh,
    keep,
)
from dreamsampler.methods.inversion import replayed
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, chain, relax
from dreamsampler.samplers import dream, leading, trailing


def paper_levels(
    schedule: VariancePreserving, steps: int
) -> tuple[list[Level], list[Level], list[Level]]:
    """The levels of the published program: (of the inversion, of the edit, of the edit if right).

    It prefixes the table with 1.0 and forgets to shift it back, so that the network's time n
    meets alpha_bar[n - 1]; and its inversion asks the network about time n while the latent is
    still one step below. The third list holds what n should have met.

    Args:
        schedule: the model's table.
        steps: number of inference steps.

    Source: measured on the program published with Kim, Park & Ye, "DreamSampler", ECCV 2024
    (arXiv:2403.11415).
    """
    right = leading(schedule, steps)
    table = (1.0, *schedule.alphas_cumprod)
    shifted = [_with_rate(level, table[round(schedule.timestep(level.t))]) for level in right]
    below = [*shifted[1:], _with_rate(right[-1], schedule.alphas_cumprod[0])]
    up = [replace(b, t=level.t) for level, b in zip(shifted, below, strict=True)]
    return up[::-1], shifted, right


def _with_rate(level: Level, alpha_bar: float) -> Level:
    return Level(level.t, alpha_bar**0.5, (1 - alpha_bar) ** 0.5)


def dreamsampler(
    prior: Prior,
    z_src: Latent,
    condition: Condition,
    null: Condition,
    steps: int = 200,
    weight: float = 0.2,
    negligible: float = 0.0,
    regularize: Regularizer = chain(),  # noqa: B008 - the identity, and stateless
    *,
    shifted: bool = True,
) -> Iterator[Step]:
    """The published editing: invert with the null prompt, come back under gamma alpha_bar.

        z0 = z0(null) + gamma alpha_bar (z0(c) - z0(null)),   renoise with eps(null)

    Every level and its shift are the published program's (`paper_levels`). It needs 3 N network
    evaluations where the program makes 4 N, because the inversion only uses one of the two.

    Args:
        prior: the model; the published form needs a table of alphas_cumprod.
        z_src: clean latent of the source.
        condition: the target prompt's.
        null: the empty prompt's.
        steps: N.
        weight: gamma.
        negligible: leave the prompt out where gamma alpha_bar is at most this; 0.02 saves a
            tenth to a quarter of the evaluations, 0 is exact.
        regularize: further maps on the way down, such as a mask; published: none.
        shifted: pair the network's times with the published program's rates; False with the
            model's own, on the way up as well, on any schedule.

    Raises:
        ValueError: a prior whose schedule is no table.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.1.
    """
    schedule = prior.schedule
    if not isinstance(schedule, VariancePreserving):
        if shifted:
            raise ValueError(
                "the published editing needs a model with a table of alphas_cumprod: pass "
                "shifted=False for its form on any other"
            )
        down = trailing(schedule, steps)
        up = down[::-1]
    else:
        up, down, right = paper_levels(schedule, steps)
        if not shifted:
            up, down = right[::-1], right
    edit = cfg_pp(prior, condition, null, gamma(weight)).skipping(negligible)
    return up_and_down(conditional(prior, null), edit, z_src, up, down, regularize)


def up_and_down(
    rise: Denoiser,
    fall: Denoiser,
    z_src: Latent,
    up: Sequence[Level],
    down: Sequence[Level],
    regularize: Regularizer,
    renoise: Renoise = keep,
) -> Iterator[Step]:
    """The published way: invert under one denoiser, come back under another one."""
    pair = Estimate(z_src, torch.zeros_like(z_src))
    for step in dream(rise, LatentVariable(z_src / up[0].alpha), up, pair.eps):
        yield step
        pair = step.estimate
    canvas = LatentVariable(pair.z0)
    yield from dream(fall, canvas, down, pair.eps, regularize=regularize, renoise=renoise)


def flow_edit(
    target: Guided,
    source: Guided,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    renoise: Renoise | None = None,
    regularize: Regularizer = chain(),  # noqa: B008 - the identity, and stateless
) -> Iterator[Step]:
    """FlowEdit: walk from source to target along the difference of two flows, without inversion.

        target of a step = z_src + z0(tgt; z_t) - z0(src; z_t^src),   moved by 1 - u'/u

    u = sigma / (alpha + sigma) is the rectified-flow time; on a flow model this is the published
    update, on a variance-preserving one its exact twin (the same walk on z / (alpha + sigma)).

    Args:
        target: guidance towards the target prompt.
        source: guidance towards the source prompt.
        z_src: clean latent of the source.
        levels: falling; the first one decides how much may change.
        rng: one generator per image.
        renoise: fresh noise every step (published) if left out; `hold` keeps one noise.
        regularize: further maps on the target, before the partial move.

    Source: Kulikov et al., "FlowEdit", ICCV 2025 (arXiv:2412.08629), algorithm 1.
    """
    canvas = LatentVariable(z_src)
    denoise = delta(target, source, canvas, z_src, _flow_coupling)
    eps = draw(z_src, rng)
    steps = chain(regularize, relax(flow_share(levels)))
    fresh_noise = fresh(1.0, rng) if renoise is None else renoise
    return dream(denoise, canvas, levels, eps, regularize=steps, renoise=fresh_noise)


def _flow_coupling(level: Level) -> float:
    """FlowEdit moves the noisy latent by the whole shift, in the units of its level."""
    return level.alpha + level.sigma


def anchored_edit(
    target: Guided,
    source: Guided,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    by: Guided | None = None,
    regularize: Regularizer = chain(),  # noqa: B008 - the identity, and stateless
) -> Iterator[Step]:
    """The house's own edit: replayed noise (`ddpm_inversion`), kept to where the prompts differ.

        m    = difference_mask(z0(by; z) - z0(src; x_t), low, high)
        z0   = z_src + m (z0(tgt; z) - z0(src; x_t))
        eps' = n_t' + sqrt(1 - k) m (eps(tgt; z) - eps(src; x_t))

    The difference of two prompts cancels what they agree on; the mask removes the little that is
    left, so that the background stands still. While shapes are decided it opens only where the
    change is large, so that new shapes do not spread over the background; well before the end
    nearly everywhere, so that no rest of the source shows through:

        low = max(0, u - 0.2),   high = max(0.1, u)      u = sigma / (alpha + sigma)

    so that at a level whose share of noise is u a change counts fully where it is at least the
    share u of the largest one of its picture. No inversion, and few steps: three evaluations each.

    Args:
        target: guidance towards the target prompt.
        source: the source prompt, without guidance.
        z_src: clean latent of the source.
        levels: falling; the first one decides how much may change.
        rng: one generator per image.
        by: whose difference to the source says where to change; best the target prompt without
            guidance; the target itself if left out.
        regularize: further maps on the edit's estimate, such as a drawn mask.

    Source: ours; the walk is edit-friendly DDPM inversion's (arXiv:2304.06140), the idea of the
    mask LEDITS++'s (arXiv:2311.16711). Measured in benchmarks/README.md.
    """
    judge = target if by is None else by

    def pair(z: Latent, there: Latent, level: Level) -> tuple[Estimate, Estimate]:
        if torch.equal(z, there):
            there = z  # one object: asked once, and equal prompts cancel to the last bit
        tgt, seen, src = together([(target, z), (judge, z), (source, there)], level)
        u = level.flow
        m = difference_mask(seen.z0 - src.z0, max(0.0, u - 0.2), max(0.1, u))
        lit = src.z0 + m * (tgt.z0 - src.z0), src.eps + m * (tgt.eps - src.eps)
        return Estimate(*lit), src

    return replayed(pair, z_src, levels, rng, regularize=regularize)


def flow_share(levels: Sequence[Level]) -> Weight:
    """The share of the way that a step of a flow covers: 1 - u'/u, and all of it at the end.

    Source: an Euler step of rectified flow, Liu, Gong & Liu, "Flow straight and fast", ICLR 2023
    (arXiv:2209.03003), written in clean latents.
    """
    return covered(levels, lambda level: level.flow)
