"""One run of the task Restore: a measured picture in, moments out, restored pictures at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from dreamsampler.guidance import Guided, Negation, cfg, conditional
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import InMemoryImages, Picture, open_picture, save_picture
from dreamsampler.maths import Denoiser, Image, Latent, Level, Rng, Step, generators
from dreamsampler.methods import (
    RunningMean,
    averaged_restoration,
    dps,
    dreamsampler_restoration,
    flowdps,
    restarts,
    treg,
)
from dreamsampler.models.prior import preview_of, scale_for
from dreamsampler.operators.fit import fit_parameters, guess_parameters
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.samplers import flow_shifted, trailing
from dreamsampler.tasks.data_consistency import (
    BELIEF,
    ROUGH,
    Verdict,
    closed,
    first_guess,
    guessable,
    measurement_of,
    noise_of,
    steadied,
)
from dreamsampler.tasks.progress import Walk
from dreamsampler.tasks.recipe import make_recipe, tagged

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.restore.task import Restore

REFIT = 3
"""Levels between two fits of what the operator leaves open; walks on the mirror image have none."""
MIRRORED: tuple[tuple[int, ...], ...] = ((), (-1,))
"""Axes along which the pictures of the walks of the default preset are turned, in turn."""
SPREAD_WHITES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Deviations over the samples that the picture of the spread may show as white."""


