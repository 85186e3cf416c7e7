"""Guidance: prompts become a denoiser.

Each function returns a `Guided`: weighted sums of the prior's estimates under several prompts. It
is called like any denoiser, and knows which prompts it needs, so that all of them - those of two
denoisers as well (`predict_batch`) - go through the network in one batch, and those whose weight is
negligible at a level not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias, final

from dreamsampler.generators import Variable
from dreamsampler.maths import Denoiser, Estimate, Latent, Level, Weight, covered, weigh
from dreamsampler.models.prior import Condition, Guiding, Prior

Terms: TypeAlias = tuple[tuple[Condition, Weight], ...]

NEGLIGIBLE = 1e-3
"""Weights up to this are left out: in the paper's edit of 200 steps that moves the result by 4e-5
of itself (benchmarks/suites/golden.py)."""


@final
@dataclass(frozen=True)
class Guided:
    """A denoiser made of weighted prompts: z0 = sum_i a_i z0(c_i), eps = sum_i b_i eps(c_i).

    Args:
        z0: (condition, weight) pairs for the clean estimate.
        eps: pairs for the noise of the next step.
        negligible: a condition none of whose weights exceeds this is not evaluated; the others
            of its sum are scaled up so that the sum of the weights stays what it was.
    """

    prior: Prior
    z0: Terms
    eps: Terms
    negligible: float = NEGLIGIBLE

    def __call__(self, z: Latent, level: Level) -> Estimate:
        """The estimate for z at a level."""
        return predict_batch([(self, z)], level)[0]

    def skipping(self, negligible: float) -> Guided:
        """The same guidance, leaving out conditions of at most this weight."""
        return replace(self, negligible=negligible)


def predict_batch(pairs: Sequence[tuple[Guided, Latent]], level: Level) -> list[Estimate]:
    """Several guided denoisers at one level, in one forward of the network.

    Args:
        pairs: (denoiser, its noisy latent); all denoisers share one prior.

    Raises:
        ValueError: denoisers of different priors.
    """
    prior = pairs[0][0].prior
    if any(guided.prior is not prior for guided, _ in pairs):
        raise ValueError("denoisers of one batch must share one prior")
    sums = [[_weights(terms, level, g.negligible) for terms in (g.z0, g.eps)] for g, _ in pairs]
    rows = {
        (id(condition), id(z)): (condition, z)
        for (_, z), parts in zip(pairs, sums, strict=True)
        for condition, _w in (*parts[0], *parts[1])
    }
    conditions, latents = zip(*rows.values(), strict=True)
    one = all(z is latents[0] for z in latents)
    estimates = prior.predict(latents[0] if one else list(latents), level, list(conditions))
    found = dict(zip(rows, estimates, strict=True))
    return [
        Estimate(
            sum_of([(w, found[id(c), id(z)].z0) for c, w in parts[0]]),
            sum_of([(w, found[id(c), id(z)].eps) for c, w in parts[1]]),
        )
        for (_, z), parts in zip(pairs, sums, strict=True)
    ]


def sum_of(terms: Sequence[tuple[float, Latent]]) -> Latent:
    """sum_i w_i x_i, without touching x where its weight is 1 and it stands alone."""
    (w, x), *rest = terms
    total = x if w == 1 else w * x
    for w, x in rest:
        total = total + w * x
    return total


def _weights(terms: Terms, level: Level, negligible: float) -> list[tuple[Condition, float]]:
    values = [(condition, weigh(weight, level)) for condition, weight in terms]
    kept = [(c, w) for c, w in values if abs(w) > negligible] or values
    whole, left = sum(w for _, w in values), sum(w for _, w in kept)
    if len(kept) == len(values) or left == 0:
        return kept
    return [(c, w * whole / left) for c, w in kept]


def conditional(prior: Prior, condition: Condition) -> Guided:
    """One prompt, no guidance."""
    return Guided(prior, ((condition, 1.0),), ((condition, 1.0),))


def cfg(prior: Prior, condition: Condition, null: Condition, scale: Weight) -> Guided:
    """Classifier-free guidance: est(null) + w (est(c) - est(null)), for z0 and eps alike.

    A model that takes its scale as an input gets w, and is evaluated once.

    Args:
        null: the negative or empty prompt.
        scale: w, diffusers' guidance_scale; 1 is the prompt alone, and evaluates only it. Where
            both conditions are one object, every w is.

    Source: Ho & Salimans, "Classifier-free diffusion guidance" (arXiv:2207.12598), eq. 6.
    """
    if condition is null:  # (1 - w) x + w x is x, but not to the last digit
        return conditional(prior, condition)
    if isinstance(prior, Guiding):
        terms: Terms = tuple(prior.guided(condition, null, scale))
    else:
        terms = ((null, lambda level: 1 - weigh(scale, level)), (condition, scale))
    return Guided(prior, terms, terms)


def cfg_pp(prior: Prior, condition: Condition, null: Condition, weight: Weight) -> Guided:
    """Guide the clean estimate, renoise without guidance (CFG++).

        z0 = (1 - l) z0(null) + l z0(c),   eps = eps(null)

    Args:
        weight: l; see `per_step` for the l that means a given guidance_scale, and `gamma` for
            the paper's.

    Source: Chung et al., "CFG++" (arXiv:2406.08070), algorithm 2.
    """
    terms: Terms = ((null, lambda level: 1 - weigh(weight, level)), (condition, weight))
    return Guided(prior, terms, ((null, 1.0),))


def gamma(value: float) -> Weight:
    """The paper's weight of an edit, l = gamma alpha_bar_t.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.1.
    """
    return lambda level: value * level.alpha_bar


def per_step(guidance_scale: Weight, levels: Sequence[Level]) -> Weight:
    """The l of a CFG++ step that moves as far as CFG of weight w does: l = w (1 - s' / s).

    s = sigma / alpha; a prime marks the next level, s' = 0 after the last one. The strength of
    an edit given as w does not depend on the number of steps; a constant l does.

    Args:
        guidance_scale: w.
        levels: the falling levels of the run.

    Raises:
        ValueError: no levels, or another level than these.
    """
    share = covered(levels, lambda level: level.s)
    return lambda level: weigh(guidance_scale, level) * weigh(share, level)


def delta(
    target: Guided,
    source: Guided,
    variable: Variable,
    anchor: Latent,
    coupling: Weight = lambda level: level.alpha,
) -> Denoiser:
    """The difference between two prompts, added to the source.

        z_src = z - alpha (latent - anchor)              the source in the same noise
        z_tgt = z_src + coupling (latent - anchor)
        z0    = anchor + z0(target; z_tgt) - z0(source; z_src)

    What both prompts agree on cancels, the network's errors too; equal prompts return the anchor
    exactly. Until the first change both sides have one latent, which is evaluated once. The noise
    of the estimate is that of z.

    Args:
        target: guidance towards the target prompt.
        source: guidance towards the source prompt.
        variable: whose latent this step has added noise to.
        anchor: clean latent of the source.
        coupling: how far the edit so far moves z_tgt away from z_src: alpha for delta denoising
            score, alpha + sigma for FlowEdit.

    Source: Hertz et al., "Delta denoising score", ICCV 2023 (arXiv:2304.07090), eq. 3; Kulikov
    et al., "FlowEdit", ICCV 2025 (arXiv:2412.08629), algorithm 1.
    """

    def denoise(z: Latent, level: Level) -> Estimate:
        z_tgt, z_src = _coupled(z, level, variable.latent() - anchor, coupling)
        tgt, src = predict_batch([(target, z_tgt), (source, z_src)], level)
        z0 = anchor + (tgt.z0 - src.z0)  # in brackets: equal estimates give the anchor itself
        return Estimate(z0, (z_src - level.alpha * anchor) / level.sigma)

    return denoise


def _coupled(z: Latent, level: Level, shift: Latent, coupling: Weight) -> tuple[Latent, Latent]:
    """Two noisy latents for one noise: (z_tgt, z_src) of `delta`; one object where equal."""
    if not bool(shift.any()):
        return z, z
    far = weigh(coupling, level)
    z_src = z - level.alpha * shift
    return (z if far == level.alpha else z_src + far * shift), z_src


def second_order(denoise: Denoiser, levels: Sequence[Level]) -> Denoiser:
    """Extrapolate the estimate along log-SNR: DPM-Solver++(2M).

        D = (1 + 1/2r) z0 - 1/2r z0_before,   r = h_before / h,   h = lambda' - lambda

    lambda = log(alpha / sigma). The estimate's eps moves against z0 so that the pair still
    explains the same z; the first and the last step are of first order, and those onto a clean
    level or between equal ones.

    Args:
        levels: the falling levels of the run; its first one starts the memory anew.

    Source: Lu et al., "DPM-Solver++" (arXiv:2211.01095), algorithm 2.
    """
    following = dict(pairwise(levels))
    memory: list[tuple[Level, Latent]] = []

    def extrapolated(z: Latent, level: Level) -> Estimate:
        estimate, after = denoise(z, level), following.get(level)
        before, old = memory[-1] if memory and level != levels[0] else (level, estimate.z0)
        memory[:] = [(level, estimate.z0)]
        if after is None or after.sigma == 0 or before == level or after == level:
            return estimate
        ratio = (level.log_snr - before.log_snr) / (after.log_snr - level.log_snr)
        change = (estimate.z0 - old) / (2 * ratio)
        return Estimate(estimate.z0 + change, estimate.eps - change / level.s)

    return extrapolated
