"""Null-text inversion: null prompts under which guidance retraces the inversion of a picture."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import Guided, cfg, conditional
from dreamsampler.guidance.negation import check_movable
from dreamsampler.maths import Estimate, Latent, Level, Step
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.samplers import dream, invert


def null_text_inversion(
    prior: Prior,
    z_src: Latent,
    wanted: Condition,
    there: Condition,
    null: Condition,
    levels: Sequence[Level],
    guidance_scale: float = 7.5,
    *,
    inner_steps: int = 10,
    rate: float = 1e-2,
    tolerance: float = 1e-5,
) -> Iterator[Step]:
    """Null-text inversion: the null prompt is optimized, level by level, and the target swapped in.

        up:    z* of every level, by DDIM inversion under the source prompt (scale 1)
        back:  null_t = argmin |z'(null, src; z) - z*'|^2,   z' one guided step down
        down:  the same steps under the target prompt, each with its own null_t

    The moments of all three ways are yielded. The null prompt is found by Adam, from that of the
    level above, for every picture of a batch by itself.

    Args:
        prior: the model; its conditions need embeddings, and it must be asked under a null prompt.
        z_src: clean latent of the source.
        wanted: the target prompt's.
        there: the source prompt's.
        null: the empty prompt's, where the search begins.
        levels: falling; published 50 from pure noise. The way up takes the same.
        guidance_scale: w of both ways down, published 7.5.
        inner_steps: of Adam a level, at most.
        rate: of Adam at the first level; it falls to half of it along the way, as published.
        tolerance: mean squared error of a step that is near enough, at the first level; each
            further level allows twice this much more, as published.

    Raises:
        ValueError: a model whose null prompt cannot be moved (a mixture; one that is told its
            scale), or numbers out of range.

    Source: Mokady et al., "Null-text inversion", CVPR 2023 (arXiv:2211.09794), algorithm 1; the
    falling rate and the tolerance are those of the published program.
    """
    search = Search(inner_steps, rate, tolerance)
    check_movable(prior, wanted, null, guidance_scale, "null-text inversion")

    def walk() -> Iterator[Step]:
        up = yield from inverted(conditional(prior, there), z_src, levels)
        found = NullText(prior, there, null, guidance_scale, up, search)
        top = up[-1].estimate
        yield from dream(found, LatentVariable(top.z0), levels, top.eps)

        def target(z: Latent, level: Level) -> Estimate:
            return cfg(prior, wanted, found.nulls[level], guidance_scale)(z, level)

        yield from dream(target, LatentVariable(top.z0), levels, top.eps)

    return walk()


@final
@dataclass(frozen=True)
class Search:
    """How long and how fast a null prompt is looked for.

    Args:
        inner_steps: of Adam a level, at most.
        rate: of Adam at the first level.
        tolerance: mean squared error that is near enough at the first level.

    Raises:
        ValueError: numbers out of range.
    """

    inner_steps: int = 10
    rate: float = 1e-2
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        if self.inner_steps < 1:
            raise ValueError(f"inner_steps is {self.inner_steps}, but must be at least 1")
        if self.rate <= 0 or self.tolerance < 0:
            raise ValueError(
                f"rate is {self.rate:g} and tolerance {self.tolerance:g}, but the rate must be "
                "above 0 and the tolerance at least 0"
            )


def inverted(
    source: Guided, z_src: Latent, levels: Sequence[Level]
) -> Generator[Step, None, list[Step]]:
    """DDIM inversion whose moments, lowest level first, are yielded and returned as well.

    Raises:
        ValueError: no levels.
    """
    up: list[Step] = []
    for step in invert(source, z_src, list(reversed(levels))):
        up.append(step)
        yield step
    if not up:
        raise ValueError("the run has no steps: pass at least one level")
    return up


@final
class NullText:
    """Guidance towards the source prompt, from the null prompt that keeps to the inversion's path.

    Called at the levels of the inversion from the highest to the lowest. Gradients flow to the null
    prompt's embeddings only.

    Args:
        prior: who is asked.
        there: the source prompt's condition.
        null: where the search begins.
        guidance_scale: w.
        up: moments of the inversion, lowest level first.
        search: how long and how fast.

    Attributes:
        nulls: level -> the null condition that was found there.
    """

    def __init__(
        self,
        prior: Prior,
        there: Condition,
        null: Condition,
        guidance_scale: float,
        up: Sequence[Step],
        search: Search,
    ) -> None:
        self.prior, self.there, self.scale, self.search = prior, there, guidance_scale, search
        self.nulls: dict[Level, Condition] = {}
        self._last: Any = null
        down = list(reversed(up))
        clean = Level(0.0, 1.0, 0.0)
        goals = [(after.level, after.z) for after in down[1:]] + [(clean, up[0].before)]
        self._goals = dict(zip([step.level for step in down], goals, strict=True))
        self._index = {step.level: i for i, step in enumerate(down)}

    def __call__(self, z: Latent, level: Level) -> Estimate:
        """Find the level's null prompt, and guide by it."""
        (told,) = self.prior.predict(z, level, [self.there])
        self._last = self.nulls[level] = self._found(z, level, told)
        (seen,) = self.prior.predict(z, level, [self._last])
        return _between(seen, told, self.scale)

    def _found(self, z: Latent, level: Level, told: Estimate) -> Condition:
        """Adam on the null embeddings; a row that is near enough keeps what it has."""
        after, goal = self._goals[level]
        index, search = self._index[level], self.search
        begun: Tensor = self._last.embeddings.detach()
        begun = begun if begun.dtype == torch.float64 else begun.float()
        point = begun.expand(len(z), *begun.shape[1:]).clone().requires_grad_()
        adam = torch.optim.Adam([point], search.rate * (1 - index / (2 * len(self._goals))))
        near = search.tolerance * (1 + 2 * index)
        open_ = torch.ones(len(z), dtype=torch.bool, device=point.device)
        for _ in range(search.inner_steps):
            with torch.enable_grad():
                (seen,) = self.prior.predict(z, level, [replace(self._last, embeddings=point)])
                step = _between(seen, told, self.scale)
                off = after.alpha * step.z0 + after.sigma * step.eps - goal
                errors = off.square().flatten(1).mean(1)
                (point.grad,) = torch.autograd.grad(errors.sum(), point)
            held = point.detach().clone()
            adam.step()
            with torch.no_grad():
                point.copy_(torch.where(open_.view(-1, 1, 1), point, held))
            open_ &= (errors.detach() >= near).to(open_.device)
            if not open_.any():
                break
        return replace(self._last, embeddings=point.detach())


def _between(null: Estimate, told: Estimate, scale: float) -> Estimate:
    """The guided estimate, null + w (told - null)."""
    z0 = null.z0 + scale * (told.z0 - null.z0)
    return Estimate(z0, null.eps + scale * (told.eps - null.eps))
