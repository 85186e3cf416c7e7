"""What paths make of a blurred picture without any prior: fit, look, write.

    python -m benchmarks.vector_fit examples/cat.png --sigma 3 --init components --out runs/fit

A picture of 128 px is blurred, 64 paths of 4 segments are fitted to that, and compared with the
sharp picture. The files: input, fit and truth side by side, and the SVG.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dreamsampler.generators.vector import (
    VectorGraphic,
    crosses_itself,
    crossing,
    placed,
    scattered,
    simplified,
    stacked,
    traced,
)
from dreamsampler.operators import GaussianBlur

STAGES = ((4, 0.1), (4, 0.1), (8, 0.15), (16, 0.25), (32, 0.4))
"""Paths that are added at a time, and the share of the steps that follow."""


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(-10 * torch.log10((a - b).square().mean()))


def picture(path: Path, size: int) -> Tensor:
    """(3, size, size) in [0, 1], on white."""
    image = Image.open(path).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    levels = np.asarray(flat.resize((size, size), Image.Resampling.LANCZOS), dtype=np.float32)
    return torch.from_numpy(levels / 255).permute(2, 0, 1).contiguous()


def seen(graphic: VectorGraphic) -> Tensor:
    """The picture in [0, 1]."""
    return (graphic()[0] + 1) / 2


def fit(
    graphic: VectorGraphic, y: Tensor, blur: GaussianBlur, steps: int, weight: float
) -> VectorGraphic:
    """Adam on |A g - y|^2 + weight crossing, steps of a pixel that shrink along a cosine."""
    rng = torch.Generator().manual_seed(0)
    groups = [{"params": [graphic.points], "lr": 1.0}, {"params": [graphic.color], "lr": 0.02}]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        share = 0.05 + 0.475 * (1 + math.cos(math.pi * step / steps))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        if step % 100 == 99 and step < 0.7 * steps:
            error = blur.A(seen(graphic).detach()[None])[0] - y
            graphic.respawn(y, optimizer, rng, error=error)
        optimizer.zero_grad(set_to_none=True)
        loss = (blur.A(seen(graphic)[None])[0] - y).square().sum() / 3
        if weight:
            loss = loss + weight * crossing(graphic.scene, tol=0.02)
        loss.backward()
        optimizer.step()
        graphic.clamp_()
    return graphic


def fitted(y: Tensor, blur: GaussianBlur, init: str, steps: int, weight: float) -> VectorGraphic:
    """A graphic of 64 paths for a measurement."""
    rng = torch.Generator().manual_seed(0)
    if init == "random":
        return fit(VectorGraphic(scattered(y, 64, rng)), y, blur, steps, weight)
    if init == "trace":
        return fit(VectorGraphic(traced(y, 64)), y, blur, steps, weight)
    graphic, error = None, torch.ones_like(y) - y
    for paths, share in STAGES:
        fresh = placed(y, error, paths, rng)
        scene = fresh if graphic is None else stacked([graphic.scene, fresh])
        graphic = fit(VectorGraphic(scene), y, blur, round(share * steps), weight)
        error = (blur.A(seen(graphic)[None])[0] - y).detach()
    assert graphic is not None
    return graphic


def main(arguments: list[str] | None = None) -> None:
    """Fit one picture and print one row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--sigma", type=float, default=3.0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--init", choices=("components", "random", "trace"), default="components")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--crossing", type=float, default=0.0, help="weight of that penalty")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs/vector_fit"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    truth, blur = picture(options.picture, 128), GaussianBlur(options.sigma)
    y = blur.A(truth[None])[0]
    y = y + options.noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    start = time.perf_counter()
    graphic = fitted(y, blur, options.init, options.steps, options.crossing)
    spent = time.perf_counter() - start
    result = seen(graphic).detach()
    few = simplified(graphic.scene, graphic.background, result, loss=0.3)
    crossed = crosses_itself(graphic.scene).float().mean()
    print(
        f"| {options.picture.stem} | {options.sigma:g} | {options.noise:g} | {options.init} | "
        f"{options.crossing:g} | {psnr(y, truth):.1f} | {psnr(result, truth):.1f} | "
        f"{psnr(blur.A(result[None])[0], y):.1f} | {100 * crossed:.0f} % | "
        f"{graphic.scene.paths} ({few.paths}) | {spent:.1f} s |"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    sheet = torch.cat([y, result, truth], 2).clamp(0, 1).permute(1, 2, 0)
    levels = (255 * sheet).round().byte().numpy()
    name = f"{options.picture.stem}-{options.init}-{options.sigma:g}-{options.crossing:g}"
    image = Image.fromarray(levels).resize((3 * 384, 384), Image.Resampling.NEAREST)
    image.save(options.out / f"{name}.png")
    graphic.save(options.out / f"{name}.svg", title=options.picture.stem)


if __name__ == "__main__":
    main()
