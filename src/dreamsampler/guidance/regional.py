"""Several prompts in one picture, each under its mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamsampler.guidance.guided import Guided, predict_batch
from dreamsampler.maths import Denoiser, Estimate, Latent, Level


def shares(masks: Sequence[Tensor]) -> list[Tensor]:
    """Weights of overlapping masks: w_i = m_i / max(1, sum_j m_j).

    They never sum to more than 1, and where the masks do not overlap each is its mask.

    Args:
        masks: of one shape, in [0, 1].

    Example:
        >>> one, two = torch.tensor([1.0, 1.0, 0.5]), torch.tensor([0.0, 1.0, 0.0])
        >>> [weight.tolist() for weight in shares([one, two])]
        [[1.0, 0.5, 0.5], [0.0, 0.5, 0.0]]
    """
    total = torch.stack(list(masks)).sum(0).clamp_min(1)
    return [mask / total for mask in masks]


def regional(guided: Sequence[Guided], masks: Sequence[Tensor]) -> Denoiser:
    """Each denoiser where its mask is white, all of them in one forward of the network.

        z0 = sum_i p_i z0_i,   eps = sum_i p_i eps_i,   p_i = m_i / sum_j m_j

    Where no mask is white all denoisers count the same, so that the pair explains z everywhere.
    Prompts that are shared, such as the null prompt, are evaluated once.

    Args:
        guided: denoisers of one prior.
        masks: one per denoiser, (1 or b, 1, h, w) at latent size, in [0, 1].

    Raises:
        ValueError: another number of masks than of denoisers, or none at all.

    Source: Bar-Tal et al., "MultiDiffusion", ICML 2023 (arXiv:2302.08113), eq. 5, on estimates.
    """
    if len(guided) != len(masks) or not guided:
        raise ValueError(f"{len(masks)} masks came for {len(guided)} denoisers: pass one for each")
    if len(guided) == 1:
        return guided[0]
    parts = _parts(masks)

    def denoise(z: Latent, level: Level) -> Estimate:
        estimates = predict_batch([(each, z) for each in guided], level)
        z0, eps = torch.zeros_like(z), torch.zeros_like(z)
        for part, each in zip(parts, estimates, strict=True):
            z0, eps = z0 + part.to(z) * each.z0, eps + part.to(z) * each.eps
        return Estimate(z0, eps)

    return denoise


def _parts(masks: Sequence[Tensor]) -> list[Tensor]:
    total = torch.stack(list(masks)).sum(0)
    even = torch.full_like(total, 1 / len(masks))
    return [torch.where(total > 0, mask / total.clamp_min(1e-12), even) for mask in masks]
