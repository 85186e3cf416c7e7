"""Rectified-CFG++: guidance by the difference of two prompts half a step ahead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dreamsampler.guidance.guided import conditional
from dreamsampler.maths import Denoiser, Estimate, Latent, Level, Weight, weigh
from dreamsampler.models.prior import Condition, Prior


def rectified_cfg_pp(
    prior: Prior, condition: Condition, null: Condition, scale: Weight, levels: Sequence[Level]
) -> Denoiser:
    """Follow the prompt alone half a step, and add the difference of both prompts found there.

        z_m = alpha_m z0(c; z) + sigma_m eps(c; z),          u_m = (u + u') / 2
        d   = (w - 1) (v(c; z_m) - v(null; z_m)),            v = eps - z0
        z0  = z0(c; z) - u d,   eps = eps(c; z) + (1 - u) d

    so that the velocity is v(c; z) + d. u = sigma / (alpha + sigma) is the flow time; a prime marks
    the next level. CFG adds the same difference at z itself, where its own extrapolation has led;
    both tend to the same path as steps become many. Two forwards of the network a step, of three
    rows together.

    Args:
        prior: the model, guided by two prompts.
        null: the negative or empty prompt.
        scale: w; 1 is the prompt alone, in one forward. The paper's lambda is w - 1, and its
            lambda_max (1 - t)^gamma is `lambda level: 1 + lambda_max * (1 - level.flow) ** gamma`.
        levels: the falling levels of the run; after the last one comes the clean level.

    Example:
        >>> import torch
        >>> from dreamsampler.models import GaussianMixture
        >>> prior = GaussianMixture(torch.tensor([[2.0], [-2.0]]), std=0.5)
        >>> levels = prior.schedule.grid(4)
        >>> denoise = rectified_cfg_pp(prior, 0, None, 3.0, levels)
        >>> bool(denoise(torch.zeros(1, 1), levels[1]).z0 > 0)
        True

    Source: Saini, Gupta & Bovik, "Rectified-CFG++ for flow based models", NeurIPS 2025
    (arXiv:2510.07631), algorithm 1 without its optional noise, for any schedule.
    """
    first, following = conditional(prior, condition), dict(pairwise(levels))

    def denoise(z: Latent, level: Level) -> Estimate:
        text, extra = first(z, level), weigh(scale, level) - 1
        if extra == 0 or condition is null:
            return text
        end = following[level].flow if level in following else 0.0
        middle = prior.schedule.at_flow((level.flow + end) / 2)
        ahead = middle.alpha * text.z0 + middle.sigma * text.eps
        ours, theirs = prior.predict(ahead, middle, [condition, null])
        change = extra * ((ours.eps - theirs.eps) - (ours.z0 - theirs.z0))
        return Estimate(text.z0 - level.flow * change, text.eps + (1 - level.flow) * change)

    return denoise
