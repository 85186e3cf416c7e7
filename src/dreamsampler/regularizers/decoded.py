"""Regularizers that are meant for pictures, on the latents of a model."""

from __future__ import annotations

from collections.abc import Callable

import torch

from dreamsampler.maths import Image, Latent, Step
from dreamsampler.regularizers.regularizer import Regularizer


def decoded(
    regularizer: Regularizer,
    encode: Callable[[Image], Latent],
    decode: Callable[[Latent], Image],
) -> Regularizer:
    """A map of pictures as a map of latents.

        x = D(z0),   z0 <- z0 + E(R(x)) - E(x)

    What the autoencoder loses is lost on both sides of the difference, so that a map that changes
    nothing gives the latent back to the last bit, however lossy the autoencoder is.

    Args:
        regularizer: (x, now) -> x on pictures, about in [-1, 1]: an estimate may leave it a little.
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
