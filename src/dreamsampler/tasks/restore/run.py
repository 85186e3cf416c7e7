"""One run of the task Restore: a measured picture in, steps out, restored pictures at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.guidance import Guided, Negation, cfg, conditional
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import Picture, open_picture
from dreamsampler.maths import Denoiser, Image, Latent, Level, Rng, Step, generators
from dreamsampler.methods.restoration import (
    Found,
    averaged_restoration,
    dps,
    dreamsampler_restoration,
    flowdps,
    restarts,
    treg,
)
from dreamsampler.models.prior import Prior, preview_of, scale_for
from dreamsampler.operators.fit import fit_parameters, guess_parameters
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.samplers import flow_shifted, trailing
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.data_consistency import (
    BELIEF,
    ROUGH,
    DataConsistency,
    closed,
    first_guess,
    guessable,
    measurement_of,
    noise_of,
    steadied,
)
from dreamsampler.tasks.restore.options import RestoreOptions

REFIT = 3
"""Levels between two fits of what the operator leaves open; walks on the mirror image have none."""
MIRRORED: tuple[tuple[int, ...], ...] = ((), (-1,))
"""Axes along which the pictures of the walks of the default preset are turned, in turn."""
SPREAD_WHITES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Deviations over the samples that the picture of the spread may show as white."""


