"""The default inpainting: draw the hole, meet the colors around it, draw it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from dreamsampler.maths import Latent, Level, Step
from dreamsampler.methods.inpaint.anchored import anchored_inpainting, strengths
from dreamsampler.methods.inputs import InpaintInputs, Settings, Steps
from dreamsampler.samplers import flow_shifted


def toned_inpainting(
    inputs: InpaintInputs,
    first: Sequence[Level],
    second: Sequence[Level],
    scale: float,
    fresh: float,
) -> Iterator[Step]:
    """`anchored_inpainting` at the first levels; its hole, `toned`, drawn again at the second ones.

        x' = D(z0) + c in the hole, the source elsewhere;    z0' = z0(alpha E(x') + sigma n)

    A model draws a thing in the colors that it knows, not in those of this picture, and strong
    guidance makes them more glaring. The shift c makes colors that meet at the hole's edge agree,
    and what is drawn again from there fits them.

    Args:
        first: falling, from noise.
        second: falling from below those; none leaves the first painting as it is.
        scale: w of the first levels; the second ones have 1 + (w - 1) / 4.
        fresh: share of the noise that is renewed at the first levels.

    Source: ours; the first part is blended latent diffusion's (arXiv:2206.02779), the second SDEdit
    (arXiv:2108.01073) of a composite.
    """
    strength, z0 = strengths(inputs), inputs.z_src
    painting = anchored_inpainting(inputs.denoise(scale), z0, strength, first, inputs.rng, fresh)
    for step in painting:
        z0 = step.z0
        yield step
    if second:
        with torch.no_grad():
            met = _met(inputs, z0)
        denoise = inputs.denoise(1 + (scale - 1) / 4)
        yield from anchored_inpainting(denoise, met, strength, second, inputs.rng)


def _met(inputs: InpaintInputs, z0: Latent) -> Latent:
    """The painting, toned inside the hole and the source elsewhere, encoded."""
    hole = inputs.fit.mask_to_latent(inputs.mask, 1, touched=True)
    source = inputs.fit.down(inputs.filled[None])
    return inputs.prior.encode(torch.where(hole > 0, inputs.toned(z0), source))


def run(inputs: InpaintInputs, settings: Settings) -> Steps:
    """As registered: the second levels are those up to flow time `redraw`."""
    levels = flow_shifted(inputs.prior.schedule, settings["num_inference_steps"])
    second = [level for level in levels[1:] if level.flow <= settings["redraw"] + 1e-6]
    first = levels[: len(levels) - len(second)]
    how = settings["guidance_scale"], settings["fresh"]
    return toned_inpainting(inputs, first, second, *how), len(levels)
