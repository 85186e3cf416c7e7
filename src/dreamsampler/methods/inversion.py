"""Editing a real picture by way of its noise: drawn, inverted, or read off; peers of ours.

Each is a sentence on the one loop; together they are the rows of the editing benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import Guided, cfg, conditional, together
from dreamsampler.maths import Denoiser, Estimate, Latent, Level, Renoise, Rng, Step, draw, keep
from dreamsampler.maths import ddpm as ddpm_share
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, chain
from dreamsampler.samplers import dream, invert

Pair: TypeAlias = Callable[[Latent, Latent, Level], tuple[Estimate, Estimate]]
"""(z, z_src, level) -> what is believed of the edit and of the source, in one forward."""


def sdedit(
    denoise: Denoiser,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    renoise: Renoise = keep,
) -> Iterator[Step]:
    """SDEdit: hide the source in noise of a middle level, and sample from there.

        z = alpha z_src + sigma n,   then down under the prompt

    Args:
        denoise: guidance towards the target prompt.
        z_src: clean latent of the source.
        levels: falling; the first one decides how much may change.
        rng: one generator per image.
        renoise: `keep` is the deterministic sampler of today's image-to-image pipelines,
            `fresh(ddpm(), rng)` the stochastic one of the paper.

    Source: Meng et al., "SDEdit", ICLR 2022 (arXiv:2108.01073), algorithm 1.
    """
    return dream(denoise, LatentVariable(z_src), levels, draw(z_src, rng), renoise=renoise)


def ddim_inversion(
    target: Denoiser, source: Denoiser, z_src: Latent, levels: Sequence[Level]
) -> Iterator[Step]:
    """DDIM inversion and a swapped prompt: up under the source's, down under the target's.

        up:    z' = alpha' z0(src) + sigma' eps(src),   levels rising
        down:  z' = alpha' z0(tgt) + sigma' eps(tgt),   levels falling

    The moments of both ways are yielded.

    Args:
        target: guidance towards the target prompt.
        source: usually the source prompt without guidance, which makes the way up stable.
        z_src: clean latent of the source.
        levels: falling; the first one decides how much may change. The way up takes the same.

    Source: Song, Meng & Ermon, "Denoising diffusion implicit models", ICLR 2021
    (arXiv:2010.02502), section 4.3; the swap as in Hertz et al., "Prompt-to-Prompt", ICLR 2023
    (arXiv:2208.01626), section 4, without its attention control.
    """
    last = None
    for last in invert(source, z_src, list(reversed(levels))):
        yield last
    if last is None:
        raise ValueError("the run has no steps: pass at least one level")
    yield from dream(target, LatentVariable(last.estimate.z0), levels, last.estimate.eps)


def negative_prompt_inversion(
    prior: Prior,
    z_src: Latent,
    wanted: Condition,
    there: Condition,
    levels: Sequence[Level],
    guidance_scale: float = 7.5,
) -> Iterator[Step]:
    """Negative-prompt inversion: the null prompt of the way down is the source's.

        est = est(src) + w (est(tgt) - est(src)),   after inversion under src

    Null-text inversion looks for a null prompt under which guidance retraces the inversion; where
    both prompts are equal, the source's own is one, and nothing has to be optimized.

    Args:
        prior: the model.
        z_src: clean latent of the source.
        wanted: the target prompt's.
        there: the source prompt's.
        levels: see `ddim_inversion`.
        guidance_scale: w.

    Source: Miyake et al., "Negative-prompt inversion", WACV 2025 (arXiv:2305.16807), section 3.2.
    """
    target = cfg(prior, wanted, there, guidance_scale)
    return ddim_inversion(target, conditional(prior, there), z_src, levels)


def ddpm_inversion(
    target: Guided,
    source: Guided,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    eta: float = 1.0,
) -> Iterator[Step]:
    """Edit-friendly DDPM inversion: noise maps of the source, replayed under another prompt.

        x_t  = alpha z_src + sigma n_t                     noise of its own at every level
        v_t' = (x_t' - mu(src; x_t)) / sd_t                the map that DDPM would have drawn
        z'   = mu(tgt; z) + sd_t v_t'

    where mu = alpha' z0 + sigma' sqrt(1 - k) eps and sd = sigma' sqrt(k). Put together, sd cancels:

        z0   = z_src + z0(tgt; z) - z0(src; x_t)
        eps' = n_t' + sqrt(1 - k) (eps(tgt; z) - eps(src; x_t))

    so this is a difference of two prompts too, and source and target are asked in one forward.
    Equal prompts return the source exactly, also at the last level.

    Args:
        target: guidance towards the target prompt; published w = 15.
        source: guidance towards the source prompt; published w = 3.5.
        z_src: clean latent of the source.
        levels: falling; published: 64 of 100, the first 36 left out.
        rng: one generator per image.
        eta: of DDIM's family; 1 is DDPM (published), 0 leaves no map to replay.

    Source: Huberman-Spiegelglas, Kulikov & Michaeli, "An edit friendly DDPM noise space",
    CVPR 2024 (arXiv:2304.06140), algorithm 1 and eq. 5.
    """

    def pair(z: Latent, there: Latent, level: Level) -> tuple[Estimate, Estimate]:
        tgt, src = together([(target, z), (source, there)], level)
        return tgt, src

    return replayed(pair, z_src, levels, rng, eta)


def replayed(
    pair: Pair,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    eta: float = 1.0,
    regularize: Regularizer = chain(),  # noqa: B008 - the identity, and stateless
) -> Iterator[Step]:
    """The source in noise of its own at every level, and what differs from it (`ddpm_inversion`).

    Where a regularizer moves the clean estimate, the difference of the noises moves against it so
    that both still explain z: what a mask keeps is the source in its noise to the last bit.

    Args:
        pair: what is believed of the edit and of the source.
        z_src: clean latent of the source.
        levels: falling; the first one decides how much may change.
        rng: one generator per image.
        eta: see `ddpm_inversion`.
        regularize: further maps on the edit's clean estimate.

    Source: eq. 5 of Huberman-Spiegelglas, Kulikov & Michaeli (arXiv:2304.06140), in clean latents.
    """
    share, noise = ddpm_share(eta), [draw(z_src, rng)]

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
