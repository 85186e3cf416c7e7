"""The default edit: replayed noise while shapes are decided, fresh noise after that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import Guided, conditional
from dreamsampler.maths import Estimate, Latent, Level, Rng, Step, draw
from dreamsampler.methods.edit.anchored import anchored_edit, compared
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.regularizers import Regularizer, identity
from dreamsampler.samplers import dream, flow_shifted


def redraw(
    target: Guided,
    source: Guided,
    z_src: Latent,
    z: Latent,
    levels: Sequence[Level],
    rng: Rng,
    *,
    by: Guided | None = None,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Draw an edit again in fresh noise, wherever it differs from its source.

        z_t  = alpha z + sigma n,   x_t = alpha z_src + sigma n         one noise for both
        m    = difference_mask(z0(by; z_t) - z0(src; x_t), low, high)
        z0   = z_src + m (z0(tgt; z_t) - z_src)
        eps' = n + m (eps(tgt; z_t) - n)

    An edit by replayed noise keeps what the model cannot explain of the source, z_src - z0(src):
    texture that does not belong to the target, such as the outlines of another style. Here the
    changed parts are the model's own, and where nothing differs the source is left in its noise.
    The mask closes on what really changed, because z carries the edit:

        low = max(0.05, 0.4 u - 0.12),   high = max(0.15, u / 2)      u = sigma / (alpha + sigma)

    Args:
        target: guidance towards the target prompt.
        source: the source prompt, without guidance.
        z: clean latent of the edit.
        levels: falling; the first one decides how much of z is drawn again.
        by: whose difference to the source makes the mask; the target if left out.
        regularize: further maps on the edit's estimate, such as a drawn mask; where one moves it,
            the noise moves against it, so that what it keeps is the source in its noise.

    Source: ours; SDEdit (arXiv:2108.01073) under the mask of `anchored_edit`.
    """
    n, seen = draw(z_src, rng), target if by is None else by

    def denoise(z: Latent, level: Level) -> Estimate:
        x_t, u = level.alpha * z_src + level.sigma * n, level.flow
        bounds = max(0.05, 0.4 * u - 0.12), max(0.15, 0.5 * u)
        tgt, _, m = compared(target, seen, source, z, x_t, level, *bounds)
        return Estimate(z_src.lerp(tgt.z0, m), n.lerp(tgt.eps, m))

    def renoise(step: Step, following: Level) -> Latent:
        return step.estimate.eps - (step.z0 - step.estimate.z0) / step.level.s

    return dream(denoise, LatentVariable(z), levels, n, regularize=regularize, renoise=renoise)


def two_part_edit(
    inputs: EditInputs, first: Sequence[Level], second: Sequence[Level], scale: float
) -> Iterator[Step]:
    """`anchored_edit` at the first levels, then `redraw` at the second ones.

    Args:
        first: falling; their first one decides how much may change.
        second: falling from below that; none leaves the edit as it is.
        scale: w of the first part; the second one has (1 + w) / 2, since strong guidance at low
            noise makes colors glaring.
    """
    prior, z = inputs.prior, inputs.z_src
    source = conditional(prior, inputs.source_condition)
    by = None if inputs.negative else conditional(prior, inputs.condition)
    how = {"by": by, "regularize": inputs.regularize}
    for step in anchored_edit(inputs.target(scale), source, z, first, inputs.rng, **how):
        z = step.z0
        yield step
    if second:
        target = inputs.target((1 + scale) / 2)
        yield from redraw(target, source, inputs.z_src, z, second, inputs.rng, **how)


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered: half of the steps from strength to half of it, half from `redraw` times it.

    A negative prompt acts where the other two agree as well.
    """
    schedule, strength = inputs.prior.schedule, settings["strength"]
    late = settings["num_inference_steps"] // 2
    early = settings["num_inference_steps"] - late
    levels = flow_shifted(schedule, 2 * early, start=strength)
    middle = levels[0].flow * (0.5 + 0.25 / early)  # between the last of them and the next one
    first = [level for level in levels if level.flow > middle]
    again = settings["redraw"] * strength
    second = flow_shifted(schedule, late, start=again) if late and again else []
    edit = two_part_edit(inputs, first, second, settings["guidance_scale"])
    return edit, len(first) + len(second)
