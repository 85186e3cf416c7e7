"""The default restoration: several short runs, the data at each level, the mean of their ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import torch

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import (
    Denoiser,
    Latent,
    Level,
    Rng,
    Schedule,
    Step,
    Weight,
    ddpm,
    draw,
    fresh,
)
from dreamsampler.methods.inputs import Axes, RestoreInputs, RunningMean, Settings, Steps
from dreamsampler.methods.restore import diffpir, dpir
from dreamsampler.regularizers import Measurement, data_step
from dreamsampler.samplers import dream, flow_shifted

WEIGHT = 0.23
"""Of a model of pixels, as published for DPIR."""
DOUBT = 0.1
"""Deviation of a photograph around its denoised picture, over the root of the noise's deviation:
measured, 0.022, 0.031, 0.048 at noise of 15, 25, 50 of 255."""
FLIPS: tuple[Axes, ...] = ((), (-1,))
"""Axes along which the pictures of successive runs are mirrored, in turn."""


def restarts(schedule: Schedule, steps: int, starts: Sequence[float]) -> list[list[Level]]:
    """Several lists of falling levels, each evenly spaced in flow time.

    Args:
        steps: how many levels in all, shared out in proportion to the starts, at least one each.
        starts: flow time u = sigma / (alpha + sigma) of the first level of each list.

    Raises:
        ValueError: no starts.

    Source: Xu et al., "Restart sampling for improving generative processes", NeurIPS 2023
    (arXiv:2306.14878).
    """
    if not starts:
        raise ValueError("a run without starts has no levels: pass at least one")
    ends = [round(steps * share / sum(starts)) for share in accumulate(starts)]
    counts = [max(1, b - a) for a, b in pairwise([0, *ends])]
    return [flow_shifted(schedule, n, start=u) for n, u in zip(counts, starts, strict=True)]


def anchored_restoration(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    spread: Weight,
) -> Iterator[Step]:
    """Noise on a first guess, few levels, and the data at each of them.

        x^ = argmin |y - A x|^2 / 2 noise^2 + |x - D(z0)|^2 / 2 r^2
        z0 <- z0 + E(x^) - E(D(z0)),   renoise with the network's own eps

    Without fresh noise the end is nearer to the posterior mean than with it: the result is one
    faithful picture, not a draw.

    Args:
        levels: falling; the higher the first one, the less is kept of the first guess.
        spread: r of a level, in [0, 1] units.

    Source: ours, measured in the restoration suite of the benchmarks; the data step is that of Zhu
    et al., "Denoising diffusion models for plug-and-play image restoration" (arXiv:2305.08995),
    eq. 12.
    """
    eps = draw(z, rng)
    return dream(denoise, LatentVariable(z), levels, eps, regularize=data_step(data, spread))


def averaged_restoration(
    denoise: Denoiser,
    views: Sequence[Measurement],
    mean: RunningMean,
    passes: Sequence[Sequence[Level]],
    rng: Rng,
    *,
    spread: Weight,
) -> Iterator[Step]:
    """Anchored restorations in a row, each begun at the mean of those before it, in another view.

        x <- mean of D_i(z0 at the end of run i),   run i + 1 begins at E_i+1(x) in fresh noise

    The errors of network and autoencoder depend on how a picture lies on their grid and on the
    noise. They differ between views (a picture and its mirror image, say) and average out, in
    `mean` and in the start of the next run.

    Args:
        views: one for each run: the measurement with a way between latent and picture.
        mean: of the first guess; at the end it is the result.
        passes: the levels of each run (`restarts`).
        spread: r of a level, in [0, 1] units.

    Source: ours, measured in the restoration suite of the benchmarks; averaging over views is the
    cycle spinning of Coifman & Donoho, "Translation-invariant de-noising" (1995).
    """
    done = 0
    for view, levels in zip(views, passes, strict=True):
        with torch.no_grad():
            z = view.encode(mean.mean)
        z = z.expand(len(rng), *z.shape[1:])
        for step in anchored_restoration(denoise, view, z, levels, rng, spread=spread):
            if step.index == len(levels) - 1:
                with torch.no_grad():
                    mean.add(view.decode(step.z0))
            yield replace(step, index=done + step.index)
        done += len(levels)


def pixel_samples(inputs: RestoreInputs, settings: Settings) -> Steps:
    """Several pictures by a model of pixels, as DiffPIR with DDPM's share of fresh noise."""
    steps, end = settings["num_inference_steps"], max(inputs.data.noise / 2, dpir.LEAST)
    levels = dpir.falling(inputs.prior.schedule, steps, 2 * dpir.START, end)
    run = diffpir.diffpir(
        inputs.denoise(settings["guidance_scale"]),
        inputs.data,
        inputs.z_src,
        levels,
        inputs.rng,
        spread=lambda level: min(level.s / 2, DOUBT * (level.s / 2) ** 0.5),
        renoise=fresh(ddpm(), inputs.rng),
    )
    return run, len(levels)


def run(inputs: RestoreInputs, settings: Settings) -> Steps:
    """As registered: on the picture and its mirror image in turn; leaves axes, views and mean.

    A model of pixels restores by plug and play, which no autoencoder stands in the way of: one
    picture by DPIR, several (`pixel_samples`) with fresh noise.
    """
    if inputs.prior.factor == 1:
        if len(inputs.rng) > 1:
            return pixel_samples(inputs, settings)
        return dpir.run(inputs, {**settings, "weight": WEIGHT})
    first, *others = settings["starts"]
    starts, rate = [first if inputs.coarse else 1.0, *others], settings["spread"]
    passes = restarts(inputs.prior.schedule, settings["num_inference_steps"], starts)
    axes = [FLIPS[i % len(FLIPS)] for i in range(len(passes))]
    inputs.axes = [each for each, levels in zip(axes, passes, strict=True) for _ in levels]
    inputs.views = [inputs.view(each) for each in axes]
    inputs.mean = RunningMean(inputs.guess)
    steps = averaged_restoration(
        inputs.denoise(settings["guidance_scale"]),
        inputs.views,
        inputs.mean,
        passes,
        inputs.rng,
        spread=lambda level: rate * level.flow,
    )
    return steps, len(inputs.axes)
