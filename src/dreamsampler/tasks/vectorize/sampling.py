"""The model's part of a vectorization: a picture where there is none, and the paths' own steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

from dreamsampler.generators.vector import Drawing, VectorGraphic
from dreamsampler.generators.vector.drawing import Energy
from dreamsampler.guidance import Guided, cfg, conditional
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.maths import Latent, Level, Step, generators
from dreamsampler.methods.inputs import EditInputs
from dreamsampler.methods.registry import method
from dreamsampler.methods.sampling import ddim
from dreamsampler.methods.vectorization import vectorize
from dreamsampler.models.prior import Prior, scale_for
from dreamsampler.samplers import flow_shifted
from dreamsampler.tasks.vectorize.options import VectorizeOptions

SCALE = 5.0
"""Default CFG weight where there is no measurement; where there is one, it is 1."""
START, END = 0.3, 0.06
"""Flow times of the first and about the last level at which paths are distilled: above, pictures
are invented; below, a latent says no more than what is drawn already."""
SPREAD, LEAST = 0.5, 0.12
"""Assumed deviation of the model's picture, over the flow time, and at least."""


@final
class Sampling:
    """The model's part of a vectorization.

    Args:
        task: the options.
        prior: the model.
        fit: how the canvas meets it.
    """

    def __init__(self, task: VectorizeOptions, prior: Prior, fit: Fit) -> None:
        self.task, self.prior, self.fit = task, prior, fit

    def encode(self, x: Tensor) -> Latent:
        """Picture (1, 3, h, w) in [-1, 1] to latent."""
        return self.prior.encode(self.fit.down((x + 1) / 2))

    def decode(self, z: Latent) -> Tensor:
        """And back; not clamped."""
        return 2 * self.fit.up(self.prior.decode(z), clamp=False) - 1

    def beyond(self, x: Tensor) -> Tensor:
        """What of a picture the model is too small to see; nothing at its own size."""
        rendered = self.fit.up(self.fit.down(((x + 1) / 2).clamp(0, 1)))
        return x - (2 * rendered - 1)

    @property
    def total(self) -> int:
        """How many steps there are."""
        task = self.task
        if not task.beta or task.strength == 0:
            return 0
        steps = task.num_inference_steps
        return steps if task.kind == "picture" else 2 * steps

    def sampled(self, flat: Tensor) -> Iterator[tuple[Step, Tensor]]:
        """Steps to the picture that the prompt asks for, and the picture (3, h, w) after each.

        Args:
            flat: what the SVG file shows, (3, h, w) in [0, 1]; of a prompt alone only its size.
        """
        task, prior, rng = self.task, self.prior, generators([self.task.seed])
        count = 2 * task.num_inference_steps
        condition, null = prior.condition(task.prompt), prior.condition(task.negative_prompt)
        scale = scale_for(prior, task.guidance_scale, SCALE)
        if task.kind == "prompt":
            like = self.encode(2 * flat[None] - 1)
            eps = torch.randn(like.shape, generator=rng[0]).to(like)
            levels = flow_shifted(prior.schedule, count)
            for step in ddim(prior, condition, null, eps, levels, scale):
                yield step, ((self.decode(step.z0)[0] + 1) / 2).clamp(0, 1)
            return
        source = null
        if task.source_prompt is not None:
            same = task.source_prompt.split() == (task.prompt or "").split()
            # one object: it cancels to the last bit
            source = condition if same else prior.condition(task.source_prompt)
        z_src = self.encode(2 * flat[None] - 1)
        edit, origin = method("edit", "default"), prior.decode(z_src)
        negative = task.negative_prompt is not None
        prompts = [(task.source_prompt or "", task.prompt or "")]
        inputs = EditInputs(
            prior, z_src, condition, source, null, rng, prompts=prompts, negative=negative
        )
        strength = edit.settings["strength"] if task.strength is None else task.strength
        given = {"num_inference_steps": count, "guidance_scale": scale, "strength": strength}
        for step in edit.start(inputs, {**edit.settings, **given})[0]:
            yield step, assemble(flat, prior.decode(step.z0), origin, self.fit)

    def optimized(self, graphic: VectorGraphic, energy: Energy) -> tuple[Drawing, Iterator[Step]]:
        """The paths as a variable, and their steps at falling levels."""
        task = self.task
        drawing = Drawing(
            graphic,
            energy,
            self.encode,
            self.decode,
            beyond=None if self.fit.inner == self.fit.outer else self.beyond,
            beta=task.beta,
            update_steps=task.update_steps,
        )
        rng = generators([task.seed])
        return drawing, vectorize(self._guided(), drawing, self._levels(), rng, spread=spread)

    def _levels(self) -> list[Level]:
        start, steps = self.task.strength, self.task.num_inference_steps
        start = START if start is None else start
        # spaced as if they went on to 0, but the last ones are left out
        spaced = math.ceil(steps / max(1 - END / start, 0.5))
        return flow_shifted(self.prior.schedule, spaced, start=start)[:steps]

    def _guided(self) -> Guided:
        task, prior = self.task, self.prior
        null = prior.condition(task.negative_prompt)
        if not (task.prompt or "").strip():
            return conditional(prior, null)
        scale = scale_for(prior, task.guidance_scale, 1.0)
        return cfg(prior, prior.condition(task.prompt), null, scale)


def spread(level: Level) -> float:
    """Assumed deviation of the model's picture at a level, a share of white."""
    return max(SPREAD * level.flow, LEAST)
