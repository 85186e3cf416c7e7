"""The figures of docs/loop.md: DDIM and score distillation as one loop, on an exact prior.

    python -m benchmarks.one_loop --out docs/images

Left: from one noise, the clean look of each method, step by step, over the prior's density; crosses
are DDIM written out as published, without the loop. Right: where 400 noises end up.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamsampler import GaussianMixture, LatentVariable, dream, finish
from dreamsampler.guidance import conditional
from dreamsampler.maths import Latent, Level, Step, fresh, generators
from dreamsampler.regularizers import relax
from dreamsampler.samplers import random_levels, trailing

MODES = torch.tensor([[1.6, 0.9], [-1.6, 0.9], [0.0, -1.7]])
WEIGHTS = (0.5, 0.3, 0.2)
SPREAD = 0.25
STEPS = 40
Walk = Callable[[Latent, int], Iterator[Step]]


def prior() -> GaussianMixture:
    """Three modes of unequal weight, every estimate known exactly."""
    means = torch.cat([MODES[i : i + 1].expand(round(10 * w), -1) for i, w in enumerate(WEIGHTS)])
    return GaussianMixture(means, SPREAD)


def methods(model: GaussianMixture) -> dict[str, Walk]:
    """Name -> walk from a noise, with a seed for what is drawn on the way."""
    denoise, falling = conditional(model, None), trailing(model.schedule, STEPS, start=0.98)

    def ddim(eps: Latent, seed: int) -> Iterator[Step]:
        return dream(denoise, LatentVariable(0 * eps), falling, eps)

    def renewed(eps: Latent, seed: int) -> Iterator[Step]:
        rng = generators(seed, images=len(eps))
        return dream(denoise, LatentVariable(0 * eps), falling, eps, renoise=fresh(0.3, rng))

    def partial(eps: Latent, seed: int) -> Iterator[Step]:
        rng = generators(seed, images=len(eps))
        walk = relax(0.3)
        return dream(
            denoise, LatentVariable(0 * eps), falling, eps, regularize=walk, renoise=fresh(1.0, rng)
        )

    def sds(eps: Latent, seed: int) -> Iterator[Step]:
        rng = generators(seed, images=len(eps))
        levels = random_levels(model.schedule, 600, torch.Generator().manual_seed(seed))
        walk, again = relax(0.1), fresh(1.0, rng)
        return dream(denoise, LatentVariable(0 * eps), levels, eps, regularize=walk, renoise=again)

    return {
        "DDIM: falling levels, moved wholly, noise kept": ddim,
        "30 % of the noise renewed in each step": renewed,
        "falling levels, moved by 0.3, all noise fresh": partial,
        "SDS: random levels, moved by 0.1, all noise fresh": sds,
    }


def published_ddim(model: GaussianMixture, eps: Latent) -> list[Tensor]:
    """DDIM as its paper writes it: z' = alpha' (z - sigma eps) / alpha + sigma' eps."""
    levels: list[Level] = trailing(model.schedule, STEPS, start=0.98)
    null, found = model.condition(None), []
    z = levels[0].sigma * eps
    for level, following in zip(levels, [*levels[1:], Level(0.0, 1.0, 0.0)], strict=True):
        (seen,) = model.predict(z, level, [null])
        clean = (z - level.sigma * seen.eps) / level.alpha
        found.append(clean)
        z = following.alpha * clean + following.sigma * seen.eps
    return found


def shares(ends: Tensor) -> list[float]:
    """The share of the ends that is nearest to each mode."""
    nearest = torch.cdist(ends, MODES).argmin(1)
    return [(nearest == i).float().mean().item() for i in range(len(MODES))]


def scatter(ends: Tensor) -> float:
    """Deviation of the ends from their mode, over the prior's own: 1 is right, 0 is collapsed."""
    away = torch.cdist(ends, MODES).amin(1)
    return (away.square().mean() / 2).sqrt().item() / SPREAD


def drawn(model: GaussianMixture, seeds: int, path: Path) -> list[str]:
    """Both figures; a line of the table for each method."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.6), constrained_layout=True)
    _density(left)
    _density(right)
    one = torch.randn(1, 2, generator=torch.Generator().manual_seed(5))
    many = torch.randn(seeds, 2, generator=torch.Generator().manual_seed(1))
    lines = []
    for i, (name, walk) in enumerate(methods(model).items()):
        color = f"C{i}"
        way = torch.cat([step.z0 for step in walk(one, 0)])
        left.plot(*way.T, color=color, lw=1.6, alpha=0.9, label=name, marker=".", ms=3)
        left.plot(*way[-1], color=color, marker="o", ms=8, mec="black")
        ends = finish(walk(many, 7)).z0
        right.scatter(*ends.T, s=9, color=color, alpha=0.6, label=name, linewidths=0)
        told = " / ".join(f"{s:.0%}" for s in shares(ends))
        lines.append(f"| {name} | {told} | {scatter(ends):.2f} |")
    ddim = torch.cat(published_ddim(model, one))
    left.plot(*ddim.T, "kx", ms=6, mew=0.9, label="DDIM as published, without the loop")
    left.set_title("one noise: the clean look, step by step")
    right.set_title(f"{seeds} noises: where they end")
    left.legend(fontsize=8, loc="lower left")
    path.mkdir(parents=True, exist_ok=True)
    figure.savefig(path / "one-loop.png", dpi=110)
    return lines


def _density(axes: Any) -> None:
    grid = torch.linspace(-3.2, 3.2, 160)
    x, y = torch.meshgrid(grid, grid, indexing="xy")
    points = torch.stack([x.flatten(), y.flatten()], 1)
    away = torch.cdist(points, MODES).square() / (2 * SPREAD**2)
    height = (torch.tensor(WEIGHTS) * torch.exp(-away)).sum(1) / (2 * math.pi * SPREAD**2)
    axes.contourf(x, y, height.view_as(x).sqrt(), 12, cmap="Greys", alpha=0.55)
    axes.set_aspect("equal")
    axes.set(xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 2.4))


def main(arguments: list[str] | None = None) -> None:
    """Draw the figures and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs"))
    options = parser.parse_args(arguments)
    model = prior()
    lines = drawn(model, options.seeds, options.out)
    right = " / ".join(f"{w:.0%}" for w in WEIGHTS)
    print("| method | share in each mode | spread in a mode, of the prior's |")
    print(f"|---|---|---|\n| the prior itself | {right} | 1.00 |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