@final
class RestoreRun(Run[RestoreOptions]):
    """A restoration under way; made by `Restore.start`.

    Attributes:
        described: the operator, with what has been fitted so far in it.
        data: operator, measurement and noise, as they are known by now.
        guess: the first guess, (1, 3, h, w) in [0, 1]; no model took part in it.
    """

    def __init__(self, task: RestoreOptions, model: Prior) -> None:
        super().__init__(task, model, [task.seed + i for i in range(task.num_images)])
        self.source = open_picture(task.image)
        self._found: Found | None = None
        self._views: list[Measurement] = []
        self._turned: list[tuple[int, ...]] = []
        with self.timed("encode"), torch.no_grad():
            self.data = self._measurement()
            self.guess = first_guess(self.data.of_row(0))
            self.fit = Fit.to(self.data.size, model.native_size, model.multiple, task.size)
            # what the model is too small to see; nothing at its own size
            self._fine = self.guess - self.fit.up(self.fit.down(self.guess))
            self.begin(*self._method())

    def _measurement(self) -> Measurement:
        asked = self.task.description
        size_hw, depth = asked.input_size(self.source.size), self.source.depth
        self.described = asked
        if asked.unknown:
            flat = self.source.flat()[None]
            self.described = guess_parameters(asked, flat, noise_of(flat, self.task.noise, depth))
        op = self.described.build(size_hw)
        y = measurement_of(self.source, op, size_hw)
        seen = op.A(y.new_ones(1, 3, *size_hw)) > 0.5
        noise = noise_of(y, self.task.noise, depth, seen.to(y))
        rows = y.expand(len(self.seeds), -1, -1, -1)
        return Measurement(op, rows, noise, self._show, self._hide)

    def _show(self, z: Latent, axes: tuple[int, ...] = ()) -> Tensor:
        """Latent to picture in [0, 1] at full size; not clamped, so that gradients live.

        Args:
            z: the latent.
            axes: along which it is that of the mirror image.
        """
        return self.fit.up(self.model.decode(z), clamp=False).flip(axes) + self._fine

    def _hide(self, x: Tensor, axes: tuple[int, ...] = ()) -> Latent:
        return self.model.encode(self.fit.down(x.flip(axes)))

    def _axes(self, step: Step) -> tuple[int, ...]:
        """Along which axes a moment's latent is that of the mirror image."""
        return self._turned[step.index] if self._turned else ()

    def _method(self) -> tuple[Iterator[Step], int]:
        """The steps of the method, and how many they are."""
        task, chosen, prior = self.task, self.task.settings, self.model
        rng, steps = generators(self.seeds), chosen["num_inference_steps"]
        if task.method == "dreamsampler":
            told, null = prior.condition(task.prompt), prior.condition(None)
            walk = dreamsampler_restoration(prior, self.data, told, null, rng, steps)
            return walk, 2 * steps
        denoise = self._denoise(scale_for(prior, task.guidance_scale, chosen.get("guidance_scale")))
        if task.method == "default":
            return self._averaged(denoise, rng)
        z = self._hide(self.guess).repeat(len(rng), 1, 1, 1)
        if task.method == "flowdps":
            levels = flow_shifted(prior.schedule, steps, shift=3.0)
            return flowdps(denoise, self.data, z, levels, rng), len(levels)
        levels = trailing(prior.schedule, steps)
        if task.method == "treg":
            return treg(denoise, self.data, z, levels, rng), len(levels)
        gluing = 0.1 if task.method == "psld" else 0.0
        return dps(denoise, self.data, z, levels, rng, gluing=gluing), len(levels)

    def _averaged(self, denoise: Denoiser, rng: Rng) -> tuple[Iterator[Step], int]:
        """The default method: walks on the picture and its mirror image in turn."""
        chosen = self.task.settings
        first, *others = chosen["starts"] or (1.0,)
        starts = [first if guessable(self.data.op, self.data.size) else 1.0, *others]
        walks = restarts(self.model.schedule, chosen["num_inference_steps"], starts)
        turned = [MIRRORED[i % len(MIRRORED)] for i in range(len(walks))]
        self._turned = [axes for axes, walk in zip(turned, walks, strict=True) for _ in walk]
        self._views = [
            replace(
                self.data, show=partial(self._show, axes=axes), hide=partial(self._hide, axes=axes)
            )
            for axes in turned
        ]
        self._found, rate = Found(self.guess), chosen["spread"]

        def spread(level: Level) -> float:
            return rate * level.flow

        walk = averaged_restoration(denoise, self._views, self._found, walks, rng, spread=spread)
        return walk, len(self._turned)

    def _denoise(self, scale: float) -> Guided | Negation:
        null = self.model.condition(self.task.negative_prompt)
        if not (self.task.prompt or "").strip():
            return conditional(self.model, null)
        told = self.model.condition(self.task.prompt)
        if self.task.adaptive_negation:
            return Negation(self.model, told, null, scale)
        return cfg(self.model, told, null, scale)

    def __iter__(self) -> Iterator[Step]:
        """Run; every moment after its step. Unknowns of the operator are fitted between steps."""
        for step in super().__iter__():
            due = step.index % REFIT == REFIT - 1
            # of the mirror image a model may believe less than of the picture
            if self.task.description.unknown and due and not self._axes(step):
                with torch.no_grad(), self.timed("fit"):
                    self._refit(self._show(step.estimate.z0).clamp(0, 1))
            yield step

    def _refit(self, x: Tensor) -> None:
        known = [dict(step.values) for step in self.described.steps]
        asked = [dict(step.values) for step in self.task.description.steps]
        near = [
            float(old[name])  # type: ignore[arg-type]  # what was unknown is a number now
            for old, new in zip(known, asked, strict=True)
            for name, value in new.items()
            if value is None
        ]
        self.described = fit_parameters(self.task.description, self.data.y, x, near=near)
        op = self.described.build(self.data.size)
        for view in (self.data, *self._views):
            view.op = op

    def preview(self, step: Step) -> Image:
        """What a moment's clean latent looks like, in [-1, 1] at the model's size."""
        return preview_of(self.model, step.z0).flip(self._axes(step))

    def _decoded(self) -> list[Tensor]:
        assert self.last is not None
        shown = self._show(self.last.z0) if self._found is None else self._best()
        one = self.data.of_row(0)
        belief = ROUGH if self._found is None else BELIEF
        return [closed(one, x, belief=belief)[0] for x in shown.split(1)]

    def _best(self) -> Tensor:
        """What the walks of the default preset have found."""
        assert self._found is not None
        known = guessable(self.data.op, self.data.size)
        return steadied(self._found.mean, self.guess) if known else self._found.mean

    def mean(self) -> Tensor:
        """The mean of the samples, (3, h, w)."""
        return torch.stack(self.pictures()).mean(0)

    def spread(self) -> Tensor:
        """Deviation over the samples, root mean square over the colors, (1, h, w)."""
        pictures = torch.stack(self.pictures())
        return pictures.var(0, unbiased=True).mean(0, keepdim=True).sqrt()

    def _white(self) -> float:
        """The deviation that is shown as white: one in two hundred pixels may exceed it."""
        most = float(self.spread().flatten().quantile(0.995))
        return next((white for white in SPREAD_WHITES if white >= most), SPREAD_WHITES[-1])

    @property
    def report(self) -> dict[str, Any]:
        """How well the measurement is explained, of several samples by their mean.

        Keys noise, residual, residual_expected, warning if the two are far apart, operator if it
        had unknowns, and of several samples spread (mean deviation) and spread_white (the deviation
        shown as white in OUT-spread: of `SPREAD_WHITES` the first that few pixels exceed).
        """
        consistency = DataConsistency.of(self.data.of_row(0), self.mean()[None])
        told = consistency.summary()
        if self.task.description.unknown:
            told["operator"] = str(self.described)
        if len(self.seeds) > 1:
            told["spread"] = round(float(self.spread().mean()), 5)
            told["spread_white"] = self._white()
        return told

    def files(self) -> list[tuple[Tensor, Picture, dict[str, Any]]]:
        """The pictures; of several also their mean and spread."""
        found = super().files()
        if len(found) > 1:
            white = self._white()
            shown = (self.spread() / white).clamp(0, 1).expand(3, -1, -1)
            found += [(self.mean(), self.source, {"shows": "mean"})]
            found += [(shown, self.source, {"shows": "spread", "white": white})]
        return [(x, replace(self.source, rgb=x, alpha=None), more) for x, _, more in found]
