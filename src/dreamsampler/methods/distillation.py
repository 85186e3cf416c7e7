"""Score distillation, each method a sentence on the one loop.

A distillation step z <- z - lr w (eps(c) - eps) is a partial move towards the prior's clean
estimate: eps(c) - eps = (z - z0) / s, so the rate of the move is mu = lr w / s with s =
sigma / alpha. A `GeneratorVariable` subject takes the same target through its optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import Variable
from dreamsampler.guidance import Guided, delta
from dreamsampler.maths import (
    Latent,
    Level,
    Renoise,
    Rng,
    Schedule,
    Step,
    VariancePreserving,
    Weight,
    draw,
    fresh,
    weigh,
)
from dreamsampler.regularizers import chain, relax
from dreamsampler.samplers import dream, finish, invert


def sds(
    denoise: Guided, variable: Variable, levels: Sequence[Level], rng: Rng, step: Weight
) -> Iterator[Step]:
    """Score distillation sampling: z <- z - step (eps(c; z_t) - eps), new noise every time.

    Args:
        denoise: guidance towards the prompt.
        variable: what is moved.
        levels: in random order (`random_levels`).
        rng: one generator per image.
        step: learning rate times w(t).

    Source: Poole et al., "DreamFusion", ICLR 2023 (arXiv:2209.14988), eq. 3.
    """
    eps = draw(variable.latent(), rng)
    rate = relax(lambda level: weigh(step, level) / level.s)
    return dream(denoise, variable, levels, eps, regularize=rate, renoise=fresh(1.0, rng))


def dds(
    target: Guided,
    source: Guided,
    variable: Variable,
    anchor: Latent,
    levels: Sequence[Level],
    rng: Rng,
    step: Weight,
) -> Iterator[Step]:
    """Delta denoising score: z <- z - step (eps(target; z_t) - eps(source; z_src_t)), same noise.

    Args:
        target: guidance towards the target prompt.
        source: guidance towards the source prompt, of the same weight.
        variable: what is moved; starts at the source.
        anchor: clean latent of the source.
        levels: in random order.
        rng: one generator per image.
        step: learning rate times w(t).

    Source: Hertz et al., "Delta denoising score", ICCV 2023 (arXiv:2304.07090), eq. 3.
    """
    eps = draw(anchor, rng)
    rate = relax(lambda level: weigh(step, level) / level.s)
    denoise = delta(target, source, variable, anchor)
    return dream(denoise, variable, levels, eps, regularize=rate, renoise=fresh(1.0, rng))


def pds(
    target: Guided,
    source: Guided,
    variable: Variable,
    anchor: Latent,
    levels: Sequence[Level],
    rng: Rng,
    step: float,
    weights: tuple[Weight, Weight],
) -> Iterator[Step]:
    """Posterior distillation sampling: DDS with a pull back to the source.

        z <- z - step [ psi (z - anchor) + chi (eps(target; z_t) - eps(source; z_src_t)) ]

    Args:
        target: guidance towards the target prompt.
        source: guidance towards the source prompt.
        variable: what is moved; starts at the source.
        anchor: clean latent of the source.
        levels: in random order.
        rng: one generator per image.
        step: learning rate.
        weights: (psi, chi), see `pds_weights`.

    Source: Koo, Park & Sung, "Posterior distillation sampling", CVPR 2024 (arXiv:2311.13831),
    eq. 14.
    """
    psi, chi = weights
    regularize = chain(
        relax(lambda level: step * weigh(chi, level) / level.s),
        lambda z0, current: z0 + step * weigh(psi, current.level) * (anchor - current.before),
    )
    denoise = delta(target, source, variable, anchor)
    eps = draw(anchor, rng)
    return dream(denoise, variable, levels, eps, regularize=regularize, renoise=fresh(1.0, rng))


def pds_weights(schedule: VariancePreserving, skip: int) -> tuple[Weight, Weight]:
    """The two weights of PDS, from the posterior q(z_prev | z_t, z0) of a trained table.

        c0 = alpha_prev beta / sigma^2,  c1 = sqrt(1 - beta) sigma_prev^2 / sigma^2
        tau^2 = beta sigma_prev^2 / sigma^2
        psi = (alpha_prev - c0 - c1 alpha) / tau,   chi = c0 s / tau

    beta is the table's own step at t; z_prev lies `skip` network times below.

    Args:
        schedule: the table.
        skip: network times between t and prev; the published program takes 1000 / steps.

    Source: Koo, Park & Sung, CVPR 2024 (arXiv:2311.13831), section 4.
    """

    def parts(level: Level) -> tuple[float, float]:
        n = schedule.timestep(level.t)
        before = schedule(schedule.time(n - 1))
        prev = schedule(schedule.time(max(n - skip, 0)))
        beta = 1 - level.alpha_bar / before.alpha_bar
        c0 = prev.alpha * beta / level.sigma**2
        c1 = (1 - beta) ** 0.5 * prev.sigma**2 / level.sigma**2
        tau = (beta * prev.sigma**2 / level.sigma**2) ** 0.5
        return (prev.alpha - c0 - c1 * level.alpha) / tau, c0 * level.s / tau

    return (lambda level: parts(level)[0]), (lambda level: parts(level)[1])


def sdi(
    denoise: Guided,
    inverter: Guided,
    variable: Variable,
    schedule: Schedule,
    levels: Sequence[Level],
    step: Weight = 1.0,
    inversion_steps: int = 10,
) -> Iterator[Step]:
    """Score distillation via reparametrized DDIM: falling levels, noise by inverting the look.

        z_t = inversion of today's look up to t;   z <- z + step (z0(c; z_t) - z)

    Args:
        denoise: guidance towards the prompt.
        inverter: guidance of the inversion, usually plain.
        variable: what is moved.
        schedule: the prior's, for the levels of the inversion.
        levels: falling; published from t = 0.98 to 0.25.
        step: share of the way, mu.
        inversion_steps: evaluations a step that the inversion costs.

    The look is rendered once for the inversion and once for the step, so a generator must show the
    same view twice.

    Raises:
        ValueError: no levels.

    Source: Lukoianov et al., "Score distillation via reparametrized DDIM", NeurIPS 2024
    (arXiv:2405.15891), algorithm 1.
    """
    if not levels:
        raise ValueError("the run has no steps: pass at least one level")
    renoise = _inverted(inverter, variable, schedule, inversion_steps)
    return dream(
        denoise,
        variable,
        levels,
        _noise_of(inverter, variable.latent(), schedule, levels[0], inversion_steps),
        regularize=relax(step),
        renoise=renoise,
    )


def _inverted(inverter: Guided, variable: Variable, schedule: Schedule, steps: int) -> Renoise:
    return lambda step, following: _noise_of(
        inverter, variable.latent(), schedule, following, steps
    )


def _noise_of(
    inverter: Guided, latent: Latent, schedule: Schedule, level: Level, steps: int
) -> Latent:
    """The noise that inversion finds in a look at a level: (z_t - alpha look) / sigma."""
    rising = [schedule(level.t * (i + 1) / (steps + 1)) for i in range(steps)]
    end = finish(invert(inverter, latent, rising)).estimate
    return (level.alpha * end.z0 + level.sigma * end.eps - level.alpha * latent) / level.sigma
