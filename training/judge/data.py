"""Pictures for the judge: wider augmentation than the denoiser's, and a weak generator's damage."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.autoencoder.render import plain_names
from training.data.captions import BACKGROUNDS
from training.data.concepts import icon_names
from training.data.icons import glyph
from training.data.render import backdrop, compose, wide_affine

SIDE = 64
Labeled = tuple[Tensor, Tensor, Tensor]


def small(picture: np.ndarray) -> Tensor:
    """uint8 [128, 128, 3] -> uint8 [3, 64, 64]."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    return F.interpolate(planes, (SIDE, SIDE), mode="area")[0].round().byte()


def render(sets: dict, count: int, seed: int, styles: list[str]) -> Labeled:
    """uint8 pictures [n, 3, 64, 64], concept and background indices; every concept alike often."""
    rng, names, words = random.Random(seed), icon_names(), list(BACKGROUNDS)
    glyphs = {(s, name): glyph(sets[s], name) for s in styles for name in names}
    images = torch.empty(count, 3, SIDE, SIDE, dtype=torch.uint8)
    concepts = torch.tensor([i % len(names) for i in range(count)])
    behind = torch.tensor([rng.randrange(len(words)) for _ in range(count)])
    for row in range(count):
        paper = backdrop(words[behind[row]], "gradient" if rng.random() < 0.12 else "plain", rng)
        drawing = glyphs[rng.choice(styles), names[concepts[row]]]
        images[row] = small(compose(drawing, paper, wide_affine(rng)))
    return images, concepts, behind


def strangers(sets: dict) -> list[str]:
    """Icons that all sets draw and that are no concept: names that no judge has learned."""
    shared = set.intersection(*(set(plain_names(data)) for data in sets.values()))
    return sorted(shared - set(icon_names()))


def portraits(sets: dict, names: list[str], style: str, seed: int) -> Tensor:
    """One augmented picture of every name in one style, on a random background: uint8."""
    rng, words = random.Random(seed), list(BACKGROUNDS)
    output = []
    for name in names:
        paper = backdrop(rng.choice(words), "plain", rng)
        output.append(small(compose(glyph(sets[style], name), paper, wide_affine(rng))))
    return torch.stack(output)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [b, 3, h, w], edges repeated."""
    radius = max(1, math.ceil(2.5 * sigma))
    places = torch.arange(-radius, radius + 1.0, device=x.device)
    line = torch.exp(-(places**2) / (2 * sigma**2))
    line = (line / line.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), line, groups=3)
    line = line.transpose(2, 3)
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), line, groups=3)


def damage(x: Tensor) -> Tensor:
    """Soften, add noise, fade and tint a batch in [0, 1], as weak generators do."""
    kind, like = random.random(), {"device": x.device}
    if kind < 0.45:
        x = blur(x, random.uniform(0.4, 1.8))
    elif kind < 0.6:
        low = F.interpolate(x, scale_factor=random.choice([0.375, 0.5, 0.75]), mode="area")
        x = F.interpolate(low, (SIDE, SIDE), mode="bilinear")
    count = len(x)
    x = x + torch.randn_like(x) * torch.rand(count, 1, 1, 1, **like) * 0.06
    blotch = torch.randn(count, 3, 5, 5, **like) * torch.rand(count, 1, 1, 1, **like) * 0.10
    x = x + F.interpolate(blotch, (SIDE, SIDE), mode="bilinear")
    gain = 1 + 0.12 * torch.randn(count, 1, 1, 1, **like)
    mean = x.mean((2, 3), keepdim=True)
    x = (x - mean) * gain + mean + 0.03 * torch.randn(count, 3, 1, 1, **like)
    return x.clamp(0, 1)
