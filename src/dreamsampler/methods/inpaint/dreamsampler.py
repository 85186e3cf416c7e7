"""The published inpainting of DreamSampler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from dreamsampler.guidance import shares
from dreamsampler.maths import Image, Latent, Level, Renoise, Rng, Step, Weight, draw, weigh
from dreamsampler.methods.inputs import InpaintInputs, Settings, Steps
from dreamsampler.methods.published import alternate, paper_levels, table_of
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.operators import Mask, prox_l2
from dreamsampler.regularizers import Regularizer, chain

Holes: TypeAlias = Sequence[tuple[Condition, Tensor]]
"""(prompt, mask) pairs: masks (1 or b, 1, h, w) at latent size, 1 where the prompt paints."""
NOISE = 0.01
"""Standard deviation of the noise that the published program adds to what is known, in [-1, 1]."""


def consistent(prior: Prior, op: Mask, y: Image, trust: float, weight: Weight) -> Regularizer:
    """The first of the paper's two steps: come nearer to the pixels that are known.

        x  = argmin_x |y - A x|^2 + lambda |x - D(z0)|^2,    z0 <- w E(x) + (1 - w) z0

    Args:
        op: A, 1 where a pixel is known; its closed form is the minimizer.
        y: the known pixels, (b, 3, h, w) in [-1, 1].
        trust: 1 / lambda.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        x = prox_l2(op, prior.decode(z0), y, trust)
        return torch.lerp(z0, prior.encode(x), weigh(weight, step.level))

    return apply


def prompted(prior: Prior, holes: Holes, weight: Weight) -> Regularizer:
    """The second of the two: come nearer to each prompt in its hole.

        z0 <- z0 + w sum_i m_i (z0(c_i; z) - z0)

    Args:
        holes: prompts and their masks; the masks must not sum to more than 1 (`shares`).

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3.
    """
    conditions = [condition for condition, _ in holes]

    def apply(z0: Latent, step: Step) -> Latent:
        w, moved = weigh(weight, step.level), z0
        estimates = prior.predict(step.z, step.level, conditions)
        for (_, mask), each in zip(holes, estimates, strict=True):
            moved = moved + w * mask.to(z0) * (each.z0 - z0)
        return moved

    return apply


def dreamsampler_inpainting(
    prior: Prior,
    y: Image,
    known: Tensor,
    holes: Holes,
    null: Condition,
    rng: Rng,
    steps: int = 200,
    *,
    weight: float = 1e-4,
    every: int = 3,
    until: int = 170,
    shifted: bool = True,
    renoise: Renoise | None = None,
) -> Iterator[Step]:
    """The published inpainting: invert with the null prompt, come back in two kinds of steps.

        x    = (y + lambda D(z0(null))) / (m + lambda)
        z~   = alpha_bar E(x) + (1 - alpha_bar) z0(null)                        every third step
        zbar = z~ + alpha_bar sum_i m_i (z0(c_i) - z~),   renoise with k = alpha_bar
        zbar = z0(null) - d/dz |y - A D(z0(null))|,       renoise with k = 0       elsewhere

    Levels and their shift are the program's (`paper_levels`), the order of the steps `alternate`'s.

    Args:
        prior: the model; needs a table of alphas_cumprod.
        y: the picture in [-1, 1], (b, 3, H, W), 0 where it is not known; one row per image to
            make. Published with noise of 0.01 on it.
        known: (1, 1, H, W) in pixels, 1 where y is known.
        holes: prompts and their masks, which must not sum to more than 1.
        until: Dream steps are each `every`-th step below this one; DPS steps elsewhere.
        shifted: see `dreamsampler`.
        renoise: of the Dream steps; if left out, fresh noise with k = alpha_bar (published).

    Raises:
        ValueError: a prior whose schedule is no table.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3; settings and
    alternation measured on the published program. DPS: Chung et al., ICLR 2023
    (arXiv:2209.14687).
    """
    up, down, right = paper_levels(table_of(prior, "the published inpainting"), steps)
    levels, op = (up, down) if shifted else (right[::-1], right), Mask(known)
    maps = chain(
        consistent(prior, op, y, 1 / weight, _alpha_bar), prompted(prior, holes, _alpha_bar)
    )

    def residual(z0: Latent) -> Tensor:
        return (y - op.A(prior.decode(z0))).flatten(1).square().sum(1).sqrt()

    with torch.no_grad():
        z_src = prior.encode(y)
    how = {"every": every, "until": until, "renoise": renoise}
    return alternate(prior, null, z_src, levels, residual, maps, rng, **how)


def _alpha_bar(level: Level) -> float:
    return level.alpha_bar


def run(inputs: InpaintInputs, settings: Settings) -> Steps:
    """As registered: with whole cells, and weights of the masks that sum to at most 1."""
    prior, rng, steps = inputs.prior, inputs.rng, settings["num_inference_steps"]
    known = 1 - inputs.fit.mask_to_latent(inputs.mask, 1, touched=True)
    x = inputs.fit.down(inputs.x[None]).repeat(len(rng), 1, 1, 1)
    y = known * (x + NOISE * draw(x, rng))
    masks = shares([inputs.cells(mask, touched=True) for mask in inputs.masks])
    holes = list(zip(inputs.conditions, masks, strict=True))
    return dreamsampler_inpainting(prior, y, known, holes, inputs.null, rng, steps), 2 * steps
