"""Few colors: a palette that a picture keeps to."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dreamsampler.maths import Image, Latent, Weight
from dreamsampler.regularizers.regularizer import Regularizer, towards


def palette(colors: Float[Tensor, "k c"], weight: Weight = 4.0) -> Regularizer:
    """Every pixel moves towards the nearest of some colors.

        R(x) = 1/2 sum over pixels of min_k |x - color_k|^2,   prox: x + w / (1 + w) (nearest - x)

    Args:
        colors: in the values of the picture, [-1, 1] for pictures (`palette_of`).
        weight: w >= 0; 0 is the identity, infinity leaves nothing but these colors.

    Example:
        >>> from dreamsampler.maths import Cosine, Estimate, Step
        >>> red = torch.tensor([[1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
        >>> x = torch.tensor([0.8, -0.8, -1.0]).view(1, 3, 1, 1)
        >>> step = Step(0, Cosine()(0.5), x, x, x, Estimate(x, x), x)
        >>> palette(red, weight=1.0)(x, step).flatten()
        tensor([ 0.9000, -0.9000, -1.0000])

    Raises:
        ValueError: colors with another number of channels than what is regularized.

    Source: the prox of half the squared distance to a set, Combettes & Pesquet, "Proximal splitting
    methods in signal processing" (2011), table 10.1; here to a finite set of colors.
    """

    def nearest(z0: Latent) -> Latent:
        if colors.shape[1] != z0.shape[1]:
            raise ValueError(
                f"the palette has colors of {colors.shape[1]} numbers, but the picture "
                f"{z0.shape[1]} channels: regularize pictures, not latents (`decoded`)"
            )
        rows = z0.movedim(1, -1).flatten(1, -2)
        own = colors.to(z0)
        near = torch.cdist(rows, own.expand(len(rows), -1, -1)).argmin(-1)
        return own[near].view(z0.movedim(1, -1).shape).movedim(-1, 1)

    return towards(nearest, weight)


def reference_palette(reference: Image, colors: int = 8, weight: Weight = 4.0) -> Regularizer:
    """`palette` of the colors of a picture (`palette_of`)."""
    return palette(palette_of(reference, colors), weight)


def palette_of(x: Image, colors: int = 8, *, steps: int = 20) -> Float[Tensor, "k c"]:
    """The colors of a picture, by k-means, the most frequent one first.

    Begins with the mean color and then the color farthest from those taken, so that small bright
    places get one as well; draws nothing.

    Args:
        x: (1, 3, h, w) in [-1, 1].
        colors: how many at most; a picture of fewer has fewer.
        steps: of Lloyd's algorithm.

    Source: Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982); seeded as
    Gonzalez, Theoretical Computer Science 38 (1985).
    """
    pixels: Any = x.movedim(1, -1).reshape(-1, x.shape[1])
    points: Tensor
    weights: Tensor
    points, weights = pixels.unique(dim=0, return_counts=True)
    weights = weights.to(points)[:, None]
    chosen = [(points * weights).sum(0) / weights.sum()]
    for _ in range(min(colors, len(points)) - 1):
        far = torch.cdist(points, torch.stack(chosen)).amin(1)
        chosen.append(points[(far * weights[:, 0].log1p()).argmax()])
    means = torch.stack(chosen)
    for _ in range(steps):
        owner = torch.cdist(points, means).argmin(1)
        total = torch.zeros_like(means).index_add_(0, owner, points * weights)
        size = means.new_zeros(len(means), 1).index_add_(0, owner, weights)
        means = torch.where(size > 0, total / size.clamp_min(1), means)
    owner = torch.cdist(points, means).argmin(1)
    share = means.new_zeros(len(means)).index_add_(0, owner, weights[:, 0])
    return means[share.argsort(descending=True)][: int((share > 0).sum())]
