"""Edit-friendly DDPM inversion: the noise maps of the source, replayed under another prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import Guided, predict_batch
from dreamsampler.maths import Estimate, Latent, Level, Rng, Step, ddpm, draw
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, identity
from dreamsampler.samplers import dream

Pair: TypeAlias = Callable[[Latent, Latent, Level], tuple[Estimate, Estimate]]
"""(z, x_t, level) -> estimates of the edit at z and of the source at x_t, in one forward."""


def ddpm_inversion(
    target: Guided,
    source: Guided,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    eta: float = 1.0,
    *,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Edit-friendly DDPM inversion.

        x_t  = alpha z_src + sigma n_t                     noise of its own at every level
        v_t' = (x_t' - mu(src; x_t)) / sd_t                the map that DDPM would have drawn
        z'   = mu(tgt; z) + sd_t v_t'

    where mu = alpha' z0 + sigma' sqrt(1 - k) eps and sd = sigma' sqrt(k). Put together, sd cancels:

        z0   = z_src + z0(tgt; z) - z0(src; x_t)
        eps' = n_t' + sqrt(1 - k) (eps(tgt; z) - eps(src; x_t))

    so this is a difference of two prompts too, in one forward. Equal prompts return the source
    exactly, also at the last level.

    Args:
        target: guidance towards the target prompt; published w = 15.
        source: guidance towards the source prompt; published w = 3.5.
        levels: falling; published: 64 of 100, the first 36 left out.
        eta: of DDIM's family; 1 is DDPM (published), 0 leaves no map to replay.

    Source: Huberman-Spiegelglas, Kulikov & Michaeli, "An edit friendly DDPM noise space",
    CVPR 2024 (arXiv:2304.06140), algorithm 1 and eq. 5.
    """

    def pair(z: Latent, x_t: Latent, level: Level) -> tuple[Estimate, Estimate]:
        tgt, src = predict_batch([(target, z), (source, x_t)], level)
        return tgt, src

    return replayed(pair, z_src, levels, rng, eta, regularize)


def replayed(
    pair: Pair,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    eta: float = 1.0,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """The source in noise of its own at every level, and the difference to it (`ddpm_inversion`).

    Where a regularizer moves the clean estimate, the difference of the noises moves against it so
    that both still explain z: what a mask keeps is the source in its noise to the last bit.

    Args:
        levels: falling; the first one decides how much may change.
        eta: see `ddpm_inversion`.

    Source: eq. 5 of Huberman-Spiegelglas, Kulikov & Michaeli (arXiv:2304.06140), in clean latents.
    """
    share, noise = ddpm(eta), [draw(z_src, rng)]

    def denoise(z: Latent, level: Level) -> Estimate:
        tgt, src = pair(z, level.alpha * z_src + level.sigma * noise[-1], level)
        return Estimate(z_src + (tgt.z0 - src.z0), tgt.eps - src.eps)

    def renoise(step: Step, following: Level) -> Latent:
        noise[:] = [draw(z_src, rng)]
        change = step.estimate.eps - (step.z0 - step.estimate.z0) / step.level.s
        return noise[-1] + (1 - share(step.level, following)) ** 0.5 * change

    return dream(
        denoise, LatentVariable(z_src), levels, noise[0], regularize=regularize, renoise=renoise
    )


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    levels, target = inputs.levels(settings), inputs.target(settings["guidance_scale"])
    source, how = inputs.source(settings["source_guidance_scale"]), inputs.regularize
    steps = ddpm_inversion(target, source, inputs.z_src, levels, inputs.rng, regularize=how)
    return steps, len(levels)
