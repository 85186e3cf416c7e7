"""How noisy a measurement is, from the measurement alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

TILE = 8
"""Pixels along the side of the tiles that are compared, in pictures that hold four of them."""


def estimate_noise(
    y: Float[Tensor, "b c h w"], where: Float[Tensor, "#b #c h w"] | None = None
) -> float:
    """The standard deviation of white Gaussian noise in a measurement stored in [0, 1].

        r = [[1, -2, 1], [-2, 4, -2], [1, -2, 1]] / 6 * y
        v = sqrt(mean r^2) of every tile of 8 x 8 pixels
        noise = root mean square of all v <= 1.25 noise

    White noise keeps its variance in r, planes and saddles vanish there; structure makes v larger,
    never smaller; the fixed point is approached from the lower quartile of all v.
    Clipping cuts noise off, so pixels within 2 noise of black and white do not count; tiles of
    which about half is exactly black or white are read as v^2 = 2 mean (bound - y)^2 instead.
    Rounding to 8 bits is part of what is measured (0.0011). Noise must be white: after JPEG or
    scaling it is not, and fine texture of a sharp small picture counts as noise.

    Args:
        y: a measurement; noise of the same strength in all rows and channels.
        where: 1 where it was measured; elsewhere it does not count.

    Returns:
        The standard deviation, in the units of y; 0 where nothing varies.

    Raises:
        ValueError: if no pixel has measured neighbors on all sides.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> y = 0.5 + 0.1 * torch.randn(1, 3, 64, 64, generator=rng)
        >>> round(estimate_noise(y), 2)
        0.1

    Source: Immerkaer, CVIU 64 (1996), eq. 3; the tiles and the clipping are ours.
    """
    known = torch.ones_like(y) if where is None else (where > 0.999).to(y).expand_as(y)
    if min(y.shape[-2:]) >= 3:
        known = -F.max_pool2d(-known, 3, 1)
    if min(y.shape[-2:]) < 3 or not bool(known.any()):
        size = f"{y.shape[-1]}x{y.shape[-2]}"
        raise ValueError(
            f"the noise of {size} pixels cannot be estimated without a measured pixel that has "
            "measured neighbors on all sides: say how strong it is"
        )
    noise = 0.0
    for _ in range(8):
        found = _tiles(y, known, noise)
        if not len(found):
            break
        level = found.quantile(0.25)
        for _ in range(5):
            level = found[found <= 1.25 * level].square().mean().sqrt()
        settled = abs(level.item() - noise) < 1e-5
        noise = level.item()
        if settled:
            break
    return noise


def _tiles(
    y: Float[Tensor, "b c h w"], known: Float[Tensor, "b c inner_h inner_w"], noise: float
) -> Float[Tensor, " tiles"]:
    """What every usable tile says the noise is, if clipping is that of `noise`."""
    kernel = y.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None] / 6
    response = F.conv2d(y.flatten(0, 1)[:, None], kernel)[:, 0].unflatten(0, y.shape[:2])
    inner, around = y[..., 1:-1, 1:-1], F.avg_pool2d(y, 3, 1)
    rounding = 0.5 / 255
    margin = max(2 * noise, rounding)
    free = known * ((around > margin) & (around < 1 - margin))
    cut = known - free
    bound = (around > 0.5).to(y)
    clipped = (inner >= 1 - rounding) | (inner <= rounding)
    count, lost = _sums(free), _sums(cut)
    least = 0.3 * max(count.max().item(), lost.max().item())
    inside = (_sums(free * response**2) / count)[count > least]
    share = _sums(cut * clipped) / lost
    beside = (2 * _sums(cut * (bound - inner) ** 2) / lost)[
        (lost > least) & (share > 0.44) & (share < 0.75)
    ]
    return torch.cat([inside, beside]).sqrt()


def _sums(numbers: Float[Tensor, "b c h w"]) -> Float[Tensor, "b th tw"]:
    """Sums over tiles that overlap by half, all channels together."""
    side = max(1, min(TILE, numbers.shape[-2] // 4, numbers.shape[-1] // 4))
    return F.avg_pool2d(numbers, side, max(1, side // 2), divisor_override=1).sum(1)
