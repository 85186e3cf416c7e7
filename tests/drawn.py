"""Pictures known at every point, so that a moved one is drawn, not resampled."""

import torch


def drawing(seed, rich):
    """A function (rows, columns) -> (3, h, w): shapes on a ground, with waves over them if rich.

    Places are shares of the shorter side from the middle, so that they hold for any size.
    """
    rng = torch.Generator().manual_seed(seed)
    uniform = lambda *size: torch.rand(*size, generator=rng, dtype=torch.float64)
    grid = torch.cartesian_prod(torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 5)).double()
    middles, radii, colors = (
        grid + 0.3 * uniform(25, 2),
        0.04 + 0.12 * uniform(25),
        0.2 + 0.6 * uniform(25, 3),
    )
    ground, waves, phases = 0.2 + 0.6 * uniform(3), 60 * uniform(6, 2) - 30, 7 * uniform(6, 3)

    def draw(rows, columns, soft):
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        out = ground.view(3, 1, 1).expand(3, *y.shape).clone()
        for (cy, cx), radius, color in zip(middles, radii, colors, strict=True):
            depth = radius - torch.hypot(y - cy, x - cx)
            out += torch.sigmoid(depth / soft) * (color.view(3, 1, 1) - out)
        for (ky, kx), phase in zip(waves if rich else [], phases, strict=False):
            out += 0.03 * torch.sin(ky * y + kx * x + phase.view(3, 1, 1))
        return out

    return draw


def redrawing(size, seed, rich, scale, shift, tint=0.0, changed=0.25):
    """(picture, the same moved, tinted and in part another one, where it is, (1, h, w))."""
    side, (h, w) = min(size), size
    places = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in size]
    moved = [(at - t) / scale for at, t in zip(places, shift, strict=True)]
    draw, other = drawing(seed, rich), drawing(seed + 100, True)
    picture = draw(*(at / side for at in places), 0.6 / side)
    redrawn = draw(*(at / side for at in moved), 0.6 / side)
    rows, columns = round(h * changed**0.5), round(w * changed**0.5)
    top, left = seed * 7 % (h - rows + 1), seed * 13 % (w - columns + 1)
    where = torch.zeros(1, h, w, dtype=torch.float64)
    where[:, top : top + rows, left : left + columns] = 1
    redrawn = redrawn + where * (other(*(at / side for at in moved), 0.6 / side) - redrawn)
    gain, offset = (
        torch.tensor([1 + tint, 1 - tint, 1.0]),
        torch.tensor([-tint / 2, tint / 2, tint]),
    )
    redrawn = redrawn * gain.view(3, 1, 1) + offset.view(3, 1, 1)
    return picture.float(), redrawn.float(), where.float()
