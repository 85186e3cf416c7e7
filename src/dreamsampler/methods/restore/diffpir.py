"""DiffPIR and DDNM: the data at every level of the reverse process, fresh noise from both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import (
    Denoiser,
    Latent,
    Level,
    Renoise,
    Rng,
    Schedule,
    Step,
    Weight,
    ddpm,
    draw,
    fresh,
)
from dreamsampler.methods.inputs import RestoreInputs, Settings, Steps
from dreamsampler.regularizers import Measurement, data_step
from dreamsampler.samplers import dream

TABLE = 1000
"""Times of the published schedule, whose rate of noise rises linearly from 1e-4 to 0.02."""


def quadratic(schedule: Schedule, steps: int) -> list[Level]:
    """Falling levels of DDPM's linear schedule, dense at the start.

        n_k = n_0 sqrt(1 - k / (steps - 1))

    Args:
        schedule: the model's, whose noisiest level n_0 is at most.
        steps: how many.

    Example:
        >>> from dreamsampler.maths import VarianceExploding
        >>> levels = quadratic(VarianceExploding(80.0), 100)
        >>> len(levels), round(levels[0].s), round(levels[-1].s, 3)
        (100, 80, 0.01)
    """
    if steps < 1:
        raise ValueError(f"num_inference_steps is {steps}, but a run takes at least one step")
    most, log_kept, rates = schedule(1.0).s, 0.0, []
    for n in range(TABLE):
        log_kept += math.log1p(-(1e-4 + (0.02 - 1e-4) * n / (TABLE - 1)))
        rates.append(math.sqrt(math.expm1(-log_kept)))
    first = max(1, sum(rate <= most for rate in rates)) - 1
    times = [int(first * math.sqrt(1 - k / max(steps - 1, 1))) for k in range(steps)]
    return [schedule.at_flow(s / (1 + s)) for s in (rates[n] for n in times)]


def implied(renoise: Renoise) -> Renoise:
    """Renoise with the noise that the changed estimate leaves: (z - alpha z0) / sigma."""

    def from_data(step: Step, following: Level) -> Latent:
        eps = (step.z - step.level.alpha * step.z0) / step.level.sigma
        estimate = replace(step.estimate, z0=step.z0, eps=eps)
        return renoise(replace(step, estimate=estimate), following)

    return from_data


def diffpir(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    spread: Weight,
    renoise: Renoise,
) -> Iterator[Step]:
    """The reverse process of the estimate that the data are put into.

        z0  = argmin |y - A x|^2 / 2 noise^2 + |x - denoise(z)|^2 / 2 r^2
        eps = (z - alpha z0) / sigma
        z   = alpha' z0 + sigma' ( sqrt(1 - k) eps + sqrt(k) fresh )

    Args:
        denoise: the prior under its prompt.
        data: the measurement.
        z: latent of a first picture.
        levels: falling.
        rng: one generator per image.
        spread: r in [0, 1] units, s / (2 sqrt(lambda)) for DiffPIR; large, it is DDNM's projection.
        renoise: k, as `fresh` has it.

    Source: Zhu et al., "Denoising diffusion models for plug-and-play image restoration", CVPR
    workshops 2023 (arXiv:2305.08995), algorithm 1; Wang et al., "Zero-shot image restoration using
    denoising diffusion null-space model", ICLR 2023 (arXiv:2212.00490), algorithm 1.
    """
    fit = data_step(data, spread)
    again = implied(renoise)
    return dream(denoise, LatentVariable(z), levels, draw(z, rng), regularize=fit, renoise=again)


def run(inputs: RestoreInputs, settings: Settings) -> Steps:
    """DiffPIR as registered."""
    root = settings["weight"] ** 0.5
    how = {"spread": lambda level: level.s / (2 * root)}
    return _started(inputs, settings, how | {"renoise": fresh(settings["fresh"], inputs.rng)})


def run_ddnm(inputs: RestoreInputs, settings: Settings) -> Steps:
    """DDNM as registered; a deviation of 1 is all that pictures have, so that the data decide."""
    renoise = fresh(ddpm(settings["eta"]), inputs.rng)
    return _started(inputs, settings, {"spread": 1.0, "renoise": renoise})


def _started(inputs: RestoreInputs, settings: Settings, how: dict[str, Any]) -> Steps:
    levels = quadratic(inputs.prior.schedule, settings["num_inference_steps"])
    denoise = inputs.denoise(settings["guidance_scale"])
    return diffpir(denoise, inputs.data, inputs.z_src, levels, inputs.rng, **how), len(levels)
