"""Where words are attended to: cross-attention maps of a forward, averaged."""

from __future__ import annotations

import math
from typing import final

from torch import Tensor

from dreamsampler.models.errors import ModelError


@final
class Maps:
    """Cross-attention maps of some rows of one forward, at one resolution.

        mean = average over layers and heads of softmax(Q K^T / sqrt(d))

    Layers of one resolution are averaged, the one whose places are nearest to a quarter of the
    latent's side (16 of 64, Stable Diffusion at 512 pixels; 8 of 16 in the bundled model, which
    has no other); of two that are as near, the finer one. Of the others nothing is kept.

    Args:
        rows: of the forward, those whose maps are wanted.
        latent: (h, w) of the latent.

    Source: Hertz et al., "Prompt-to-Prompt", ICLR 2023 (arXiv:2208.01626), and Brack et al.,
    "LEDITS++", CVPR 2024 (arXiv:2311.16711), whose programs both average those of 16 x 16.
    """

    def __init__(self, rows: slice, latent: tuple[int, int]) -> None:
        self._rows, self._latent = rows, latent
        self._sides = (0, 0)
        self._total: Tensor | None = None
        self._layers = 0

    def see(self, scores: Tensor) -> None:
        """Take in a layer's maps, (rows, heads, places, tokens)."""
        sides = _sides(scores.shape[2], self._latent)
        if sides is None or self._far(sides) > self._far(self._sides):
            return
        if sides != self._sides:
            self._sides, self._total, self._layers = sides, None, 0
        found = scores[self._rows].detach().float().mean(1)
        self._total = found if self._total is None else self._total + found
        self._layers += 1

    @property
    def mean(self) -> Tensor:
        """(b, n, h, w) in [0, 1]: how much each place attends to each token.

        Raises:
            ModelError: nothing was seen.
        """
        if self._total is None:
            raise ModelError(
                "this network has no cross-attention in its down and up blocks that belongs to "
                "places of the latent: leave attention out"
            )
        maps = (self._total / self._layers).transpose(1, 2)
        return maps.unflatten(2, self._sides)

    def _far(self, sides: tuple[int, int]) -> tuple[float, int]:
        """How far a resolution is from the wanted one, and the coarser of two the farther."""
        places = sides[0] * sides[1]
        if not places:
            return math.inf, 0
        return abs(math.log(16 * places / (self._latent[0] * self._latent[1]))), -places


def _sides(places: int, latent: tuple[int, int]) -> tuple[int, int] | None:
    """(h, w) of a layer with so many places, as a UNet halves a latent; None if it is none."""
    for up in (1, 0):  # an odd side is halved up or down, as the network pads
        h, w = latent
        while h * w > places and (h > 1 or w > 1):
            h, w = max(1, (h + up) // 2), max(1, (w + up) // 2)
        if h * w == places:
            return h, w
    return None
