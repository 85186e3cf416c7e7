"""What the published program has in all of its tasks: its levels, inversion, two kinds of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import conditional, posterior
from dreamsampler.maths import (
    Denoiser,
    Estimate,
    Latent,
    Level,
    Renoise,
    Rng,
    Step,
    VariancePreserving,
    fresh,
    keep,
)
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer
from dreamsampler.samplers import dream, leading


def paper_levels(
    schedule: VariancePreserving, steps: int
) -> tuple[list[Level], list[Level], list[Level]]:
    """The levels of the published program: (of the inversion, of the way back, of it if right).

    The program prefixes the table with 1.0 and does not shift it back, so that the network's time n
    meets alpha_bar[n - 1]; its inversion evaluates the network at time n while the latent is still
    one step below. The third list holds what n should have met.

    Source: measured on the program published with Kim, Park & Ye, "DreamSampler", ECCV 2024
    (arXiv:2403.11415).
    """
    right = leading(schedule, steps)
    table = (1.0, *schedule.alphas_cumprod)
    shifted = [_with_rate(level, table[round(schedule.timestep(level.t))]) for level in right]
    below = [*shifted[1:], _with_rate(right[-1], schedule.alphas_cumprod[0])]
    up = [replace(b, t=level.t) for level, b in zip(shifted, below, strict=True)]
    return up[::-1], shifted, right


def _with_rate(level: Level, alpha_bar: float) -> Level:
    return Level(level.t, alpha_bar**0.5, (1 - alpha_bar) ** 0.5)


def table_of(
    prior: Prior, method: str = "the published program", remedy: str = ""
) -> VariancePreserving:
    """The schedule as a table of alphas_cumprod.

    Raises:
        ValueError: a model whose schedule is none.
    """
    if not isinstance(prior.schedule, VariancePreserving):
        raise ValueError(f"{method} needs a model with a table of alphas_cumprod{remedy}")
    return prior.schedule


def up_and_down(
    rise: Denoiser,
    fall: Denoiser,
    z_src: Latent,
    up: Sequence[Level],
    down: Sequence[Level],
    regularize: Regularizer,
    renoise: Renoise = keep,
) -> Iterator[Step]:
    """Invert under one denoiser, come back under another one."""
    pair = Estimate(z_src, torch.zeros_like(z_src))
    for step in dream(rise, LatentVariable(z_src / up[0].alpha), up, pair.eps):
        yield step
        pair = step.estimate
    back = LatentVariable(pair.z0)
    yield from dream(fall, back, down, pair.eps, regularize=regularize, renoise=renoise)


def alternate(
    prior: Prior,
    null: Condition,
    z_src: Latent,
    levels: tuple[Sequence[Level], Sequence[Level]],
    residual: Callable[[Latent], Tensor],
    regularize: Regularizer,
    rng: Rng,
    *,
    every: int,
    until: float,
    renoise: Renoise | None = None,
) -> Iterator[Step]:
    """Inversion under the null prompt, then two kinds of steps in turn.

        zbar = regularize(z0(null)),                renoise with k = alpha_bar     Dream steps
        zbar = z0(null) - d/dz residual(z0(null)),  renoise with k = 0             DPS steps

    Dream steps are those whose number is a multiple of `every` and below `until`. The last step's
    estimate is not moved by a gradient, since the program returns it as it is.

    Args:
        levels: (rising, falling).
        residual: clean latent -> (b,).
        until: Dream steps are each `every`-th step below this one.
        renoise: of the Dream steps; if left out, fresh noise with k = alpha_bar (published).
    """
    up, down = levels
    dreaming = {level for i, level in enumerate(down) if i % every == 0 and i < until}
    still, rise = dreaming | {down[-1]}, conditional(prior, null)
    fall = posterior(rise, residual, lambda level: 0.0 if level in still else 1.0)
    renewed = fresh(lambda level, following: level.alpha_bar, rng) if renoise is None else renoise

    def moved(z0: Latent, step: Step) -> Latent:
        return regularize(z0, step) if step.level in dreaming else z0

    def noise(step: Step, following: Level) -> Latent:
        return (renewed if step.level in dreaming else keep)(step, following)

    return up_and_down(rise, fall, z_src, up, down, moved, noise)
