"""The walks of a vectorization: to a picture where there is none, and of the paths themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from dreamsampler.generators.vector import Drawing, VectorGraphic
from dreamsampler.generators.vector.drawing import Energy
from dreamsampler.guidance import Guided, cfg, conditional
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.maths import Latent, Level, Step, generators
from dreamsampler.methods.edit.default import anchored_edit
from dreamsampler.methods.sampling import ddim
from dreamsampler.methods.vectorization import vectorize
from dreamsampler.models.prior import scale_for
from dreamsampler.samplers import flow_shifted

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.vectorize.task import Vectorize

SCALE = 5.0
"""Default CFG weight of what has to be invented; what is measured is asked for plainly."""
START, END = 0.3, 0.06
"""Flow times of the first and about the last level at which paths are distilled: above, pictures
are invented; below, a latent says no more than what is drawn already."""
SPREAD, LEAST = 0.5, 0.12
"""Deviation that the model's picture is believed up to, over the flow time, and at least."""
EDIT = 0.75
"""Strength of the edit of an SVG file."""


@final
class Sampling:
    """The model's part of a vectorization.

    Args:
        task: what was asked.
        prior: the model.
        fit: how the canvas meets it.
    """

    def __init__(self, task: Vectorize, prior: Prior, fit: Fit) -> None:
        self.task, self.prior, self.fit = task, prior, fit

    def encode(self, x: Tensor) -> Latent:
        """Picture (1, 3, h, w) in [-1, 1] to latent."""
        return self.prior.encode(self.fit.down((x + 1) / 2))

    def decode(self, z: Latent) -> Tensor:
        """And back; not clamped."""
        return 2 * self.fit.up(self.prior.decode(z), clamp=False) - 1

    def beyond(self, x: Tensor) -> Tensor:
        """What of a picture the model is too small to see; nothing at its own size."""
        seen = self.fit.up(self.fit.down(((x + 1) / 2).clamp(0, 1)))
        return x - (2 * seen - 1)

    @property
    def total(self) -> int:
        """Steps of both walks."""
        task = self.task
        if not task.beta or task.strength == 0:
            return 0
        steps = task.num_inference_steps
        return steps if task.kind == "picture" else 3 * steps

    def invented(self, flat: Tensor) -> Iterator[tuple[Step, Tensor]]:
        """To the picture that the prompt asks for: moments, and the picture (3, h, w) by then.

        Args:
            flat: what the SVG file shows, (3, h, w) in [0, 1]; of a prompt alone only its size.
        """
        task, prior, rng = self.task, self.prior, generators([self.task.seed])
        steps = 2 * task.num_inference_steps
        told, null = prior.condition(task.prompt), prior.condition(task.negative_prompt)
        scale = scale_for(prior, task.guidance_scale, SCALE)
        if task.kind == "prompt":
            like = self.encode(2 * flat[None] - 1)
            eps = torch.randn(like.shape, generator=rng[0]).to(like)
            levels = flow_shifted(prior.schedule, steps)
            for step in ddim(prior, told, null, eps, levels, scale):
                yield step, ((self.decode(step.z0)[0] + 1) / 2).clamp(0, 1)
            return
        source = conditional(prior, prior.condition(task.source_prompt))
        z_src = self.encode(2 * flat[None] - 1)
        start = EDIT if task.strength is None else task.strength
        levels = flow_shifted(prior.schedule, steps, start=start)
        target, origin = cfg(prior, told, null, scale), prior.decode(z_src)
        walk = anchored_edit(target, source, z_src, levels, rng, by=conditional(prior, told))
        for step in walk:
            yield step, assemble(flat, prior.decode(step.z0), origin, self.fit)

    def distilled(self, graphic: VectorGraphic, energy: Energy) -> tuple[Drawing, Iterator[Step]]:
        """The paths as a variable, and their walk at falling levels."""
        task = self.task
        drawing = Drawing(
            graphic,
            energy,
            self.encode,
            self.decode,
            beyond=None if self.fit.inner == self.fit.outer else self.beyond,
            beta=task.beta,
            steps=task.inner_steps,
        )
        rng = generators([task.seed])
        return drawing, vectorize(self._guided(), drawing, self._levels(), rng, spread=spread)

    def _levels(self) -> list[Level]:
        given = self.task.strength if self.task.kind == "picture" else None
        start, steps = START if given is None else given, self.task.num_inference_steps
        # spaced as if they went on to 0, but the last ones are left out
        spaced = math.ceil(steps / max(1 - END / start, 0.5))
        return flow_shifted(self.prior.schedule, spaced, start=start)[:steps]

    def _guided(self) -> Guided:
        task, prior = self.task, self.prior
        null = prior.condition(task.negative_prompt)
        if not (task.prompt or "").strip():
            return conditional(prior, null)
        asked = task.guidance_scale if task.kind == "picture" else None
        scale = scale_for(prior, asked, 1.0)
        return cfg(prior, prior.condition(task.prompt), null, scale)


def spread(level: Level) -> float:
    """How far the model's picture is believed at a level, a share of white."""
    return max(SPREAD * level.flow, LEAST)
