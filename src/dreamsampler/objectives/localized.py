"""A mask that nobody has to draw: where two prompts agree, nothing changes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.generators import Subject
from dreamsampler.maths import Denoiser, Estimate, Latent, Level, Weight, weigh
from dreamsampler.objectives.guidance import Guided, coupled, together


def spotlight(change: Latent, low: float = 0.12, high: float = 0.35) -> Tensor:
    """Where a change is large against the largest of its picture, (b, 1, h, w) in [0, 1].

        d = blur |change|,   m = smoothstep((d / d_max - low) / (high - low))

    |.| is the root mean square over the channels, d_max the 98 % quantile of d over the picture.
    What two prompts agree on changes a little everywhere; what they differ in changes a lot in one
    place. No change at all gives 0.

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
        raise ValueError(f"low is {low} and high {high}, but 0 <= low < high is wanted")
    size = change.square().mean(1, keepdim=True).sqrt()
    padded = functional.pad(size, (1, 1, 1, 1), mode="replicate")
    local = functional.avg_pool2d(padded, 3, stride=1)
    top = local.flatten(1).quantile(0.98, dim=1).view(-1, 1, 1, 1)
    share = torch.where(top > 0, local / top, 0.0)  # no change is 0 / 0
    part = ((share - low) / (high - low)).clamp(0, 1)
    return part * part * (3 - 2 * part)


def localized(
    target: Guided,
    source: Guided,
    subject: Subject,
    anchor: Latent,
    coupling: Weight = lambda level: level.alpha,
    *,
    by: Guided | None = None,
    low: Weight = 0.12,
    high: Weight = 0.35,
) -> Denoiser:
    """The difference between two prompts (`delta`), taken only where they differ.

        m  = spotlight(z0(by; z_tgt) - z0(source; z_src))
        z0 = anchor + m (z0(target; z_tgt) - z0(source; z_src))

    With `by` the target prompt without guidance the mask does not grow with the guidance scale,
    and equal prompts return the anchor whatever that scale is. All of it is one forward.

    Args:
        target: guidance towards what is wanted.
        source: what is there, usually without guidance.
        subject: whose look this step has hidden in noise.
        anchor: clean latent of the source.
        coupling: see `delta`.
        by: whose difference to the source says where to change; the target itself if left out.
        low: see `spotlight`; may depend on the level.
        high: likewise.

    Source: ours, measured in benchmarks/edit.py; see `delta` and `spotlight` for what it is of.
    """
    judge = target if by is None else by

    def denoise(z: Latent, level: Level) -> Estimate:
        z_tgt, z_src = coupled(z, level, subject.look() - anchor, coupling)
        asked = [(target, z_tgt), (judge, z_tgt), (source, z_src)]
        tgt, seen, src = together(asked, level)
        mask = spotlight(seen.z0 - src.z0, weigh(low, level), weigh(high, level))
        z0 = anchor + mask * (tgt.z0 - src.z0)
        return Estimate(z0, (z_src - level.alpha * anchor) / level.sigma)

    return denoise
