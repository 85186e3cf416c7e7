"""From a whole picture that was drawn again to what was changed in it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.images.register import register, smooth
from dreamsampler.maths import Image

BLUR = 0.25
"""Share of the local contrast by which a redrawing differs where it is only blurred or off by a
part of a pixel."""


def redrawn_change(
    origin: Image, redrawn: Image, keep: Tensor | None = None
) -> tuple[Image, Tensor]:
    """A redrawing in the place and the colors of its origin, and how much of it is a change.

        change = max(|G (edited - origin)| - BLUR contrast, 0)

    G is a binomial blur, contrast the range of G origin over 3 x 3 pixels. Where the redrawing does
    not show the rim of the origin, it is as at its own rim.

    Args:
        origin: (1, 3, h, w) in [-1, 1], the source through the autoencoder.
        keep: (1, h, w) in [0, 1], by which parts to find the place; all if left out.

    Returns:
        (1, 3, h, w) in [-1, 1], and the change in pictures of [-1, 1], (1, 1, h, w).
    """
    one, other = ((x[0].clamp(-1, 1) + 1) / 2 for x in (origin, redrawn))
    found = register(one, other, keep)
    edited = found.untinted(found.in_place(other)).clamp(0, 1)
    ours, theirs = smooth(one)[None], smooth(edited)[None]
    contrast = functional.max_pool2d(ours, 3, 1, 1) + functional.max_pool2d(-ours, 3, 1, 1)
    change = ((theirs - ours).abs() - BLUR * contrast).clamp_min(0).amax(1, keepdim=True)
    for axis, at in enumerate(found.places((one.shape[1], one.shape[2])), start=2):
        shown = ((at >= 0) & (at <= len(at) - 1)).nonzero()
        index = torch.arange(len(at)).clamp(int(shown[0]), int(shown[-1]))
        change = change.index_select(axis, index.to(change.device))
    return 2 * edited[None] - 1, 2 * change
