"""FlowEdit: from source to target along the difference of two flows, without inversion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import Guided, delta
from dreamsampler.maths import Latent, Level, Renoise, Rng, Step, Weight, covered, draw, fresh
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, chain, identity, relax
from dreamsampler.samplers import dream


def flow_edit(
    target: Guided,
    source: Guided,
    z_src: Latent,
    levels: Sequence[Level],
    rng: Rng,
    renoise: Renoise | None = None,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """FlowEdit: the target of a step is moved to by 1 - u'/u.

        z_src + z0(tgt; z_t) - z0(src; z_t^src),   u = sigma / (alpha + sigma)

    u is the rectified-flow time; on a flow model this is the published update, on a
    variance-preserving one its exact twin (the same path of z / (alpha + sigma)).

    Args:
        levels: falling; the first one decides how much may change.
        renoise: fresh noise every step (published) if left out; `hold` keeps one noise.

    Source: Kulikov et al., "FlowEdit", ICCV 2025 (arXiv:2412.08629), algorithm 1.
    """
    variable = LatentVariable(z_src)
    # the noisy latent moves by the whole shift, in the units of its level
    denoise = delta(target, source, variable, z_src, lambda level: level.alpha + level.sigma)
    eps, maps = draw(z_src, rng), chain(regularize, relax(flow_share(levels)))
    noise = fresh(1.0, rng) if renoise is None else renoise
    return dream(denoise, variable, levels, eps, regularize=maps, renoise=noise)


def flow_share(levels: Sequence[Level]) -> Weight:
    """The share of the way that a step of a flow covers: 1 - u'/u, and all of it at the end.

    Source: an Euler step of rectified flow, Liu, Gong & Liu, "Flow straight and fast", ICLR 2023
    (arXiv:2209.03003), written in clean latents.
    """
    return covered(levels, lambda level: level.flow)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    levels, target = inputs.levels(settings), inputs.target(settings["guidance_scale"])
    source, how = inputs.source(settings["source_guidance_scale"]), inputs.regularize
    edit = flow_edit(target, source, inputs.z_src, levels, inputs.rng, regularize=how)
    return edit, len(levels)
