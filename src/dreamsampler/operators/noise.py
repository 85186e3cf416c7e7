"""The noise of a measurement, estimated from the measurement alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from dreamsampler.cancel import check_canceled

TILE = 8
"""Pixels along the side of the tiles that are compared, in pictures that hold four of them."""
BLOCK, BLOCKS = 256, 6
"""Pixels along the side of a block, and blocks along that of a picture, that a large one is read
in."""
DENSE = 0.5
"""Responses a pixel that can be used, below which tiles grow."""
WHOLE = 0.25
"""Share of the measured pixels that must have measured neighbors all around, to use only those."""
CROSS = [[[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]]
"""Two second differences, one after the other: planes and saddles vanish."""
OPPONENT = [[0.5**0.5, -(0.5**0.5), 0.0], [6**-0.5, 6**-0.5, -2 * 6**-0.5]]
"""Orthonormal differences of the colors: what is alike in all of them, as texture is, vanishes."""
SAME = 0.5
"""Share of the noise of the channels that their differences must have to be taken in its place."""
MANY = 1 / 3
"""Share of the tiles that they must have for that: saturated colors leave few."""
STRUCTURE = 1.5
"""Growth of a deviation, against white noise, in means of 2 x 2 pixels, that makes it texture."""
LINES = [
    [[0.0, 0.0, 0.0], [1.0, -2.0, 1.0], [0.0, 0.0, 0.0]],
    [[0.0, 1.0, 0.0], [0.0, -2.0, 0.0], [0.0, 1.0, 0.0]],
    [[1.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, 1.0]],
    [[0.0, 0.0, 1.0], [0.0, -2.0, 0.0], [1.0, 0.0, 0.0]],
]
"""Second differences, which three measured pixels in a row are enough for: planes vanish."""


def estimate_noise(
    y: Float[Tensor, "b c h w"], where: Float[Tensor, "#b #c h w"] | None = None
) -> float:
    """The standard deviation of white Gaussian noise in a measurement stored in [0, 1].

        r = [[1, -2, 1], [-2, 4, -2], [1, -2, 1]] / 6 * y
        v = sqrt(mean r^2) of every tile of 8 x 8 pixels
        noise = root mean square of all v <= 1.25 noise

    White noise keeps its variance in r, planes and saddles vanish there; structure makes v larger,
    never smaller; the fixed point is approached from the lower quartile of all v. Of colors r is
    taken between the channels (R - G, R + G - 2 B), where texture, which is alike in all, vanishes,
    and noise stays. Where that leaves little, the channels' own noise counts only if means of 2 x 2
    pixels have half of it, as white noise has. Where pixels are missing all over,
    r = [1, -2, 1] / sqrt(6) * y along rows, columns and diagonals.
    Clipping cuts noise off, so pixels within 2 noise of black and white do not count; tiles of
    which about half is exactly black or white are read as v^2 = 2 mean (bound - y)^2 instead.
    Rounding to 8 bits is part of what is measured (0.0011). Noise must be white: after JPEG or
    scaling it is not, and fine texture of a sharp gray picture counts as noise.

    Args:
        y: a measurement; noise of the same strength in all rows and channels.
        where: 1 where it was measured; elsewhere it does not count.

    Returns:
        The standard deviation, in the units of y; 0 where nothing varies, or only structure does.

    Raises:
        ValueError: if no pixel has measured neighbors on two opposite sides.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> y = 0.5 + 0.1 * torch.randn(1, 3, 64, 64, generator=rng)
        >>> round(estimate_noise(y), 2)
        0.1

    Source: Immerkaer, CVIU 64 (1996), eq. 3; the tiles and the clipping are ours.
    """
    known = torch.ones_like(y) if where is None else (where > 0.999).to(y).expand_as(y)
    y, known = _sample(y), _sample(known)
    kernels, usable = y.new_tensor(CROSS), known[..., :0, :0]
    if min(y.shape[-2:]) >= 3:
        usable = _complete(known, kernels)
        if usable.sum() < WHOLE * known.sum():
            kernels = y.new_tensor(LINES)
            usable = _complete(known, kernels)
    if not bool(usable.any()):
        size = f"{y.shape[-1]}x{y.shape[-2]}"
        raise ValueError(
            f"the noise of {size} pixels cannot be estimated without a measured pixel that has "
            "measured neighbors on both sides: give its standard deviation"
        )
    every, tiles = _level(y, known, usable, kernels, None)
    if y.shape[1] != 3 or bool((y - y.mean(1, keepdim=True)).abs().amax() < 1.5 / 255):
        return every
    own, fewer = _level(y, known, usable, kernels, y.new_tensor(OPPONENT))
    if own > SAME * every and fewer > MANY * tiles:
        return own
    return every if _white(y, known, every) else own


def _sample(y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Blocks of a large picture, side by side along b, evenly over it; a small one as it is."""
    h, w = y.shape[-2:]
    if h * w <= BLOCKS**2 * BLOCK**2:
        return y
    rows, columns = (
        [round(i * max(n - BLOCK, 0) / (BLOCKS - 1)) for i in range(BLOCKS)] for n in (h, w)
    )
    return torch.cat([y[..., r : r + BLOCK, c : c + BLOCK] for r in rows for c in columns])


