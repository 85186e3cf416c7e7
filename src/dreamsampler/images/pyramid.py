"""Numbers known in some places, spread smoothly over the others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def spread(x: Tensor, known: Tensor) -> Tensor:
    """Keep what is known, fill the rest with what is near.

        pull: means of the known pixels on ever coarser grids
        push: cells without any known pixel from the grid below

    Args:
        x: (b, c, h, w); what it holds in unknown places does not matter.
        known: (1 or b, 1, h, w) of zeros and ones; zero is returned where nothing is known at all.

    Source: Gortler et al., "The lumigraph", SIGGRAPH 1996, section 3.4.
    """
    steps = [(x * known, known)]
    while max(steps[-1][0].shape[-2:]) > 1:
        values, weight = (functional.avg_pool2d(each, 2, ceil_mode=True) for each in steps[-1])
        steps.append((values, weight))
    values, weight = steps.pop()
    guess = values / weight.clamp_min(1e-12)
    for values, weight in reversed(steps):
        coarse = functional.interpolate(guess, values.shape[-2:], mode="bilinear")
        guess = torch.where(weight > 0, values / weight.clamp_min(1e-12), coarse)
    return guess
