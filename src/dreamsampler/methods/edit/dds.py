"""Delta denoising score: the difference of two score distillations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import LatentVariable, Variable
from dreamsampler.guidance import Guided, delta
from dreamsampler.maths import Latent, Level, Rng, Step, Weight, draw, fresh
from dreamsampler.methods.edit.sds import rate_of
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, chain, identity
from dreamsampler.samplers import dream


def dds(
    target: Guided,
    source: Guided,
    variable: Variable,
    anchor: Latent,
    levels: Sequence[Level],
    rng: Rng,
    step: Weight,
    *,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Delta denoising score: z <- z - step (eps(target; z_t) - eps(source; z_src_t)), same noise.

    Args:
        variable: what is moved; starts at the source.
        step: learning rate times w(t).

    Source: Hertz et al., "Delta denoising score", ICCV 2023 (arXiv:2304.07090), eq. 3.
    """
    eps, maps = draw(anchor, rng), chain(regularize, rate_of(step))
    denoise = delta(target, source, variable, anchor)
    return dream(denoise, variable, levels, eps, regularize=maps, renoise=fresh(1.0, rng))


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    scale, levels = settings["guidance_scale"], inputs.random_levels(settings)
    pair, z_src = (inputs.target(scale), inputs.source(scale)), inputs.z_src
    rate, how = settings["rate"], inputs.regularize
    steps = dds(*pair, LatentVariable(z_src), z_src, levels, inputs.rng, rate, regularize=how)
    return steps, len(levels)
