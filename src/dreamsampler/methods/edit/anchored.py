"""Replayed noise, restricted to where the two prompts differ: the default edit up to 0.2.0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dreamsampler.guidance import Guided, conditional, difference_mask, predict_batch
from dreamsampler.maths import Estimate, Latent, Level, Rng, Step
from dreamsampler.methods.edit.ddpm_inversion import replayed
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, identity


def anchored_edit(
    target: Guided,
    source: Guided,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    by: Guided | None = None,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Replayed noise (`ddpm_inversion`) under a mask of where the prompts differ.

        m    = difference_mask(z0(by; z) - z0(src; x_t), low, high)
        z0   = z_src + m (z0(tgt; z) - z0(src; x_t))
        eps' = n_t' + sqrt(1 - k) m (eps(tgt; z) - eps(src; x_t))

    The difference of two prompts cancels what they agree on; the mask removes the rest, so that the
    background does not change. At high noise, where shapes are decided, the mask is open only where
    the change is large; well before the end it is open nearly everywhere, so that no rest of the
    source shows through:

        low = max(0, u - 0.2),   high = max(0.1, u)      u = sigma / (alpha + sigma)

    so that at a level whose share of noise is u a change counts fully where it is at least the
    share u of the largest one of its picture. No inversion, and few steps: three evaluations each.

    Args:
        source: the source prompt, without guidance.
        levels: falling; the first one decides how much may change.
        by: whose difference to the source makes the mask; best the target prompt without
            guidance; the target itself if left out.
        regularize: further maps on the edit's estimate, such as a drawn mask.

    Source: ours; the noise is edit-friendly DDPM inversion's (arXiv:2304.06140), the idea of the
    mask LEDITS++'s (arXiv:2311.16711). Measured in docs/benchmarks.md.
    """
    seen = target if by is None else by

    def pair(z: Latent, x_t: Latent, level: Level) -> tuple[Estimate, Estimate]:
        u = level.flow
        tgt, src, m = compared(target, seen, source, z, x_t, level, max(0.0, u - 0.2), max(0.1, u))
        return src.lerp(tgt, m), src

    return replayed(pair, z_src, levels, rng, regularize=regularize)


def compared(
    target: Guided,
    by: Guided,
    source: Guided,
    z: Latent,
    x_t: Latent,
    level: Level,
    low: float,
    high: float,
) -> tuple[Estimate, Estimate, Tensor]:
    """Estimates of the edit at z and of the source at x_t, and the mask of where they differ.

    Args:
        by: whose difference to the source makes the mask.
        low: of `difference_mask`, like high.
    """
    if torch.equal(z, x_t):
        x_t = z  # one object: evaluated once, and equal prompts cancel to the last bit
    tgt, change, src = predict_batch([(target, z), (by, z), (source, x_t)], level)
    return tgt, src, difference_mask(change.z0 - src.z0, low, high)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered; a negative prompt acts where the other two agree as well."""
    levels, target = inputs.levels(settings), inputs.target(settings["guidance_scale"])
    source = conditional(inputs.prior, inputs.source_condition)
    by = None if inputs.negative else conditional(inputs.prior, inputs.condition)
    how = {"by": by, "regularize": inputs.regularize}
    return anchored_edit(target, source, inputs.z_src, levels, inputs.rng, **how), len(levels)
