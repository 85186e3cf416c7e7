"""Baselines: restoration without a model, and the loop of the published editing program.

Classical methods are called as `method(op, y, noise)` with pictures in [0, 1]; they know the
operator and the noise. Each one's free number was chosen on pictures that no benchmark is measured
on, so that the baselines are as good as they can be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.maths import conjugate_gradient
from dreamsampler.methods.inputs import ROUNDING
from dreamsampler.methods.published import paper_levels
from dreamsampler.operators import GaussianBlur, LinearOperator, input_size, prox_l2
from dreamsampler.operators.cosine import dct2, even_spectrum, idct2

Method = Callable[[LinearOperator, Tensor, float], Tensor]

TUNED = range(1, 60, 5)
"""Which of the pairs the free numbers were chosen on."""


def wiener(op: LinearOperator, y: Tensor, noise: float, strength: float = 3e-4) -> Tensor:
    """The best linear estimate of pictures with a power spectrum strength / f^2.5.

        x = m + S A^T (A S A^T + noise^2)^-1 (y - A m),   m the mean color

    S is diagonal in the cosine basis, and so is a mirrored Gaussian blur; for any other operator
    the inverse is found by conjugate gradients.

    Args:
        op: linear.
        y: measurements, (b, c, h, w).
        noise: its deviation; at least that of 8 bits is assumed.
        strength: power of the pictures, per frequency 1 (in cycles per pixel).

    Source: Wiener, Extrapolation, Interpolation, and Smoothing of Stationary Time Series (1949).
    """
    noise = max(noise, ROUNDING)
    h, w = input_size(op, (y.shape[-2], y.shape[-1]))
    rows, columns = (torch.arange(n, dtype=y.dtype) / (2 * n) for n in (h, w))
    frequency = torch.hypot(rows[:, None], columns).clamp_min(0.5 / max(h, w))
    power = strength * frequency**-2.5

    mean = _mean(y, op, (h, w))
    if isinstance(op, GaussianBlur) and op.boundary == "reflect":
        rows, columns = (even_spectrum(op.kernel, n).to(y) for n in (h, w))
        gain = rows[:, None] * columns
        waves = dct2(y - op.A(mean)) * power * gain / (power * gain**2 + noise**2)
        return (mean + idct2(waves)).clamp(0, 1)

    def prior(x: Tensor) -> Tensor:
        return idct2(power * dct2(x))

    def normal(v: Tensor) -> Tensor:
        return op.A(prior(op.A_adjoint(v))) / noise**2 + v

    weights = conjugate_gradient(normal, (y - op.A(mean)) / noise**2, steps=300, tol=1e-4)
    return (mean + prior(op.A_adjoint(weights))).clamp(0, 1)


def bicubic(op: LinearOperator, y: Tensor, noise: float) -> Tensor:
    """Enlarged to the size of the picture; of blurs the measurement itself.

    Args:
        op: only its size is used.
        y: measurements, (b, c, h, w).
        noise: not used; every method is called with it.
    """
    size = input_size(op, (y.shape[-2], y.shape[-1]))
    if size == tuple(y.shape[-2:]):
        return y
    return functional.interpolate(y, size, mode="bicubic", align_corners=False).clamp(0, 1)


def total_variation(
    op: LinearOperator, y: Tensor, noise: float, weight: float | None = None, steps: int = 150
) -> Tensor:
    """The picture of least total variation among those that explain the measurement.

        argmin_x  |y - A x|^2 / 2 noise^2 + weight sum_pixels |gradient of all colors|

    By the primal-dual method, its primal step the operator's own prox.

    Args:
        op: linear.
        y: measurements, (b, c, h, w).
        noise: its deviation; at least that of 8 bits is assumed.
        weight: of the edges; if left out 8 for noise below 0.01, else 4.
        steps: of the method.

    Source: Rudin, Osher & Fatemi, Physica D 60 (1992); Chambolle & Pock, JMIV 40 (2011), alg. 1.
    """
    noise = max(noise, ROUNDING)
    if weight is None:
        weight = 8.0 if noise < 0.01 else 4.0
    mean = _mean(y, op, input_size(op, (y.shape[-2], y.shape[-1])))
    x = prox_l2(op, mean, y, (0.1 / noise) ** 2, steps=20)
    ahead, p = x, torch.zeros(*x.shape, 2, dtype=x.dtype)
    rate = 0.02  # of x; the dual rate follows, since |gradient|^2 <= 8
    for _ in range(steps):
        p = p + _gradient(ahead) / (8 * rate)
        p = p / (p.square().sum((1, -1), keepdim=True).sqrt() / weight).clamp_min(1)
        near = x - rate * _gradient_adjoint(p)
        new = prox_l2(op, near, y, rate / noise**2, steps=20)
        ahead, x = 2 * new - x, new
    return x.clamp(0, 1)


CLASSICAL: dict[str, Method] = {
    "bicubic": bicubic,
    "Wiener": wiener,
    "total variation": total_variation,
}
"""Every baseline, by its name in tables."""


def _mean(y: Tensor, op: LinearOperator, size: tuple[int, int]) -> Tensor:
    """A flat picture of about the measurement's mean color, (b, 3, h, w)."""
    color = y.mean((2, 3), keepdim=True)
    return color.expand(-1, 3, *size) if y.shape[1] in (1, 3) else y.new_zeros(len(y), 3, *size)


