"""Regularizers of pictures, on the latents of a model."""

from __future__ import annotations

from collections.abc import Callable

import torch

from dreamsampler.maths import Image, Latent, Step
from dreamsampler.regularizers.regularizer import Regularizer


def decoded(
    regularizer: Regularizer, encode: Callable[[Image], Latent], decode: Callable[[Latent], Image]
) -> Regularizer:
    """A map of pictures as a map of latents.

        x = D(z0),   z0 <- z0 + E(R(x)) - E(x)

    The loss of the autoencoder cancels, so that a map that changes nothing gives the latent back to
    the last bit.

    Args:
        regularizer: of pictures in [-1, 1], which an estimate may leave a little.
        encode: E, a prior's.
        decode: D, a prior's.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        x = decode(z0)
        changed = regularizer(x, step)
        if changed is x:
            return z0
        after, before = encode(torch.cat([changed, x])).to(z0).chunk(2)
        return z0 + (after - before)

    return apply
