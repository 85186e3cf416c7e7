"""Null-text inversion: null prompts under which guidance retraces the inversion of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import cfg, conditional
from dreamsampler.guidance.negation import check_movable
from dreamsampler.maths import Estimate, Latent, Level, Step
from dreamsampler.methods.edit.ddim_inversion import inverted
from dreamsampler.methods.inputs import EditInputs, Settings, Steps
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.regularizers import Regularizer, identity
from dreamsampler.samplers import dream


def null_text_inversion(
    prior: Prior,
    z_src: Latent,
    condition: Condition,
    source: Condition,
    null: Condition,
    levels: Sequence[Level],
    guidance_scale: float = 7.5,
    *,
    inner_steps: int = 10,
    rate: float = 1e-2,
    tolerance: float = 1e-5,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Null-text inversion: the null prompt is optimized level by level, then the prompt exchanged.

        up:    z* of every level, by DDIM inversion under the source prompt (scale 1)
        back:  null_t = argmin |z'(null, src; z) - z*'|^2,   z' one guided step down
        down:  the same steps under the target prompt, each with its own null_t

    The steps of all three ways are yielded. The null prompt is found by Adam, from that of the
    level above, for every picture of a batch by itself.

    Args:
        prior: the model; its conditions need embeddings, and it must be guided by two prompts.
        levels: falling; published 50 from pure noise. The way up takes the same.
        guidance_scale: w of both ways down, published 7.5.
        inner_steps: of Adam a level, at most.
        rate: of Adam at the first level; it falls to half of it along the way, as published.
        tolerance: mean squared error of a step that is near enough, at the first level; each
            further level allows twice this much more, as published.
        regularize: further maps of the clean estimate under the target prompt.

    Raises:
        ValueError: a model whose null prompt cannot be moved (a mixture; one that takes its scale
            as an input), or numbers out of range.

    Source: Mokady et al., "Null-text inversion", CVPR 2023 (arXiv:2211.09794), algorithm 1; the
    falling rate and the tolerance are those of the published program.
    """
    if inner_steps < 1:
        raise ValueError(f"inner_steps is {inner_steps}, but must be at least 1")
    if rate <= 0 or tolerance < 0:
        raise ValueError(
            f"rate is {rate:g} and tolerance {tolerance:g}, but the rate must be above 0 and the "
            "tolerance at least 0"
        )
    check_movable(prior, condition, null, guidance_scale, "null-text inversion")

    def steps() -> Iterator[Step]:
        up = yield from inverted(conditional(prior, source), z_src, levels)
        back = NullText(prior, source, null, guidance_scale, up, inner_steps, rate, tolerance)
        top = up[-1].estimate
        yield from dream(back, LatentVariable(top.z0), levels, top.eps)

        def target(z: Latent, level: Level) -> Estimate:
            return cfg(prior, condition, back.nulls[level], guidance_scale)(z, level)

        yield from dream(target, LatentVariable(top.z0), levels, top.eps, regularize=regularize)

    return steps()


@final
class NullText:
    """Guidance towards the source prompt, from the null prompt that keeps to the inversion's path.

    Called at the levels of the inversion from the highest to the lowest. Gradients flow to the null
    prompt's embeddings only.

    Args:
        prior: the model.
        source: the source prompt's condition.
        null: where the search begins.
        guidance_scale: w.
        up: steps of the inversion, lowest level first.
        inner_steps: see `null_text_inversion`, like the rest.

    Attributes:
        nulls: level -> the null condition found for it.
    """

    def __init__(
        self,
        prior: Prior,
        source: Condition,
        null: Condition,
        guidance_scale: float,
        up: Sequence[Step],
        inner_steps: int = 10,
        rate: float = 1e-2,
        tolerance: float = 1e-5,
    ) -> None:
        self.prior, self.source, self.scale = prior, source, guidance_scale
        self._inner_steps, self._rate, self._tolerance = inner_steps, rate, tolerance
        self.nulls: dict[Level, Condition] = {}
        self._last: Any = null
        down = list(reversed(up))
        clean = Level(0.0, 1.0, 0.0)
        goals = [(after.level, after.z) for after in down[1:]] + [(clean, up[0].before)]
        self._goals = dict(zip([step.level for step in down], goals, strict=True))
        self._index = {step.level: i for i, step in enumerate(down)}

    def __call__(self, z: Latent, level: Level) -> Estimate:
        """Find the level's null prompt, and guide by it."""
        (src,) = self.prior.predict(z, level, [self.source])
        self._last = self.nulls[level] = self._optimized(z, level, src)
        (empty,) = self.prior.predict(z, level, [self._last])
        return empty.lerp(src, self.scale)

    def _optimized(self, z: Latent, level: Level, src: Estimate) -> Condition:
        """Adam on the null embeddings; a row that is near enough keeps what it has."""
        (after, goal), index = self._goals[level], self._index[level]
        start: Tensor = self._last.embeddings.detach()
        start = start if start.dtype == torch.float64 else start.float()
        point = start.expand(len(z), *start.shape[1:]).clone().requires_grad_()
        adam = torch.optim.Adam([point], self._rate * (1 - index / (2 * len(self._goals))))
        near = self._tolerance * (1 + 2 * index)
        far = torch.ones(len(z), dtype=torch.bool, device=point.device)
        for _ in range(self._inner_steps):
            check_canceled()
            with torch.enable_grad():
                (empty,) = self.prior.predict(z, level, [replace(self._last, embeddings=point)])
                step = empty.lerp(src, self.scale)
                off = after.alpha * step.z0 + after.sigma * step.eps - goal
                errors = off.square().flatten(1).mean(1)
                (point.grad,) = torch.autograd.grad(errors.sum(), point)
            before = point.detach().clone()
            adam.step()
            with torch.no_grad():
                point.copy_(torch.where(far.view(-1, 1, 1), point, before))
            far &= (errors.detach() >= near).to(far.device)
            if not far.any():
                break
        return replace(self._last, embeddings=point.detach())


def run(inputs: EditInputs, settings: Settings) -> Steps:
    """As registered."""
    levels = inputs.levels(settings)
    steps = null_text_inversion(
        inputs.prior,
        inputs.z_src,
        inputs.condition,
        inputs.source_condition,
        inputs.null,
        levels,
        settings["guidance_scale"],
        inner_steps=settings["inner_steps"],
        regularize=inputs.regularize,
    )
    return steps, 3 * len(levels)
