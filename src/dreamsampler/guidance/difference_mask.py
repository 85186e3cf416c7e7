"""A mask made of the difference of two prompts: where they agree, nothing changes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.maths import Latent


def difference_mask(change: Latent, low: float = 0.12, high: float = 0.35) -> Tensor:
    """Where a change is large against the largest of its picture, (b, 1, h, w) in [0, 1].

        d = blur |change|,   m = smoothstep((d / d_max - low) / (high - low))

    |.| is the root mean square over the channels, d_max the 98 % quantile of d over the picture.
    Where two prompts agree the change is small; where they differ it is large. No change at all
    gives 0.

    Args:
        change: (b, c, h, w).
        low: share of the largest change below which the mask is black.
        high: share above which it is white.

    Raises:
        ValueError: low and high that are not 0 <= low < high.

    Source: the implicit mask of Brack et al., "LEDITS++", CVPR 2024 (arXiv:2311.16711), section 3,
    made smooth and relative to the change itself.
    """
    if not 0 <= low < high:
        raise ValueError(f"low is {low} and high {high}, but must be 0 <= low < high")
    size = change.square().mean(1, keepdim=True).sqrt()
    padded = functional.pad(size, (1, 1, 1, 1), mode="replicate")
    local = functional.avg_pool2d(padded, 3, stride=1)
    top = local.flatten(1).quantile(0.98, dim=1).view(-1, 1, 1, 1)
    share = torch.where(top > 0, local / top, 0.0)  # no change is 0 / 0
    part = ((share - low) / (high - low)).clamp(0, 1)
    return part * part * (3 - 2 * part)
