"""Models that edit by instruction: they see the source, and draw the whole picture again."""

from __future__ import annotations

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import draw
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.samplers import clean_pair, dream, trailing


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """Sampling from noise, under conditions that hold the source as a reference picture.

        z = (alpha^2 + sigma^2)^1/2 n at the first level, then down under the prompt

    The task binds the reference to all conditions (`Prior.condition(prompt, image=x)`). Such models
    move, scale and tint what they draw; the task undoes that (`images.redraw`), and every pixel
    that did not change keeps its value.

    Source: Brooks, Holynski & Efros, "InstructPix2Pix", CVPR 2023 (arXiv:2211.09800), for models
    that do; the rest is ours.
    """
    levels = trailing(inputs.prior.schedule, settings["num_inference_steps"])
    first, noise = levels[0], draw(inputs.z_src, inputs.rng)
    z0, eps = clean_pair((first.alpha**2 + first.sigma**2) ** 0.5 * noise, first)
    denoise = inputs.guided(settings, levels)
    steps = dream(denoise, LatentVariable(z0), levels, eps, regularize=inputs.regularize)
    return steps, len(levels)
