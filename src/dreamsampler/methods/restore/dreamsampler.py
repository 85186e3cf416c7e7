"""The published inpainting of DreamSampler, for any linear measurement."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dreamsampler.maths import Latent, Rng, Step
from dreamsampler.methods.inputs import RestoreInputs, Settings, Steps
from dreamsampler.methods.published import alternate, paper_levels, table_of
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.operators import is_linear
from dreamsampler.regularizers import Measurement, Regularizer, chain, two_stages


def dreamsampler_restoration(
    prior: Prior,
    data: Measurement,
    condition: Condition,
    null: Condition,
    rng: Rng,
    steps: int = 200,
    *,
    weight: float = 1e-4,
    every: int = 3,
    until: int = 170,
) -> Iterator[Step]:
    """The published inpainting, for any linear measurement: two kinds of steps in turn.

        x    = argmin |y - A x|^2 + lambda |x - D(z0(null))|^2
        zbar = ab E(x) + (1 - ab) z0(null), then ab of the way to z0(c);  k = ab   every third step
        zbar = z0(null) - d/dz |y - A D(z0(null))|;                       k = 0        elsewhere

    It begins with the inversion, under the null prompt, of A^T y over A^T 1
    (`Measurement.adjoint_mean`; a downsampled picture would be dim), grey where nothing is known.
    The gradient is that of pictures in [-1, 1], as published.
    Masks, the case that was published, come out as `dreamsampler_inpainting` has them; the other
    operators are our reading of "inverse problems" in the paper's title page.

    Args:
        prior: the model; needs a table of alphas_cumprod.
        rng: one generator per image; as many images are made.
        until: Dream steps are each `every`-th below this share of 200 steps; DPS steps elsewhere.

    Raises:
        ValueError: a prior whose schedule is no table, or an operator that is not linear.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3.
    """
    schedule = table_of(prior)
    if not is_linear(data.op):
        raise ValueError(
            f"method dreamsampler needs a linear operator, and {type(data.op).__name__} is not"
        )
    up, down, _ = paper_levels(schedule, steps)
    spread = data.noise / weight**0.5
    maps = chain(two_stages(data, spread, lambda v: v.alpha_bar), _towards(prior, condition))
    with torch.no_grad():
        z_src = data.encode(data.adjoint_mean(0.5).clamp(0, 1))
    return alternate(
        prior,
        null,
        z_src,
        (up, down),
        lambda z0: 2 * data.misfit(z0),
        maps,
        rng,
        every=every,
        until=until * steps / 200,
    )


def _towards(prior: Prior, condition: Condition) -> Regularizer:
    """Alpha_bar of the way to the estimate under a prompt."""

    def apply(z0: Latent, step: Step) -> Latent:
        (estimate,) = prior.predict(step.z, step.level, [condition])
        return torch.lerp(z0, estimate.z0, step.level.alpha_bar)

    return apply


def run(inputs: RestoreInputs, settings: Settings) -> Steps:
    """As registered; without a prompt the null prompt stands for it."""
    condition = inputs.null if inputs.condition is None else inputs.condition
    prior, steps = inputs.prior, settings["num_inference_steps"]
    restored = dreamsampler_restoration(
        prior, inputs.data, condition, inputs.null, inputs.rng, steps
    )
    return restored, 2 * steps