def _gradient(x: Tensor) -> Tensor:
    """Differences to the next pixel down and right; none across the edge."""
    down, right = torch.zeros_like(x), torch.zeros_like(x)
    down[..., :-1, :] = x[..., 1:, :] - x[..., :-1, :]
    right[..., :-1] = x[..., 1:] - x[..., :-1]
    return torch.stack([down, right], -1)


def _gradient_adjoint(p: Tensor) -> Tensor:
    down, right = p.unbind(-1)
    x = torch.zeros_like(down)
    x[..., 1:, :] += down[..., :-1, :]
    x[..., :-1, :] -= down[..., :-1, :]
    x[..., 1:] += right[..., :-1]
    x[..., :-1] -= right[..., :-1]
    return x


def published_program(prior: Any, z_src: Tensor, steps: int, *, pairs: bool) -> Tensor:
    """The published editing program's loop, plainly: 4 evaluations a step of NFE.

    Up with the null prompt's noise and down with gamma alpha_bar, both prompts at every step.

    Args:
        prior: whose UNet is called directly.
        z_src: clean latents.
        steps: NFE.
        pairs: both prompts in one forward, else in two.
    """
    up, down, _ = paper_levels(prior.schedule, steps)
    null, words = prior.condition(None), prior.condition("a dog")
    texts = [each.embeddings.expand(len(z_src), -1, -1) for each in (null, words)]

    def predict(z: Tensor, level: Any) -> tuple[Tensor, Tensor]:
        noisy, n = z.to(prior.dtype), round(prior.schedule.timestep(level.t))
        if pairs:
            both = prior.network(
                torch.cat([noisy, noisy]), n, encoder_hidden_states=torch.cat(texts)
            ).sample
            one, two = both.float().chunk(2)
        else:
            one, two = (
                prior.network(noisy, n, encoder_hidden_states=text).sample.float() for text in texts
            )
        return one, two

    z0, noise, z = z_src, torch.zeros_like(z_src), z_src
    for level, following in zip(up, [*up[1:], down[0]], strict=True):
        noise, _ = predict(z, level)
        z0 = (z - level.sigma * noise) / level.alpha
        z = following.alpha * z0 + following.sigma * noise
    for level, following in zip(down, [*down[1:], None], strict=True):
        noise, guided = predict(z, level)
        mixed = noise + 0.2 * level.alpha_bar * (guided - noise)
        z0 = (z - level.sigma * mixed) / level.alpha
        if following is not None:
            z = following.alpha * z0 + following.sigma * noise
    return z0
