"""A window on a part of a picture: work there at the model's own size, put it back exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor

from dreamsampler.images.seam import around

CONTEXT = 0.5
"""Default margin around the holes, as a share of the longer side of the box around them."""


@final
@dataclass(frozen=True)
class Window:
    """A rectangle of a picture.

    Example:
        >>> import torch
        >>> Window.around(torch.ones(1, 4, 4), margin=2)
        Window(top=0, left=0, height=4, width=4)
    """

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def around(cls, mask: Tensor, margin: int | None = None, least: int = 0) -> Window:
        """The window around everything that is not black, with some of what lies around it.

        It grows evenly to both sides, is moved rather than cut at the picture's rim, and is made
        as nearly square as the picture allows, since that is what models know best.

        Args:
            mask: (1, h, w); the whole picture if it is all black.
            margin: pixels of context on every side; by default half the longer side of the box
                around the holes.
            least: sides are at least this long, if the picture is; the model's native size, so
                that nothing is enlarged that need not be.
        """
        height, width = mask.shape[-2:]
        marked = mask[0] > 0
        if not bool(marked.any()):
            return cls(0, 0, height, width)
        rows, columns = around(marked, 0)
        longer = max(rows.stop - rows.start, columns.stop - columns.start)
        space = math.ceil(CONTEXT * longer) if margin is None else margin
        side = max(longer + 2 * space, least)
        top, rows_kept = _span(rows.start, rows.stop, side, height)
        left, columns_kept = _span(columns.start, columns.stop, side, width)
        return cls(top, left, rows_kept, columns_kept)

    def cut(self, x: Tensor) -> Tensor:
        """The part of a picture (..., h, w) that the window shows."""
        return x[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def paste(self, x: Tensor, part: Tensor) -> Tensor:
        """The picture with another part in the window; a copy."""
        whole = x.clone()
        self.cut(whole).copy_(part)
        return whole


def _span(first: int, last: int, side: int, whole: int) -> tuple[int, int]:
    """Start and length of a side that holds [first, last), about its middle, within [0, whole)."""
    length = min(side, whole)
    start = (first + last - length) // 2
    return min(max(start, 0), whole - length), length


def extent(mask: Tensor) -> int:
    """The longer side of the box around everything that is not black, in pixels."""
    marked = mask[0] > 0
    return max(int(marked.any(1).sum()), int(marked.any(0).sum()))
