"""DPIR: the model as a denoiser of pictures without added noise, and the data, in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import Denoiser, Latent, Level, Schedule, Step
from dreamsampler.methods.inputs import RestoreInputs, Settings, Steps
from dreamsampler.operators import LinearComposition, Operator
from dreamsampler.regularizers import Measurement, data_step
from dreamsampler.samplers import dream

START = 49 / 255
"""Deviation that a first guess is trusted to have at most, in [0, 1] units, as published."""
LEAST = 1 / 255
"""Deviation of the last level at least: what is left without noise is rounding."""


def falling(schedule: Schedule, steps: int, start: float, end: float) -> list[Level]:
    """Levels whose deviation in [0, 1] units falls geometrically.

        s_k = start (end / start)^(k / (N - 1)),   u_k = 2 s_k / (1 + 2 s_k)

    Args:
        schedule: the model's.
        steps: N.
        start: deviation of the first level; one step is at `end` alone.
        end: of the last one, > 0.

    Example:
        >>> from dreamsampler.maths import VarianceExploding
        >>> levels = falling(VarianceExploding(2.0), 3, 0.16, 0.01)
        >>> [round(level.s / 2, 6) for level in levels]
        [0.16, 0.04, 0.01]
    """
    if steps < 1:
        raise ValueError(f"num_inference_steps is {steps}, but a run takes at least one step")
    start = max(start, end)
    shares = [k / (steps - 1) for k in range(steps)] if steps > 1 else [1.0]
    deviations = [start * (end / start) ** share for share in shares]
    return [schedule.at_flow(2 * s / (1 + 2 * s)) for s in deviations]


def plug_and_play(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    *,
    weight: float = 0.23,
) -> Iterator[Step]:
    """Denoise and fit the data in turn, without any noise added.

        z0  = denoise(alpha x, level)
        x   = argmin |y - A x|^2 / 2 noise^2 + weight |x - z0|^2 / 2 s'^2

    s' is the next level's deviation; the last picture is the denoiser's own. In our loop that is
    renoising with nothing. For a latent model x is the latent of the fitted picture.

    Args:
        denoise: the prior under its prompt.
        data: the measurement.
        z: latent of the first picture, which explains the data already.
        levels: falling, to about the noise of the measurement.
        weight: lambda.

    Source: Zhang et al., "Plug-and-play image restoration with deep denoiser prior", TPAMI 2021
    (arXiv:2008.13751), algorithm 1.
    """
    following = [level.s / 2 for level in levels[1:]] + [0.0]
    spread = dict(zip(levels, (s / math.sqrt(weight) for s in following), strict=True))
    fit = data_step(data, lambda level: spread[level])

    def nothing(step: Step, level: Level) -> Latent:
        del level
        return torch.zeros_like(step.z)

    return dream(
        denoise, LatentVariable(z), levels, torch.zeros_like(z), regularize=fit, renoise=nothing
    )


def noise_alone(op: Operator) -> bool:
    """Whether an operator is the identity, so that only noise was added."""
    return isinstance(op, LinearComposition) and not op.parts


def run(inputs: RestoreInputs, settings: Settings) -> Steps:
    """As registered; noise alone is taken off in one step, which is Tweedie's formula."""
    if len(inputs.rng) > 1:
        raise ValueError(
            "num_images is above 1, but no noise is drawn here, so all would be the same picture: "
            "leave it out, or take method diffpir"
        )
    data, schedule = inputs.data, inputs.prior.schedule
    alone = noise_alone(data.op)
    steps, end = settings["num_inference_steps"], max(data.noise, LEAST)
    levels = falling(schedule, 1 if alone else steps, START, end)
    denoise, weight = inputs.denoise(settings["guidance_scale"]), settings["weight"]
    z = data.encode(data.y) if alone else inputs.z_src
    inputs.balanced = inputs.prior.factor == 1  # else the autoencoder stands in between
    return plug_and_play(denoise, data, z, levels, weight=weight), len(levels)
