"""DPS, and PSLD: the gradient of the residual through network and decoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import posterior
from dreamsampler.maths import Denoiser, Latent, Level, Rng, Step, Weight, ddpm, draw, fresh
from dreamsampler.methods.inputs import MeasuredInputs, Settings, Steps
from dreamsampler.operators import is_linear
from dreamsampler.regularizers import Measurement
from dreamsampler.samplers import dream, trailing


def dps(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    scale: Weight = 1.0,
    gluing: float = 0.0,
) -> Iterator[Step]:
    """DPS, and PSLD with gluing: the gradient of the residual through network and decoder.

        z0 <- z0 - zeta d/dz ( |y - A D(z0)| + omega |z0 - E(D(z0) + A^T (y - A D(z0)))| )

    after an ancestral step, k of DDPM. The gluing term wants z0 to be a code that its own picture,
    with the data put into it, is encoded to.

    Args:
        data: the measurement; linear where gluing is above 0.
        levels: falling.
        gluing: omega; 0 is DPS, 0.1 PSLD.

    Raises:
        ValueError: gluing under an operator that is not linear.

    Source: Chung et al., "Diffusion posterior sampling", ICLR 2023 (arXiv:2209.14687), algorithm 1;
    Rout et al., "PSLD", NeurIPS 2023 (arXiv:2307.00619), algorithm 2.
    """
    op, y = data.op, data.y
    if gluing and not is_linear(op):
        raise ValueError(
            f"PSLD needs the transpose of {type(op).__name__}, which is not linear: take dps"
        )

    def residual(z0: Latent) -> Tensor:
        x = data.decode(z0)
        misfit = (y - op.A(x)).flatten(1).norm(dim=1)
        if not gluing or not is_linear(op):
            return misfit
        glued = data.encode(x + op.A_adjoint(y - op.A(x)))
        return misfit + gluing * (z0 - glued).flatten(1).norm(dim=1)

    moved, noise = posterior(denoise, residual, scale), fresh(ddpm(1.0), rng)
    return dream(moved, LatentVariable(z), levels, draw(z, rng), renoise=noise)


def run(inputs: MeasuredInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = trailing(inputs.prior.schedule, settings["num_inference_steps"])
    denoise, how = inputs.denoise(settings["guidance_scale"]), {"gluing": settings["gluing"]}
    return dps(denoise, inputs.data, inputs.z_src, levels, inputs.rng, **how), len(levels)