def _level(
    y: Float[Tensor, "b c h w"],
    known: Float[Tensor, "b c h w"],
    usable: Float[Tensor, "b ck inner_h inner_w"],
    kernels: Float[Tensor, "k 3 3"],
    mix: Float[Tensor, "d c"] | None,
) -> tuple[float, int]:
    """The fixed point, for channels or for mixtures of them, and of how many tiles; 0 of none."""
    noise, found = 0.0, y.new_zeros(0)
    for _ in range(8):
        check_canceled()
        found = _tiles(y, known, usable, kernels, noise, mix)
        if not len(found):
            break
        level = found.quantile(0.25)
        for _ in range(5):
            level = found[found <= 1.25 * level].square().mean().sqrt()
        settled = abs(level.item() - noise) < 1e-5
        noise = level.item()
        if settled:
            break
    return noise, len(found)


def _white(y: Float[Tensor, "b c h w"], known: Float[Tensor, "b c h w"], noise: float) -> bool:
    """Whether noise has half its deviation in means of 2 x 2 pixels, as white noise has."""
    small, cross = F.avg_pool2d(y, 2), y.new_tensor(CROSS)
    free = (small > 2 * noise) & (small < 1 - 2 * noise)  # else half of it is cut off
    whole = (F.avg_pool2d(known, 2) == 1).to(y) * free
    usable = _complete(whole, cross) if min(small.shape[2:]) >= 3 else whole[..., :0, :0]
    if not bool(usable.any()):
        return True
    return 2 * _level(small, whole, usable, cross, None)[0] <= STRUCTURE * noise


def _along(y: Float[Tensor, "b c h w"], kernels: Float[Tensor, "k 3 3"]) -> Tensor:
    """Every channel filtered by every kernel, (b, c k, h - 2, w - 2)."""
    found = F.conv2d(y.flatten(0, 1)[:, None], kernels[:, None])
    return found.unflatten(0, y.shape[:2]).flatten(1, 2)


def _complete(known: Float[Tensor, "b c h w"], kernels: Float[Tensor, "k 3 3"]) -> Tensor:
    """1 where all pixels below a kernel were measured."""
    used = (kernels != 0).to(known)
    return (_along(1 - known, used) == 0).to(known)


def _tiles(
    y: Float[Tensor, "b c h w"],
    known: Float[Tensor, "b c h w"],
    usable: Float[Tensor, "b ck inner_h inner_w"],
    kernels: Float[Tensor, "k 3 3"],
    noise: float,
    mix: Float[Tensor, "d c"] | None,
) -> Float[Tensor, " tiles"]:
    """The noise in every usable tile, if clipping is that of `noise`."""
    response = _along(y, kernels / kernels.flatten(1).norm(dim=1)[:, None, None])
    mean = F.avg_pool2d(y * known, 3, 1) / F.avg_pool2d(known, 3, 1).clamp_min(1e-6)
    around, inner = (v.repeat_interleave(len(kernels), 1) for v in (mean, y[..., 1:-1, 1:-1]))
    side, rounding = _side(usable, len(kernels)), 0.5 / 255
    margin = max(2 * noise, rounding)
    free = usable * ((around > margin) & (around < 1 - margin))
    cut = usable - free
    bound = (around > 0.5).to(y)
    clipped = (inner >= 1 - rounding) | (inner <= rounding)
    count, lost = _sums(free, side), _sums(cut, side)
    least = 0.3 * max(count.max().item(), lost.max().item())
    share = 1.0
    if mix is not None:
        response, free = _mixed(response, free, mix)
        count, share = _sums(free, side), len(mix) / y.shape[1]
    inside = (_sums(free * response**2, side) / count)[count > share * least]
    share = _sums(cut * clipped, side) / lost
    beside = (2 * _sums(cut * (bound - inner) ** 2, side) / lost)[
        (lost > least) & (share > 0.44) & (share < 0.75)
    ]
    return torch.cat([inside, beside]).sqrt()


def _mixed(response: Tensor, free: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
    """Responses of mixtures of the channels, and 1 where all channels can be used."""
    response, free = (v.unflatten(1, (mix.shape[1], -1)) for v in (response, free))
    mixed = torch.einsum("dc,bckhw->bdkhw", mix, response)
    every = free.amin(1, keepdim=True).expand_as(mixed)
    return mixed.flatten(1, 2), every.flatten(1, 2)


def _side(usable: Tensor, each: int) -> int:
    """Pixels along a tile: more of them where few responses can be used, of `each` a pixel."""
    share = each * usable.mean().item()
    side = round(TILE * max(1.0, (DENSE / max(share, 1e-3)) ** 0.5))
    return max(1, min(side, usable.shape[-2] // 4, usable.shape[-1] // 4))


def _sums(numbers: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b th tw"]:
    """Sums over tiles that overlap by half, all channels together."""
    return F.avg_pool2d(numbers, side, max(1, side // 2), divisor_override=1).sum(1)
