"""How much better one prompt explains a picture than another, by the model's own errors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Level, Rng, draw
from dreamsampler.models.prior import Condition, Prior


def log_evidence(
    prior: Prior,
    z0: Latent,
    condition: Condition,
    other: Condition,
    levels: Sequence[Level],
    rng: Rng,
) -> Tensor:
    """Estimate of log p(z0 | c) - log p(z0 | o) from denoising errors, (b,).

        1/2 sum_t w_t mean over n, -n of |n - eps(o; z_t)|^2 - |n - eps(c; z_t)|^2
        z_t = alpha z0 + sigma n,   w = trapezoid in log(alpha^2 / sigma^2)

    Over all levels, the integral is the difference exactly; over a band of them, the part of it
    that the band decides. A noise and its negative are taken together, so that for a Gaussian the
    sum over n is exact. Positive where c explains the picture better. It takes four evaluations a
    level, in two forwards.

    Args:
        z0: (b, c, h, w).
        levels: two or more, in order.
        rng: one generator per row.

    Raises:
        ValueError: fewer than two levels.

    Source: the continuous loss of Kingma et al., "Variational diffusion models", NeurIPS 2021
    (arXiv:2107.00630), section 5; as a classifier: Li et al., ICCV 2023 (arXiv:2303.16203).
    """
    if len(levels) < 2:
        raise ValueError(f"{len(levels)} levels make no integral: pass two or more")
    marks = [level.log_snr for level in levels]
    gaps = [abs(b - a) / 2 for a, b in pairwise(marks)]
    weights = [a + b for a, b in zip([*gaps, 0.0], [0.0, *gaps], strict=True)]
    total = torch.zeros(len(z0), dtype=z0.dtype, device=z0.device)
    for level, weight in zip(levels, weights, strict=True):
        noise = draw(z0, rng)
        for n in (noise, -noise):
            z = level.alpha * z0 + level.sigma * n
            ours, theirs = (e.eps for e in prior.predict(z, level, [condition, other]))
            gain = (n - theirs).square() - (n - ours).square()
            total = total + weight / 4 * gain.flatten(1).sum(1)
    return total
