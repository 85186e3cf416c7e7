"""TReg: data in pixels, then the latent, with half-fresh noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import Negation
from dreamsampler.maths import Denoiser, Latent, Level, Rng, Step, draw, fresh
from dreamsampler.methods.inputs import MeasuredInputs, RestoreInputs, Settings, Steps
from dreamsampler.regularizers import Measurement, Regularizer, chain, two_stages
from dreamsampler.samplers import dream, trailing


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
        z: the first latent; nearly nothing is left of it in the noise of the first level.
        levels: falling.

    Source: Kim et al., "Regularization by texts for latent diffusion inverse solvers"
    (arXiv:2311.15658), algorithm 1; lambda = 1e-4 there for |y - A x|^2 + lambda |x - D(z0)|^2.
    """
    following = [level.alpha_bar for level in levels[1:]] + [1.0]
    after = dict(zip(levels, following, strict=True))
    maps: Regularizer = two_stages(data, data.noise * 1e2, lambda level: after[level])
    if isinstance(denoise, Negation):
        maps = chain(maps, denoise.update)
    noise = fresh(lambda level, following: following.alpha_bar, rng)
    return dream(denoise, LatentVariable(z), levels, draw(z, rng), regularize=maps, renoise=noise)


def run(inputs: MeasuredInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = trailing(inputs.prior.schedule, settings["num_inference_steps"])
    scale = settings["guidance_scale"]
    if settings.get("adaptive_negation") and isinstance(inputs, RestoreInputs):
        denoise = inputs.denoise(scale, negation=True)
    else:
        denoise = inputs.denoise(scale)
    return treg(denoise, inputs.data, inputs.z_src, levels, inputs.rng), len(levels)
