"""The shapes that travel through the house."""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

Latent: TypeAlias = Float[Tensor, "b *chw"]
"""Clean or noisy latent, one row an image; (b, c, h, w) for every picture model."""

Image: TypeAlias = Float[Tensor, "b 3 h w"]
"""Pictures, RGB; [-1, 1] inside the house, [0, 1] at its doors (files, web page)."""
