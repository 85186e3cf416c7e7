"""Negative-prompt inversion: DDIM inversion, with the source prompt as the null prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import Latent, Level, Step
from dreamsampler.methods.edit.ddim_inversion import ddim_inversion
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, identity


def negative_prompt_inversion(
    prior: Prior,
    z_src: Latent,
    condition: Condition,
    source: Condition,
    levels: Sequence[Level],
    guidance_scale: float = 7.5,
    *,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Guidance away from the source prompt: est(src) + w (est(tgt) - est(src)), after inversion.

    Null-text inversion searches a null prompt under which guidance retraces the inversion; where
    both prompts are equal, the source's own is one, and nothing has to be optimized.

    Args:
        levels: see `ddim_inversion`.
        regularize: further maps of the clean estimate on the way down.

    Source: Miyake et al., "Negative-prompt inversion", WACV 2025 (arXiv:2305.16807), section 3.2.
    """
    target = cfg(prior, condition, source, guidance_scale)
    return ddim_inversion(target, conditional(prior, source), z_src, levels, regularize=regularize)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = inputs.levels(settings)
    steps = negative_prompt_inversion(
        inputs.prior,
        inputs.z_src,
        inputs.condition,
        inputs.source_condition,
        levels,
        settings["guidance_scale"],
        regularize=inputs.regularize,
    )
    return steps, 2 * len(levels)
