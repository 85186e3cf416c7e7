"""Posterior distillation sampling: delta denoising score that stays near the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import LatentVariable, Variable
from dreamsampler.guidance import Guided, delta
from dreamsampler.maths import (
    Latent,
    Level,
    Rng,
    Step,
    VariancePreserving,
    Weight,
    draw,
    fresh,
    weigh,
)
from dreamsampler.methods.edit.sds import rate_of
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.methods.published import table_of
from dreamsampler.regularizers import Regularizer, chain, identity
from dreamsampler.samplers import dream


def pds(
    target: Guided,
    source: Guided,
    variable: Variable,
    anchor: Latent,
    levels: Sequence[Level],
    rng: Rng,
    step: float,
    weights: tuple[Weight, Weight],
    *,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Posterior distillation sampling.

        z <- z - step [ psi (z - anchor) + chi (eps(target; z_t) - eps(source; z_src_t)) ]

    Args:
        variable: what is moved; starts at the source.
        weights: (psi, chi), see `pds_weights`.

    Source: Koo, Park & Sung, "Posterior distillation sampling", CVPR 2024 (arXiv:2311.13831),
    eq. 14.
    """
    psi, chi = weights
    maps = chain(
        regularize,
        rate_of(lambda level: step * weigh(chi, level)),
        lambda z0, current: z0 + step * weigh(psi, current.level) * (anchor - current.before),
    )
    denoise, eps = delta(target, source, variable, anchor), draw(anchor, rng)
    return dream(denoise, variable, levels, eps, regularize=maps, renoise=fresh(1.0, rng))


def pds_weights(schedule: VariancePreserving, skip: int) -> tuple[Weight, Weight]:
    """The two weights of PDS, from the posterior q(z_prev | z_t, z0) of a trained table.

        c0 = alpha_prev beta / sigma^2,  c1 = sqrt(1 - beta) sigma_prev^2 / sigma^2
        tau^2 = beta sigma_prev^2 / sigma^2
        psi = (alpha_prev - c0 - c1 alpha) / tau,   chi = c0 s / tau

    beta is the table's own step at t; z_prev lies `skip` network times below.

    Args:
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


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    scale, levels = settings["guidance_scale"], inputs.random_levels(settings)
    pair, z_src = (inputs.target(scale), inputs.source(scale)), inputs.z_src
    weights = pds_weights(table_of(inputs.prior, "PDS"), settings["skip"])
    how = settings["rate"], weights
    steps = pds(
        *pair,
        LatentVariable(z_src),
        z_src,
        levels,
        inputs.rng,
        *how,
        regularize=inputs.regularize,
    )
    return steps, len(levels)
