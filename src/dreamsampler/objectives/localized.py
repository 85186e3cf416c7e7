"""A mask that nobody has to draw: where the edit is small, it is none."""

from __future__ import annotations

import torch
from torch.nn import functional

from dreamsampler.maths import Latent, Moment
from dreamsampler.objectives.regularizer import Regularizer


def localized(anchor: Latent, low: float = 0.2, high: float = 0.5) -> Regularizer:
    """Keep the anchor where the change is small against the largest change of the picture.

        d = blur |z0 - anchor|,   m = smoothstep((d / d_max - low) / (high - low))
        z0 <- anchor + m (z0 - anchor)

    d_max is the 98 % quantile of d over the picture. What two prompts agree on changes a little
    everywhere; what they differ in changes a lot in one place.

    Args:
        anchor: clean latent of the source.
        low: share of the largest change below which nothing changes.
        high: share above which the change is taken whole.

    Raises:
        ValueError: low and high that are not 0 <= low < high.

    Source: the implicit mask of Brack et al., "LEDITS++", CVPR 2024 (arXiv:2311.16711), section 3,
    made smooth and relative to the change itself.
    """
    if not 0 <= low < high:
        raise ValueError(f"low is {low} and high {high}, but 0 <= low < high is wanted")

    def apply(z0: Latent, now: Moment) -> Latent:
        change = z0 - anchor
        size = change.square().mean(1, keepdim=True).sqrt()
        padded = functional.pad(size, (1, 1, 1, 1), mode="replicate")
        local = functional.avg_pool2d(padded, 3, stride=1)
        top = local.flatten(1).quantile(0.98, dim=1).view(-1, 1, 1, 1)
        # nothing changed at all: 0 / 0 would be NaN, and 0 is right
        share = torch.where(top > 0, local / top, 0.0)
        part = ((share - low) / (high - low)).clamp(0, 1)
        return anchor + part * part * (3 - 2 * part) * change

    return apply
