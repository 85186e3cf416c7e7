"""What each regularizer is for, as a number of a picture (for benchmarks/regularizers.py).

- flattened: total variation a pixel, of 255; and paths that a tracer needs
- mirrored: mean difference of the halves, of 255
- palette: mean distance of a pixel to the nearest color of the palette, of 255
- resembling: how far the statistics of the autoencoder's stages are from those of the reference, as
  a share of them, in percent
- seamless: jump across the border over the mean step between neighbors inside (1: no seam)

All of them are smaller where the regularizer had its way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.edit import HERE, Bench, read
from dreamsampler.generators.vector import traced
from dreamsampler.models.features import encoder_features
from dreamsampler.regularizers import palette_of
from dreamsampler.regularizers.reference_style import Features

REFERENCE = HERE.parent / "examples" / "apple.png"
"""Whose colors and style are wanted."""
COLORS = 6


def own_figures(bench: Bench, name: str, x: Tensor) -> list[float]:
    """A regularizer's own figure, one a picture; of pictures (b, 3, h, w) in [0, 1]."""
    if name == "resembling":
        told = [style_of(sight(bench)(each[None] * 2 - 1)) for each in (*x, read(REFERENCE))]
        *rows, wanted = told
        return [100 * distance(row, wanted) for row in rows]
    if name == "flattened":
        down, right = x.diff(dim=-2)[..., :-1], x.diff(dim=-1)[..., :-1, :]
        found = 255 * (down.square() + right.square()).sum(1).sqrt().mean((1, 2))
    elif name == "mirrored":
        found = 255 * (x - x.flip(-1)).abs().mean((1, 2, 3))
    elif name == "palette":
        colors = palette_of(read(REFERENCE)[None] * 2 - 1, COLORS) / 2 + 0.5
        rows = x.movedim(1, -1).flatten(1, 2)
        found = 255 * torch.cdist(rows, colors.expand(len(x), -1, -1)).amin(2).mean(1)
    elif name == "seamless":
        wide, high = (x[..., 0] - x[..., -1]).abs(), (x[..., 0, :] - x[..., -1, :]).abs()
        inside = x.diff(dim=-1).abs().mean((1, 2, 3)) + x.diff(dim=-2).abs().mean((1, 2, 3))
        found = (wide.mean((1, 2)) + high.mean((1, 2))) / inside
    else:
        raise ValueError(f"there is no figure of {name}: measure it in the file that makes it")
    return found.tolist()


def paths(x: Tensor) -> list[float]:
    """Paths that a tracer makes of each picture."""
    return [float(traced(row, 4096).paths) for row in x]


def sight(bench: Bench) -> Features:
    """What the model's own autoencoder sees."""
    return encoder_features(bench.prior)


def style_of(layers: list[Tensor]) -> list[Tensor]:
    """Mean and deviation of every channel."""
    return [torch.cat([m.mean((2, 3)), m.std((2, 3), correction=0)], 1) for m in layers]


def distance(seen: list[Tensor], wanted: list[Tensor]) -> float:
    """Root mean square over layers of |seen - wanted| / |wanted|."""
    pairs = zip(seen, wanted, strict=True)
    shares = torch.stack([((a - b).norm() / b.norm()) ** 2 for a, b in pairs])
    return float(shares.mean().sqrt())


def told(bench: Bench, pictures: Tensor) -> list[dict[str, float]]:
    """Likeness and background of each picture, as in benchmarks/edit.py."""
    order = bench.judge.rank(pictures).argsort(1, descending=True)
    place = (order == bench.wanted[:, None]).float().argmax(1).tolist()
    error = ((pictures - bench.x) ** 2 * bench.ground).sum((1, 2, 3))
    mse = error / (3 * bench.ground.sum((1, 2, 3))).clamp_min(1)
    decibels = (-10 * mse.clamp_min(1e-6).log10()).tolist()
    return [
        {"top-1": 100.0 * (p < 1), "top-5": 100.0 * (p < 5), "background": d}
        for p, d in zip(place, decibels, strict=True)
    ]
