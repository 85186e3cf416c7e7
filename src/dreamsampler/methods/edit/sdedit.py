"""SDEdit: add noise to the source, denoise it under the target prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import Denoiser, Latent, Level, Renoise, Rng, Step, draw, keep
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, identity
from dreamsampler.samplers import dream


def sdedit(
    denoise: Denoiser,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    renoise: Renoise = keep,
    *,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """SDEdit: z = alpha z_src + sigma n at a middle level, then down under the prompt.

    Args:
        levels: falling; the first one decides how much may change.
        renoise: `keep` is the deterministic sampler of image-to-image pipelines,
            `fresh(ddpm(), rng)` the stochastic one of the paper.

    Source: Meng et al., "SDEdit", ICLR 2022 (arXiv:2108.01073), algorithm 1.
    """
    variable, eps = LatentVariable(z_src), draw(z_src, rng)
    return dream(denoise, variable, levels, eps, regularize=regularize, renoise=renoise)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = inputs.levels(settings)
    target = inputs.guided(settings, levels)
    steps = sdedit(target, inputs.z_src, levels, inputs.rng, regularize=inputs.regularize)
    return steps, len(levels)
