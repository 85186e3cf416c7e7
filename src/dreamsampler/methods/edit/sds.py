"""Score distillation towards one prompt: SDS, and SDI, whose noise comes from an inversion.

A distillation step z <- z - lr w (eps(c) - eps) is a partial move towards the prior's clean
estimate: eps(c) - eps = (z - z0) / s, so the rate of the move is mu = lr w / s with s =
sigma / alpha. A `GeneratorVariable` takes the same target through its optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import LatentVariable, Variable
from dreamsampler.guidance import Guided
from dreamsampler.maths import Latent, Level, Rng, Schedule, Step, Weight, draw, fresh, weigh
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, chain, identity, relax
from dreamsampler.samplers import dream, finish, invert


def sds(
    denoise: Guided,
    variable: Variable,
    levels: Sequence[Level],
    rng: Rng,
    step: Weight,
    *,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Score distillation sampling: z <- z - step (eps(c; z_t) - eps), new noise every time.

    Args:
        levels: in random order (`random_levels`).
        step: learning rate times w(t).

    Source: Poole et al., "DreamFusion", ICLR 2023 (arXiv:2209.14988), eq. 3.
    """
    eps, maps = draw(variable.latent(), rng), chain(regularize, rate_of(step))
    return dream(denoise, variable, levels, eps, regularize=maps, renoise=fresh(1.0, rng))


def rate_of(step: Weight) -> Regularizer:
    """The partial move of a distillation step of this size: mu = step / s."""
    return relax(lambda level: weigh(step, level) / level.s)


def sdi(
    denoise: Guided,
    inverter: Guided,
    variable: Variable,
    schedule: Schedule,
    levels: Sequence[Level],
    step: Weight = 1.0,
    inversion_steps: int = 10,
) -> Iterator[Step]:
    """Score distillation via reparametrized DDIM: falling levels, noise by inverting the latent.

        z_t = inversion of the present latent up to t;   z <- z + step (z0(c; z_t) - z)

    Args:
        inverter: guidance of the inversion, usually none.
        levels: falling; published from t = 0.98 to 0.25.
        step: share of the way, mu.

    A generator is rendered once for the inversion and once for the step, so it must show the same
    view twice.

    Raises:
        ValueError: no levels.

    Source: Lukoianov et al., "Score distillation via reparametrized DDIM", NeurIPS 2024
    (arXiv:2405.15891), algorithm 1.
    """
    if not levels:
        raise ValueError("the run has no steps: pass at least one level")

    def noise_at(level: Level) -> Latent:
        """The noise that inversion finds in the latent: (z_t - alpha z0) / sigma."""
        latent, n = variable.latent(), inversion_steps
        rising = [schedule(level.t * (i + 1) / (n + 1)) for i in range(n)]
        end = finish(invert(inverter, latent, rising)).estimate
        return (level.alpha * end.z0 + level.sigma * end.eps - level.alpha * latent) / level.sigma

    return dream(
        denoise,
        variable,
        levels,
        noise_at(levels[0]),
        regularize=relax(step),
        renoise=lambda step, following: noise_at(following),
    )


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    levels, target = inputs.random_levels(settings), inputs.target(settings["guidance_scale"])
    variable, rate, how = LatentVariable(inputs.z_src), settings["rate"], inputs.regularize
    return sds(target, variable, levels, inputs.rng, rate, regularize=how), len(levels)
