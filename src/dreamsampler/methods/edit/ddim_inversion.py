"""DDIM inversion: up under the source prompt, down under the target prompt."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import conditional
from dreamsampler.maths import Denoiser, Latent, Level, Step
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, identity
from dreamsampler.samplers import dream, invert


def ddim_inversion(
    target: Denoiser,
    source: Denoiser,
    z_src: Latent,
    levels: Sequence[Level],
    *,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """DDIM inversion and another prompt on the way back.

        up:    z' = alpha' z0(src) + sigma' eps(src),   levels rising
        down:  z' = alpha' z0(tgt) + sigma' eps(tgt),   levels falling

    The steps of both ways are yielded.

    Args:
        source: usually the source prompt without guidance, which makes the way up stable.
        levels: falling; the first one decides how much may change. The way up takes the same.
        regularize: further maps of the clean estimate on the way down.

    Raises:
        ValueError: no levels.

    Source: Song, Meng & Ermon, "Denoising diffusion implicit models", ICLR 2021
    (arXiv:2010.02502), section 4.3; the other prompt as in Hertz et al., "Prompt-to-Prompt",
    ICLR 2023 (arXiv:2208.01626), section 4, without its attention control.
    """
    up = yield from inverted(source, z_src, levels)
    top = up[-1].estimate
    yield from dream(target, LatentVariable(top.z0), levels, top.eps, regularize=regularize)


def inverted(
    source: Denoiser, z_src: Latent, levels: Sequence[Level]
) -> Generator[Step, None, list[Step]]:
    """DDIM inversion whose steps, lowest level first, are yielded and returned as well.

    Raises:
        ValueError: no levels.
    """
    up: list[Step] = []
    for step in invert(source, z_src, list(reversed(levels))):
        up.append(step)
        yield step
    if not up:
        raise ValueError("the run has no steps: pass at least one level")
    return up


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    levels, target = inputs.levels(settings), inputs.target(settings["guidance_scale"])
    source = conditional(inputs.prior, inputs.source_condition)
    how = {"regularize": inputs.regularize}
    return ddim_inversion(target, source, inputs.z_src, levels, **how), 2 * len(levels)