@final
class RestoreRun:
    """A restoration under way; made by `Restore.start`.

    Iterating drives the loop, stopping cancels it. Pictures are there at the end.

    Attributes:
        task: what was asked.
        held: pictures that were in memory, by their names in the task.
        source: the measured picture as it was read.
        seeds: one per sample.
        described: the operator, with what has been fitted so far in it.
        data: operator, measurement and noise, as they are known by now.
        guess: the first guess, (1, 3, h, w) in [0, 1]; no model took part in it.
    """

    def __init__(self, task: Restore, prior: Prior, held: InMemoryImages | None = None) -> None:
        self.task, self.prior, self.held = task, prior, held or {}
        self.source: Picture = open_picture(task.image, held)
        self.seeds = [task.seed + i for i in range(task.samples)]
        self._pictures: list[Tensor] | None = None
        self._found: RunningMean | None = None
        self._views: list[Measurement] = []
        self._turned: list[tuple[int, ...]] = []
        self._walk = Walk(prior)
        with self._walk.timed("encode"), torch.no_grad():
            self.data = self._measurement()
            self.guess = first_guess(self.data.of_row(0))
            self.fit = Fit.to(self.data.size, prior.native_size, prior.multiple, task.size)
            # what the model is too small to see; nothing at its own size
            self._fine = self.guess - self.fit.up(self.fit.down(self.guess))
            self._walk.begin(*self._method())

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
        return self.fit.up(self.prior.decode(z), clamp=False).flip(axes) + self._fine

    def _hide(self, x: Tensor, axes: tuple[int, ...] = ()) -> Latent:
        return self.prior.encode(self.fit.down(x.flip(axes)))

    def _axes(self, step: Step) -> tuple[int, ...]:
        """Along which axes a moment's latent is that of the mirror image."""
        return self._turned[step.index] if self._turned else ()

    @property
    def total(self) -> int:
        """How many moments a whole run has."""
        return self._walk.total

    @property
    def seconds(self) -> dict[str, float]:
        """How long encoding, the loop and decoding took."""
        return self._walk.seconds

    @property
    def evaluations(self) -> int:
        """Network evaluations so far, images times prompts."""
        return self._walk.evaluations

    def _method(self) -> tuple[Iterator[Step], int]:
        """The preset's sentence, and its number of steps."""
        task, chosen, prior = self.task, self.task.settings, self.prior
        rng, steps = generators(self.seeds), chosen.num_inference_steps
        if task.preset == "paper":
            told, null = prior.condition(task.prompt), prior.condition(None)
            walk = dreamsampler_restoration(prior, self.data, told, null, rng, steps)
            return walk, 2 * steps
        denoise = self._denoise(scale_for(prior, task.guidance_scale, chosen.guidance_scale))
        if task.preset == "default":
            return self._averaged(denoise, rng)
        z = self._hide(self.guess).repeat(len(rng), 1, 1, 1)
        if task.preset == "flowdps":
            levels = flow_shifted(prior.schedule, steps, shift=3.0)
            return flowdps(denoise, self.data, z, levels, rng), len(levels)
        levels = trailing(prior.schedule, steps)
        if task.preset == "treg":
            return treg(denoise, self.data, z, levels, rng), len(levels)
        gluing = 0.1 if task.preset == "psld" else 0.0
        return dps(denoise, self.data, z, levels, rng, gluing=gluing), len(levels)

    def _averaged(self, denoise: Denoiser, rng: Rng) -> tuple[Iterator[Step], int]:
        """The house's own method: walks on the picture and its mirror image in turn."""
        chosen = self.task.settings
        first, *others = chosen.starts or (1.0,)
        starts = [first if guessable(self.data.op, self.data.size) else 1.0, *others]
        walks = restarts(self.prior.schedule, chosen.num_inference_steps, starts)
        turned = [MIRRORED[i % len(MIRRORED)] for i in range(len(walks))]
        self._turned = [axes for axes, walk in zip(turned, walks, strict=True) for _ in walk]
        self._views = [
            replace(
                self.data,
                decode=partial(self._show, axes=axes),
                encode=partial(self._hide, axes=axes),
            )
            for axes in turned
        ]
        self._found, rate = RunningMean(self.guess), chosen.spread or 0.0

        def spread(level: Level) -> float:
            return rate * level.flow

        walk = averaged_restoration(denoise, self._views, self._found, walks, rng, spread=spread)
        return walk, len(self._turned)

    def _denoise(self, scale: float) -> Guided | Negation:
        null = self.prior.condition(self.task.negative_prompt)
        if not (self.task.prompt or "").strip():
            return conditional(self.prior, null)
        told = self.prior.condition(self.task.prompt)
        if self.task.adaptive_negation:
            return Negation(self.prior, told, null, scale)
        return cfg(self.prior, told, null, scale)

    def __iter__(self) -> Iterator[Step]:
        """Run; every moment after its step. Unknowns of the operator are fitted between steps."""
        for step in self._walk:
            due = step.index % REFIT == REFIT - 1
            # of the mirror image a model may believe less than of the picture
            if self.task.description.unknown and due and not self._axes(step):
                with torch.no_grad(), self._walk.timed("fit"):
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

    def stop(self) -> None:
        """End here: the results are those of the newest moment; ValueError before the first."""
        self._walk.cut()

    def preview(self, step: Step) -> Image:
        """What a moment's clean latent looks like, in [-1, 1] at the model's size."""
        return preview_of(self.prior, step.z0).flip(self._axes(step))

    def pictures(self) -> list[Tensor]:
        """The restored samples, (3, h, w) in [0, 1], at the size of what was measured.

        Raises:
            ValueError: the run is not finished.
        """
        self._walk.check_finished("restoration")
        if self._pictures is None:
            with self._walk.timed("decode"), torch.no_grad():
                assert self._walk.last is not None
                shown = self._show(self._walk.last.z0) if self._found is None else self._best()
                one = self.data.of_row(0)
                belief = ROUGH if self._found is None else BELIEF
                self._pictures = [closed(one, x, belief=belief)[0] for x in shown.split(1)]
        return self._pictures

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
        verdict = Verdict.of(self.data.of_row(0), self.mean()[None])
        told = verdict.told()
        if self.task.description.unknown:
            told["operator"] = str(self.described)
        if len(self.seeds) > 1:
            told["spread"] = round(float(self.spread().mean()), 5)
            told["spread_white"] = self._white()
        return told

    def run(self) -> RestoreRun:
        """Iterate to the end."""
        for _ in self:
            pass
        return self

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the pictures; of several samples their mean and spread as well.

        Args:
            path: where to; the suffix chooses the format.
            recipe: what the files should say about their making; by default all of it
                (`make_recipe`); nothing if it is empty.
        """
        pictures = self.pictures()
        recipe = make_recipe(self.task, self, self.prior, {}) if recipe is None else recipe
        paths = self.task.outputs(Path(path))
        own: list[dict[str, Any]] = [{"index": i, "seed": s} for i, s in enumerate(self.seeds)]
        if len(pictures) > 1:
            white = self._white()
            shown = (self.spread() / white).clamp(0, 1).expand(3, -1, -1)
            pictures = [*pictures, self.mean(), shown]
            own += [{"shows": "mean"}, {"shows": "spread", "white": white}]
        for each, picture, more in zip(paths, pictures, own, strict=True):
            like = replace(self.source, rgb=picture, alpha=None)
            save_picture(each, picture, like, tagged(recipe, more))
        return paths
