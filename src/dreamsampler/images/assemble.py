"""From an edited latent back to the picture: what did not change keeps its own pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.images.fit import Fit
from dreamsampler.maths import Image

UNSEEN, SEEN = 0.02, 0.05
"""Local mean differences (of 1) below which nothing changed that an eye would see: the source's own
bits; above which all of the change is taken. Measured in docs/benchmarks.md."""
UNCHANGED, CHANGED = 0.03, 0.12
"""The same, below which a place counts as kept, above which as redrawn."""


def assemble(
    source: Tensor, edited: Image, origin: Image | None, fit: Fit, change: Tensor | None = None
) -> Tensor:
    """The edited picture at the source's size.

        S, C = how much of a change is seen, and how much a place was redrawn, in [0, 1]
        x = source + S (C up(edited) + (1 - C) (source + up(edited) - up(origin)) - source)

    Where no eye would see a change, the source's pixels stay to the bit. Where little changed, the
    change is added to them, so that neither the autoencoder nor the model's resolution costs detail
    there. Where much changed, the decoded picture stands alone, so that no ghost of the source
    shows through. An edit that changes nothing gives the source back.

    Args:
        source: (3, h, w) in [0, 1].
        edited: (1, 3, H, W) in [-1, 1], decoded, at the model's size.
        origin: the source through the autoencoder, like edited; None takes the decoded picture
            everywhere, as published programs do.
        change: (1, 1 or 3, H, W) in pictures of [-1, 1], what counts as one (`redrawn_change`);
            edited - origin if left out.
    """
    redrawn = fit.up(edited.clamp(-1, 1))[0]
    if origin is None:
        return redrawn
    if change is None:
        change = edited.clamp(-1, 1) - origin.clamp(-1, 1)
    seen, share = (fit.up(2 * part - 1)[0] for part in _shares(change / 2))
    kept = source + (redrawn - fit.up(origin.clamp(-1, 1))[0])
    return torch.lerp(source, torch.lerp(kept, redrawn, share), seen).clamp(0, 1)


def _shares(change: Tensor) -> tuple[Tensor, Tensor]:
    """(1, 1, H, W) in [0, 1], twice: the local mean of the change through two smooth steps."""
    size = change.abs().amax(1, keepdim=True)
    local = functional.avg_pool2d(size, 5, stride=1, padding=2, count_include_pad=False)
    return _smooth(local, UNSEEN, SEEN), _smooth(local, UNCHANGED, CHANGED)


def _smooth(size: Tensor, low: float, high: float) -> Tensor:
    part = ((size - low) / (high - low)).clamp(0, 1)
    return part * part * (3 - 2 * part)
