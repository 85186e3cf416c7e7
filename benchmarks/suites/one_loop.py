"""DDIM and score distillation as one loop, on an exact prior; the figure of docs/loop.md.

Left: from one noise, the clean estimate of each method, step by step, over the prior's density;
crosses are DDIM written out as published, without the loop. Right: where 400 noises end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.report import header, line
from dreamsampler import GaussianMixture, LatentVariable, dream, finish
from dreamsampler.guidance import conditional
from dreamsampler.maths import Latent, Level, Step, fresh, generators, keep
from dreamsampler.regularizers import relax
from dreamsampler.samplers import random_levels, trailing

MODES = torch.tensor([[1.6, 0.9], [-1.6, 0.9], [0.0, -1.7]])
WEIGHTS = (0.5, 0.3, 0.2)
SPREAD = 0.25
STEPS = 40
Method = Callable[[Latent, int], Iterator[Step]]


def prior() -> GaussianMixture:
    """Three modes of unequal weight, every estimate known exactly."""
    means = torch.cat([MODES[i : i + 1].expand(round(10 * w), -1) for i, w in enumerate(WEIGHTS)])
    return GaussianMixture(means, SPREAD)


def methods(model: GaussianMixture) -> dict[str, Method]:
    """Name -> run from a noise, with a seed for the noise of its steps."""
    denoise, falling = conditional(model, None), trailing(model.schedule, STEPS, start=0.98)

    def run(levels: list[Level], share: float, **more: Any) -> Method:
        def steps(eps: Latent, seed: int) -> Iterator[Step]:
            renoise = fresh(share, generators(seed, images=len(eps))) if share else keep
            return dream(denoise, LatentVariable(0 * eps), levels, eps, renoise=renoise, **more)

        return steps

    def sds(eps: Latent, seed: int) -> Iterator[Step]:
        levels = random_levels(model.schedule, 600, torch.Generator().manual_seed(seed))
        return run(levels, 1.0, regularize=relax(0.1))(eps, seed)

    return {
        "DDIM: falling levels, moved wholly, noise kept": run(falling, 0.0),
        "30 % of the noise renewed in each step": run(falling, 0.3),
        "falling levels, moved by 0.3, all noise fresh": run(falling, 1.0, regularize=relax(0.3)),
        "SDS: random levels, moved by 0.1, all noise fresh": sds,
    }


def published_ddim(model: GaussianMixture, eps: Latent) -> list[Tensor]:
    """DDIM as its paper writes it: z' = alpha' (z - sigma eps) / alpha + sigma' eps."""
    levels: list[Level] = trailing(model.schedule, STEPS, start=0.98)
    null, measured = model.condition(None), []
    z = levels[0].sigma * eps
    for level, following in zip(levels, [*levels[1:], Level(0.0, 1.0, 0.0)], strict=True):
        (estimate,) = model.predict(z, level, [null])
        clean = (z - level.sigma * estimate.eps) / level.alpha
        measured.append(clean)
        z = following.alpha * clean + following.sigma * estimate.eps
    return measured


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
    for i, (name, method) in enumerate(methods(model).items()):
        color = f"C{i}"
        estimates = torch.cat([step.z0 for step in method(one, 0)])
        left.plot(*estimates.T, color=color, lw=1.6, alpha=0.9, label=name, marker=".", ms=3)
        left.plot(*estimates[-1], color=color, marker="o", ms=8, mec="black")
        ends = finish(method(many, 7)).z0
        right.scatter(*ends.T, s=9, color=color, alpha=0.6, label=name, linewidths=0)
        reached = " / ".join(f"{s:.0%}" for s in shares(ends))
        lines.append(line(name, reached, f"{scatter(ends):.2f}"))
    ddim = torch.cat(published_ddim(model, one))
    left.plot(*ddim.T, "kx", ms=6, mew=0.9, label="DDIM as published, without the loop")
    left.set_title("one noise: the clean estimate, step by step")
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


def main(seeds: int = 400, out: Path = Path("benchmarks/runs")) -> None:
    """Draw the figure and print the table.

    Args:
        seeds: how many noises.
        out: folder of one-loop.png.
    """
    lines = drawn(prior(), seeds, out)
    print(header("method", "share in each mode", "spread in a mode, of the prior's"))
    print(line("the prior itself", " / ".join(f"{w:.0%}" for w in WEIGHTS), "1.00"))
    print("\n".join(lines))
