"""Every restoration method against the exact posterior, where it is known: a Gaussian prior.

Prior N(mu, s^2) in each of 3 x 8 x 8 values, no autoencoder, no network; y = A x + noise. The
posterior is Gaussian too, its mean and deviation one linear solve (float64). Each method draws 64
pictures. Columns: distance of the mean of the draws to the exact mean, and the deviation of the
draws over the exact one, both root mean square over pixels; the distance in units of s. A perfect
sampler has 1 in the second column and (exact deviation / s) / sqrt(64) in the first. A method that
aims at the mean, as the default does, should have 0 in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.report import header, line
from dreamsampler import GaussianMixture, LatentVariable, dream, finish
from dreamsampler.guidance import conditional
from dreamsampler.maths import (
    Cosine,
    Estimate,
    Latent,
    Level,
    Rng,
    Step,
    ddpm,
    draw,
    fresh,
    generators,
)
from dreamsampler.methods.inputs import RunningMean
from dreamsampler.methods.restore.default import averaged_restoration, restarts
from dreamsampler.methods.restore.dps import dps
from dreamsampler.methods.restore.flowdps import flowdps
from dreamsampler.methods.restore.treg import treg
from dreamsampler.operators import Downsample, GaussianBlur, LinearOperator, Mask
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.samplers import flow_shifted, trailing

SIDE, STD, NOISE, DRAWS = 8, 0.3, 0.05, 64


@dataclass(frozen=True)
class Case:
    """A prior, a measurement, and what is known about the picture exactly."""

    prior: GaussianMixture
    data: Measurement
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, op: LinearOperator, seed: int = 0) -> Case:
        """Draw a picture from the prior, measure it, solve for its posterior."""
        rng = torch.Generator().manual_seed(seed)
        mu = 0.5 + 0.1 * torch.randn(1, 3, SIDE, SIDE, generator=rng, dtype=torch.float64)
        x = mu + STD * torch.randn(mu.shape, generator=rng, dtype=torch.float64)
        clean = op.A(x)
        y = clean + NOISE * torch.randn(clean.shape, generator=rng, dtype=torch.float64)
        mean, std = exact_posterior(op, mu, y, STD, NOISE)
        rows = y.expand(DRAWS, -1, -1, -1)
        data = Measurement(op, rows, NOISE, lambda z: z, lambda x: x)
        return cls(GaussianMixture(mu, STD, Cosine()), data, mean, std)


def exact_posterior(
    op: LinearOperator, mu: Tensor, y: Tensor, std: float, noise: float
) -> tuple[Tensor, Tensor]:
    """Mean and deviation of x ~ N(mu, std^2) given y = A x + N(0, noise^2), by a dense solve."""
    n = mu.numel()
    unit = torch.eye(n, dtype=mu.dtype).view(n, *mu.shape[1:])
    matrix = op.A(unit).flatten(1).T  # A, column by column
    precision = matrix.T @ matrix / noise**2 + torch.eye(n, dtype=mu.dtype) / std**2
    weighted = matrix.T @ y.flatten() / noise**2 + mu.flatten() / std**2
    mean = torch.linalg.solve(precision, weighted)
    return mean.view_as(mu), torch.linalg.inv(precision).diagonal().sqrt().view_as(mu)


def exact_spread(level: Level) -> float:
    """Deviation of z0 given z_t under N(mu, std^2): std sigma / sqrt(alpha^2 std^2 + sigma^2)."""
    return STD * level.sigma / (level.alpha**2 * STD**2 + level.sigma**2) ** 0.5


def perfect(case: Case, z: Latent, steps: int) -> Iterator[Step]:
    """The reference: E[z0 | z, y] and its own noise, renewed as DDPM does; exact for a Gaussian."""
    unconditional = conditional(case.prior, None)

    def given_data(z: Latent, level: Level) -> Estimate:
        z0 = case.data.prox(unconditional(z, level).z0, exact_spread(level))
        return Estimate(z0, (z - level.alpha * z0) / level.sigma)

    rng = generators(0, len(z))
    levels = trailing(case.prior.schedule, steps, start=0.999)
    return dream(given_data, LatentVariable(z), levels, draw(z, rng), renoise=fresh(ddpm(1.0), rng))


def methods(case: Case) -> dict[str, Callable[[Latent], Iterator[Step]]]:
    """Name -> run from a first guess; steps as published."""
    denoise, data, schedule = conditional(case.prior, None), case.data, case.prior.schedule

    def rng() -> Rng:
        return generators(0, DRAWS)

    def full(steps: int) -> list[Level]:
        return trailing(schedule, steps, start=0.999)

    def default(z: Latent) -> Iterator[Step]:
        levels = restarts(schedule, 20, (0.5, 0.2, 0.2, 0.2))
        views, measured = [data] * len(levels), RunningMean(z)
        rest = views, measured, levels, rng()
        for step in averaged_restoration(denoise, *rest, spread=exact_spread):
            yield replace(step, z0=measured.mean)

    return {
        "exact sampler, 50 steps": lambda z: perfect(case, z, 50),
        "exact sampler, 500 steps": lambda z: perfect(case, z, 500),
        "default, r exact": default,
        "treg": lambda z: treg(denoise, data, z, full(50), rng()),
        "flowdps": lambda z: flowdps(
            denoise, data, z, flow_shifted(schedule, 28, shift=3.0), rng()
        ),
        "dps": lambda z: dps(denoise, data, z, full(200), rng()),
        "psld": lambda z: dps(denoise, data, z, full(200), rng(), gluing=0.1),
    }


def operators() -> dict[str, LinearOperator]:
    """Name -> operator."""
    known = (
        torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3)) < 0.5
    ).double()
    return {
        "blur(sigma=1)": GaussianBlur(1.0),
        "downsample(2)": Downsample(2),
        "mask, half": Mask(known),
    }


def measure(case: Case) -> dict[str, tuple[float, float]]:
    """Method -> (distance of the mean in units of s, deviation over the exact one)."""
    measured = {}
    start = case.prior.means.expand(DRAWS, -1, -1, -1)
    for name, run in methods(case).items():
        last: Any = finish(run(start)).z0
        off = (last.mean(0, keepdim=True) - case.mean).square().mean().sqrt() / STD
        wide = last.var(0).mean().sqrt() / case.std.square().mean().sqrt()
        measured[name] = (off.item(), wide.item())
    return measured


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    tables = {}
    for name, op in operators().items():
        case = Case.of(op)
        least = (case.std.square().mean().sqrt() / STD / DRAWS**0.5).item()
        tables[f"{name} (least {least:.3f})"] = measure(case)
    print(header("method", *(part for n in tables for part in (f"{n}: mean off", "deviation"))))
    for method in next(iter(tables.values())):
        figures = [t[method] for t in tables.values()]
        print(line(method, *(c for off, wide in figures for c in (f"{off:.3f}", f"{wide:.2f}"))))
