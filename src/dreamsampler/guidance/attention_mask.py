"""Masks made of cross-attention to the words of an edit."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def largest(size: Tensor, threshold: float) -> Tensor:
    """Where a picture is above its own quantile, (b, 1, h, w) of 0 and 1.

    Args:
        size: (b, 1, h, w), at least 0.
        threshold: share of each picture that stays black, in [0, 1).

    Example:
        >>> largest(torch.arange(4.0).view(1, 1, 2, 2), 0.5).flatten().tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    least = size.flatten(1).quantile(threshold, dim=1).view(-1, *[1] * (size.dim() - 1))
    return (size >= least).to(size)


def token_attention(maps: Tensor, words: Tensor) -> Tensor:
    """The attention of each cell to some words, (b, 1, h, w).

    Args:
        maps: (b, n, h, w) cross-attention.
        words: (b or 1, n), 1 at the tokens of the words.
    """
    return torch.einsum("bnhw,bn->bhw", maps, words.to(maps).expand(len(maps), -1))[:, None]


def attention_mask(maps: Tensor, words: Tensor, threshold: float, shape: tuple[int, int]) -> Tensor:
    """LEDITS++'s mask M1, where the attention to the words is largest, (b, 1, *shape).

        A  = G * sum over words of maps,   M1 = [A >= quantile_threshold(A)]

    G is a Gaussian of 3 x 3 cells with standard deviation 1 / sqrt(2), over edges mirrored. The
    quantile is taken at the maps' own resolution, and its result repeated to `shape`.

    Args:
        maps: (b, n, h, w) cross-attention, averaged over heads and layers.
        words: (b or 1, n), 1 at the tokens of the words.
        threshold: share of the picture that stays black, in [0, 1).
        shape: (h, w) of the mask.

    Source: Brack et al., "LEDITS++", CVPR 2024 (arXiv:2311.16711), "semantic grounding"; Gaussian
    and resolution of the quantile are those of the authors' program.
    """
    total = token_attention(maps, words)
    side = torch.tensor([math.exp(-1.0), 1.0, math.exp(-1.0)], dtype=maps.dtype).to(maps.device)
    kernel = torch.outer(side, side) / side.sum() ** 2
    edge = "reflect" if min(total.shape[2:]) > 1 else "replicate"  # one cell has no mirror image
    padded = functional.pad(total, (1, 1, 1, 1), mode=edge)
    smooth = functional.conv2d(padded, kernel[None, None])
    return functional.interpolate(largest(smooth, threshold), size=shape, mode="nearest")


def quantile_mask(total: Tensor, threshold: float, shape: tuple[int, int]) -> Tensor:
    """Prompt-to-Prompt's mask of some words, (b, 1, *shape) of 0 and 1.

        m = [U(P * A) > threshold max U(P * A)]

    P takes the largest of 3 x 3 cells, U repeats cells. Words without any attention give 0.

    Args:
        total: A, (b, 1, h, w): attention to the words (`token_attention`), up to a factor.
        threshold: share of the picture's maximum above which it is white, in [0, 1).
        shape: (h, w) of the mask.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), "local editing"; P is
    that of the authors' program.
    """
    pooled = functional.max_pool2d(total, 3, stride=1, padding=1)
    large = functional.interpolate(pooled, size=shape, mode="nearest")
    return (large > threshold * large.amax((1, 2, 3), keepdim=True)).to(total)
