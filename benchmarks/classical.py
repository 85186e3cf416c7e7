"""Restoration without a model: Wiener's filter, bicubic enlarging and total variation.

Baselines of the restoration benchmark. Each is called as `method(op, y, noise)` with pictures in
[0, 1] and is told the operator and the noise. Its one free number was chosen on pictures that no
benchmark judges by (`--tune` shows how), so that the baselines are as good as they can be. Run as a
program, it prints their PSNR on icons.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from dreamsampler.maths import conjugate_gradient
from dreamsampler.operators import (
    GaussianBlur,
    LinearOperator,
    input_size,
    is_linear,
    parse,
    prox_l2,
)
from dreamsampler.operators.cosine import dct2, even_spectrum, idct2

Method = Callable[[LinearOperator, Tensor, float], Tensor]

HERE = Path(__file__).parent
ROUNDING = 1 / (255 * math.sqrt(12))
"""Deviation of what 8 bits round away: no measurement from a file has less noise."""
TUNED = range(1, 60, 5)
"""Which of the pairs the free numbers were chosen on."""
STRENGTHS = (3e-5, 1e-4, 3e-4, 1e-3)
WEIGHTS = (1.0, 3.0, 6.0, 12.0, 25.0)
CASES = (
    ("blur(sigma=2)", 0.02),
    ("blur(sigma=3)", 0.0),
    ("blur(sigma=3)", 0.02),
    ("blur(sigma=3)", 0.05),
    ("blur(sigma=5)", 0.02),
    ("downsample(factor=4)", 0.0),
    ("downsample(factor=4)", 0.02),
    ("downsample(factor=4)", 0.05),
)


def wiener(op: LinearOperator, y: Tensor, noise: float, strength: float = 3e-4) -> Tensor:
    """The best linear estimate of pictures with a power spectrum strength / f^2.5.

        x = m + S A^T (A S A^T + noise^2)^-1 (y - A m),   m the mean color

    S is diagonal in the cosine basis, and so is a mirrored Gaussian blur; for any other operator
    the inverse is found by conjugate gradients.

    Args:
        op: linear.
        y: measurements, (b, c, h, w).
        noise: its deviation; at least that of 8 bits is supposed.
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
        noise: its deviation; at least that of 8 bits is supposed.
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


def measure(x: Tensor, op: LinearOperator, noise: float, seed: int = 0) -> Tensor:
    """A x + noise as an 8-bit file holds it."""
    y = op.A(x)
    y = y + noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))
    return (255 * y.clamp(0, 1)).round() / 255


def psnr(x: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of every row, in dB."""
    return -10 * (x - truth).square().flatten(1).mean(1).log10()


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


def read(paths: Sequence[Path]) -> Tensor:
    """Pictures of one size, (b, 3, h, w) in [0, 1]."""
    rows = [np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) for path in paths]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2) / 255


def scan(pictures: Tensor, op: LinearOperator, noise: float) -> str:
    """PSNR for every choice of the free numbers, as two cells of a table."""
    y = measure(pictures, op, noise, seed=1)
    cells = []
    for method, numbers in ((wiener, STRENGTHS), (total_variation, WEIGHTS)):
        scores = [psnr(method(op, y, noise, number), pictures).mean() for number in numbers]
        pairs = zip(numbers, scores, strict=True)
        cells.append(" ".join(f"{number:g}: {score:.2f}" for number, score in pairs))
    return " | ".join(cells)


def main(arguments: Sequence[str] | None = None) -> None:
    """PSNR of every baseline on icons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=8, help="how many icons")
    parser.add_argument("--tune", action="store_true", help="all numbers, on the pictures for that")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of the first icon")
    asked = parser.parse_args(arguments)
    paths = sorted((HERE / "edit_pairs").glob("*.png"))
    kept = [path for i, path in enumerate(paths) if (i in TUNED) == asked.tune]
    pictures = read(kept[:: max(1, len(kept) // asked.pictures)][: asked.pictures])
    titles = ["Wiener, strength", "total variation, weight"] if asked.tune else list(CLASSICAL)
    print(f"| operator | noise | {' | '.join(titles)} | s |")
    print("|---|---|" + "---|" * (len(titles) + 1))
    strips = []
    for text, noise in CASES:
        op, began = parse(text).build(), time.perf_counter()
        if not is_linear(op):
            raise ValueError(f"{text} is not linear, and these baselines are")
        if asked.tune:
            cells = scan(pictures, op, noise)
        else:
            y = measure(pictures, op, noise)
            found = [method(op, y, noise) for method in CLASSICAL.values()]
            cells = " | ".join(f"{psnr(x, pictures).mean():.2f}" for x in found)
            strips.append(torch.cat([pictures[0], *(x[0] for x in found)], -1))
        took = time.perf_counter() - began
        print(f"| {text} | {noise:g} | {cells} | {took:.0f} |", flush=True)
    if asked.sheet and strips:
        sheet = (255 * torch.cat(strips, 1)).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(sheet).save(asked.sheet)


if __name__ == "__main__":
    main()
