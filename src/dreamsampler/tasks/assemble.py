"""From an edited latent back to the picture: what did not change keeps its own pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.maths import Image
from dreamsampler.tasks.fit import Fit

UNCHANGED, CHANGED = 0.03, 0.12
"""Mean absolute differences (of 1) below which a place counts as kept, above which as redrawn."""


def assemble(source: Tensor, edited: Image, origin: Image | None, fit: Fit) -> Tensor:
    """The edited picture at the source's size.

        C = how much a place was redrawn, in [0, 1]
        x = C up(edited) + (1 - C) (source + up(edited) - up(origin))

    Where little changed, the change is added to the source's own pixels, so that neither the
    autoencoder nor the model's resolution costs detail there; an edit that changes nothing gives
    the source back. Where much changed, the decoded picture stands alone, so that no ghost of the
    source shows through.

    Args:
        source: (3, h, w) in [0, 1].
        edited: (1, 3, H, W) in [-1, 1], decoded, at the model's size.
        origin: the source through the autoencoder, like edited; None takes the decoded picture
            everywhere, as published programs do.
        fit: between the two sizes.
    """
    redrawn = fit.up(edited.clamp(-1, 1))[0]
    if origin is None:
        return redrawn
    change = (edited.clamp(-1, 1) - origin.clamp(-1, 1)) / 2
    share = _redrawn(change)
    kept = source + (redrawn - fit.up(origin.clamp(-1, 1))[0])
    share = fit.up(2 * share - 1)[0]
    return torch.lerp(kept, redrawn, share).clamp(0, 1)


def _redrawn(change: Image) -> Tensor:
    """(1, 1, H, W) in [0, 1]: local mean of the change, through a smooth step."""
    size = change.abs().amax(1, keepdim=True)
    local = functional.avg_pool2d(size, 5, stride=1, padding=2, count_include_pad=False)
    part = ((local - UNCHANGED) / (CHANGED - UNCHANGED)).clamp(0, 1)
    return part * part * (3 - 2 * part)
