"""FlowDPS: gradient steps through the decoder, blended by the noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import Denoiser, Latent, Level, Rng, Step, Weight, draw, fresh
from dreamsampler.methods.inputs import MeasuredInputs, Settings, Steps
from dreamsampler.regularizers import Measurement, descend_residual
from dreamsampler.samplers import dream, flow_shifted


def flowdps(
    denoise: Denoiser,
    data: Measurement,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    step: Weight = 0.05,
) -> Iterator[Step]:
    """FlowDPS: a few normalized gradient steps through the decoder, blended by the noise.

        z^ = z0 after 3 steps down |y - A D(z0)|,   z0 <- u z^ + (1 - u) z0,   k = 1 - u'

    u = sigma / (alpha + sigma) is a flow's time (sigma there), so the same lines serve
    variance-preserving models. A need not be linear.

    Args:
        levels: falling.
        step: how far one gradient step moves a latent value, root mean square. [ours]

    Source: Kim, Kim & Ye, "FlowDPS" (arXiv:2503.08136), algorithm 1.
    """
    down = descend_residual(data, step)

    def blended(z0: Latent, current: Step) -> Latent:
        return torch.lerp(z0, down(z0, current), current.level.flow)

    noise = fresh(lambda level, following: 1 - following.flow, rng)
    eps = draw(z, rng)
    return dream(denoise, LatentVariable(z), levels, eps, regularize=blended, renoise=noise)


def run(inputs: MeasuredInputs, settings: Settings) -> Steps:
    """As registered."""
    steps, shift = settings["num_inference_steps"], settings["shift"]
    levels = flow_shifted(inputs.prior.schedule, steps, shift=shift)
    denoise = inputs.denoise(settings["guidance_scale"])
    return flowdps(denoise, inputs.data, inputs.z_src, levels, inputs.rng), len(levels)
