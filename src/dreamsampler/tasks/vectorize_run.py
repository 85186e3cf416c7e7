"""One run of the task Vectorize: a picture in, moments out, paths at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from dreamsampler.generators.vector import (
    Drawing,
    Scene,
    VectorGraphic,
    crosses_itself,
    crossing,
    fitted,
    placed,
    scattered,
    simplified,
    stacked,
    staged,
    traced,
)
from dreamsampler.maths import Image, Latent, Moment, generators
from dreamsampler.methods.vectorization import vectorize
from dreamsampler.models.prior import scale_for
from dreamsampler.objectives import Guided, cfg, plain
from dreamsampler.samplers import by_noise
from dreamsampler.tasks.fit import Fit
from dreamsampler.tasks.picture import Held, Picture, open_picture
from dreamsampler.tasks.recipe import make_recipe
from dreamsampler.tasks.verdict import first_guess, measurement_of, noise_of
from dreamsampler.tasks.walk import Walk

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.vectorize import Vectorize

SCALE = 5.0
"""Default CFG weight."""
LEAST_NOISE = 0.01
"""Data are trusted up to this deviation: few paths explain no picture exactly."""


@final
class VectorizeRun:
    """A vectorization under way; made by `Vectorize.start`.

    Iterating fits the paths to the data and then drives the loop; stopping cancels it.

    Attributes:
        task: what was asked.
        held: pictures that were in memory, by their names in the task.
        source: the picture as it was read.
        seeds: one.
        graphic: the paths; None until the fit has begun.
        noise: of the measurement, a share of white.
    """

    def __init__(self, task: Vectorize, prior: Prior, held: Held | None = None) -> None:
        self.task, self.prior, self.held = task, prior, held or {}
        self.seeds = [task.seed]
        self.source: Picture = open_picture(task.image, held)
        self.graphic: VectorGraphic | None = None
        self._few: Scene | None = None
        self._walk = Walk(prior)
        with self._walk.timed("read"), torch.no_grad():
            size = task.description.input_size(self.source.size)
            self._op = task.description.build(size)
            self._y = measurement_of(self.source, self._op, size)
            self.noise = noise_of(self._y, task.noise, self.source.depth)
            self._fit = Fit.to(size, prior.native_size, prior.multiple)
            self._size = size
        asked = task.beta > 0 and task.strength > 0
        total = task.num_inference_steps if asked else 0
        self._walk.begin(self._moments(total), total)

    def _energy(self, graphic: VectorGraphic, drawn: Tensor) -> Tensor:
        """Misfit in deviations of the noise, and what paths should not be."""
        deviation = max(self.noise, LEAST_NOISE)
        energy = (self._op.A(drawn) - self._y).square().mean() / (2 * deviation**2)
        if self.task.crossing:
            wrong = crossing(graphic.scene, tol=0.02) / (self._size[0] * self._size[1])
            energy = energy + self.task.crossing / (2 * LEAST_NOISE) * wrong
        return energy

    def _moments(self, total: int) -> Iterator[Moment]:
        with self._walk.timed("fit"):
            graphic = self._first()
        if not total:
            return
        task, prior = self.task, self.prior
        drawing = Drawing(
            graphic,
            self._energy,
            self._encode,
            self._decode,
            beta=task.beta,
            steps=task.inner_steps,
        )
        levels = by_noise(prior.schedule, total, start=task.strength)
        rng = generators(self.seeds)
        yield from vectorize(self._guided(), drawing, levels, rng, spread=lambda now: now.flow)

    def _first(self) -> VectorGraphic:
        """Stage 0: paths that explain the data, without the model."""
        task, rng = self.task, torch.Generator().manual_seed(self.task.seed)
        if task.operator == "none":
            guess = self._y.expand(1, 3, *self._size)[0]
        else:
            from dreamsampler.objectives.measurement import Measurement

            data = Measurement(self._op, self._y, self.noise, self._decode, self._encode)
            guess = first_guess(data)[0]
        if task.init == "components":
            return self._grown(guess, rng)
        scene = (
            traced(guess, task.paths)
            if task.init == "trace"
            else scattered(guess, task.paths, rng, task.segments)
        )
        return self._settled(scene, guess, task.steps, rng)

    def _grown(self, guess: Tensor, rng: torch.Generator) -> VectorGraphic:
        """A few paths first, then more where those few are wrong."""
        task, scene, error = self.task, None, 1 - guess
        stages, graphic = staged(task.paths), None
        for count in stages:
            disks = placed(guess, error, count, rng, task.segments)
            scene = disks if scene is None else stacked([scene, disks])
            share = (count + task.paths / len(stages)) / (2 * task.paths)
            graphic = self._settled(scene, guess, max(1, round(share * task.steps)), rng)
            scene, error = (
                graphic.scene.moved(graphic.points.detach(), graphic.color.detach()),
                (self._drawn(graphic) - guess),
            )
        assert graphic is not None
        return graphic

    def _settled(
        self, scene: Scene, guess: Tensor, steps: int, rng: torch.Generator
    ) -> VectorGraphic:
        self.graphic = VectorGraphic(scene)
        for _ in fitted(self.graphic, self._energy, guess, steps, rng):
            pass
        return self.graphic

    def _guided(self) -> Guided:
        null = self.prior.condition(self.task.negative_prompt)
        if not (self.task.prompt or "").strip():
            return plain(self.prior, null)
        scale = scale_for(self.prior, self.task.guidance_scale, SCALE)
        return cfg(self.prior, self.prior.condition(self.task.prompt), null, scale)

    def _encode(self, x: Tensor) -> Latent:
        return self.prior.encode(self._fit.down((x + 1) / 2))

    def _decode(self, z: Latent) -> Tensor:
        return 2 * self._fit.up(self.prior.decode(z), clamp=False) - 1

    @staticmethod
    def _drawn(graphic: VectorGraphic) -> Tensor:
        with torch.no_grad():
            return (graphic()[0] + 1) / 2

    @property
    def total(self) -> int:
        """How many moments a whole run has; the fit comes before the first one."""
        return self._walk.total

    @property
    def seconds(self) -> dict[str, float]:
        """How long reading, the fit and the loop (with the fit) took."""
        return self._walk.seconds

    @property
    def evaluations(self) -> int:
        """Network evaluations so far, images times prompts."""
        return self._walk.evaluations

    def __iter__(self) -> Iterator[Moment]:
        """Run; every moment after its step."""
        return iter(self._walk)

    def stop(self) -> None:
        """End here: the results are those of the newest moment; ValueError before the first."""
        self._walk.cut()

    def preview(self, now: Moment) -> Image:
        """What is drawn by now, in [-1, 1] at the size of the canvas."""
        assert self.graphic is not None
        with torch.no_grad():
            return self.graphic().clamp(-1, 1)

    def run(self) -> VectorizeRun:
        """Iterate to the end."""
        for _ in self:
            pass
        return self

    def scene(self) -> Scene:
        """The paths, simplified if that was asked for; ValueError before the end."""
        self._walk.check_finished("vectorization")
        if self.graphic is None:
            raise ValueError("the vectorization is not finished: iterate over the run first")
        if self._few is None:
            found = self.graphic.scene
            found = found.moved(found.points.detach(), found.color.detach())
            if self.task.loss:
                drawn = self._drawn(self.graphic)
                found = simplified(found, self.graphic.background, drawn, self.task.loss)
            self._few = found
        return self._few

    def pictures(self) -> list[Tensor]:
        """What the SVG shows, (3, h, w) in [0, 1]; ValueError before the end."""
        scene = self.scene()
        assert self.graphic is not None
        return [self._drawn(VectorGraphic(scene, self.graphic.background.tolist())).clamp(0, 1)]

    @property
    def report(self) -> dict[str, Any]:
        """Paths, share of them that cross themselves, noise, and the residual of the data."""
        (picture,), scene = self.pictures(), self.scene()
        residual = (self._op.A(picture[None]) - self._y).square().mean().sqrt()
        crossed = crosses_itself(scene).float().mean() if scene.paths else torch.zeros(())
        return {
            "paths": scene.paths,
            "crossing": round(float(crossed), 3),
            "noise": round(self.noise, 5),
            "residual": round(float(residual), 5),
        }

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the SVG file, with the prompt as its title and the recipe as its metadata.

        Args:
            path: ends in .svg.
            recipe: what the file should say about its making; by default all of it;
                nothing, not even the prompt, if it is empty.
        """
        scene = self.scene()
        assert self.graphic is not None
        recipe = make_recipe(self.task, self, self.prior, {}) if recipe is None else recipe
        graphic = VectorGraphic(scene, self.graphic.background.tolist())
        graphic.save(path, title=self.task.prompt if recipe else None, recipe=recipe or None)
        return self.task.outputs(Path(path))
