"""One run of the task Vectorize: a picture in, steps out, paths at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.files import write_whole
from dreamsampler.generators.vector import (
    Scene,
    VectorGraphic,
    crosses_itself,
    crossing,
    to_svg,
    untangled,
)
from dreamsampler.generators.vector.regions import flat_colors, labeled, traced_regions
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import Picture
from dreamsampler.maths import Image, Step
from dreamsampler.models.prior import Prior
from dreamsampler.operators.spec import parse
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.data_consistency import first_guess, measurement_of, noise_of
from dreamsampler.tasks.vectorize.initialize import (
    Initialization,
    Target,
    open_source,
    picture_of_scene,
    rendered,
    snapshot,
)
from dreamsampler.tasks.vectorize.options import VectorizeOptions
from dreamsampler.tasks.vectorize.record import save_animation, save_comparison
from dreamsampler.tasks.vectorize.redraw import Redrawing, redrawn
from dreamsampler.tasks.vectorize.sampling import LEAST, Sampling
from dreamsampler.tasks.vectorize.simplify import fewest_paths

LEAST_NOISE = 0.01
"""Data are trusted up to this deviation: few paths explain no picture exactly."""
LOSS = {False: 1.0, True: 3.0}
"""Nearness that may be lost by leaving out paths, dB; True: of what the model has restored."""
FRAMES = 24
"""Pictures of the fit that are kept for the record."""


@final
class VectorizeRun(Run[VectorizeOptions]):
    """A vectorization under way; made by `Vectorize.start`.

    Iterating fits the paths to the data and then drives the loop. `source` is what an SVG file
    shows, and white for a prompt alone.

    Attributes:
        noise: of the measurement, a share of white.
    """

    def __init__(self, task: VectorizeOptions, model: Prior) -> None:
        super().__init__(task, model, [task.seed])
        self._simplified: Scene | None = None
        self._fitted: Scene | None = None
        self._frames: list[Scene] = []
        self._step_scenes: dict[int, Scene] = {}
        self._model_picture: Tensor | None = None
        self._redrawing: Redrawing | None = None
        with self.timed("read"), torch.no_grad():
            self.source, self._document = open_source(task)
            size = task.description.input_size(self.source.size)
            inside = task.size if task.kind == "picture" else None
            fit = Fit.to(size, model.native_size, model.multiple, inside)
            self._sampling = Sampling(task, model, fit)
            self._begin(self._measured(size))
        measured = task.kind == "picture"  # what is invented is traced at the end
        self.fit_total = task.fit_steps if measured else 0
        self._fitting = self._fit() if measured else iter(())
        self.begin(self._steps_of(), self._sampling.total)

    def _measured(self, size: tuple[int, int]) -> Target:
        """What the paths shall explain; of what is not measured, white to begin with."""
        task = self.task
        if task.kind != "picture":
            flat, ground = self.source.flat(), self.source.ground
            op = parse("none").build(size)
            return Target(op, flat[None], LEAST_NOISE, flat, ground)
        op = task.description.build(size)
        y = measurement_of(self.source, op, size)
        noise, source = noise_of(y, task.noise, self.source.depth), self.source
        other = None
        if source.alpha is not None:
            seen = op.A(torch.ones(1, 3, *size)).abs() > 1e-6
            shift = (1 - source.alpha) * (1 - 2 * source.ground)
            other = torch.where(seen, y + shift, 0.0)
        if task.operator == "none":
            return Target(op, y, noise, y[0], source.ground, other, source.alpha)
        data = Measurement(op, y, noise, self._sampling.decode, self._sampling.encode)
        return Target(op, y, noise, first_guess(data)[0], source.ground, other)

    def _begin(self, target: Target) -> None:
        self.target, self.noise = target, target.noise
        self._initialization = Initialization(self.task, target, self._energy)

    def _energy(self, graphic: VectorGraphic, drawn: Tensor) -> Tensor:
        """Misfit in deviations of the noise, and what paths should not be."""
        target, deviation = self.target, max(self.noise, LEAST_NOISE)
        energy = target.misfit(graphic.scene, drawn) / (2 * deviation**2)
        if self.task.crossing:
            wrong = crossing(graphic.scene, tol=0.02) / drawn[0, 0].numel()
            energy = energy + self.task.crossing / (2 * LEAST_NOISE) * wrong
        return energy

    @property
    def graphic(self) -> VectorGraphic | None:
        """The paths; None until the fit has begun."""
        return self._initialization.graphic

    @property
    def loss(self) -> float:
        """Nearness that leaving out paths may cost, dB: as requested, or what suits the picture.

        The model's estimate of a blurred picture is itself off by more than what this takes
        away: 3 dB of nearness to it are a third of a dB of nearness to the truth, and a third of
        the paths (docs/vectorize.md).
        """
        task = self.task
        if task.loss is not None:
            return task.loss
        return LOSS[task.operator != "none" and bool(task.beta)]

    def fitting(self) -> Iterator[int]:
        """Fit the paths to the data; steps so far, after each. A run does what is left of it."""
        return self._fitting

    def _fit(self) -> Iterator[int]:
        every = max(1, self.task.fit_steps // FRAMES)
        with self.timed("fit"):
            for step in self._initialization.steps():
                assert self.graphic is not None
                if step % every == 1 or every == 1:
                    self._frames.append(snapshot(self.graphic))
                yield step
        assert self.graphic is not None
        self._fitted = snapshot(self.graphic)

    def _steps_of(self) -> Iterator[Step]:
        index = 0
        if self.task.kind != "picture":
            for step, picture in self._sampling.sampled(self.source.flat()):
                self.target = replace(self.target, y=picture[None], guess=picture)
                yield replace(step, index=index)
                index += 1
            with self.timed("trace"):
                self._fitted = self._simplified = self._traced(self.target.guess)
            return
        for _ in self._fitting:
            pass
        if not self._sampling.total:
            return
        assert self.graphic is not None
        drawing, steps = self._sampling.optimized(self.graphic, self._energy)
        for step in steps:
            self._step_scenes[index] = snapshot(self.graphic)
            self._model_picture = drawing.target_picture
            yield replace(step, index=index)
            index += 1

    @torch.no_grad()
    def _traced(self, picture: Tensor) -> Scene:
        """The scene of an edited or sampled picture."""
        ground, most, document = self.target.ground, self.task.paths, self._document
        if document is None:
            every = torch.ones(picture.shape[1:], dtype=torch.bool)
            colors = flat_colors(picture, torch.full((1, 3), ground), every)
            return traced_regions(labeled(picture, colors), colors, every, most=most)
        own = document.scene
        self._frames = [own]
        self._redrawing = redrawn(
            own, document.units, document.fixed, picture, ground, most,
            transparent=self.source.alpha is not None,
        )  # fmt: skip
        return self._redrawing.scene(own)

    def stop(self) -> None:
        """End here: the results are those of the newest step.

        Raises:
            ValueError: before the first step, or before there are paths.
        """
        if self._fitted is None:
            raise ValueError("there are no paths yet, so there is no result to stop at")
        super().stop()

    def preview(self, step: Step) -> Image:
        """The paths after a step, or the model's estimate before there are paths; in [-1, 1]."""
        shown = self._step_scenes.get(step.index)
        with torch.no_grad():
            if shown is None:
                return self._sampling.decode(step.z0).clamp(-1, 1)
            return (2 * rendered(self.target.graphic(shown))[None] - 1).clamp(-1, 1)

    def scene(self) -> Scene:
        """The paths, untangled and simplified; ValueError before the end."""
        self.check_finished()
        if self._fitted is None:
            raise ValueError("the vectorization is not finished: iterate over the run first")
        if self._simplified is None:
            assert self.graphic is not None
            found = snapshot(self.graphic)
            if self.task.crossing:
                found = untangled(found)
            if self.loss:
                with self.timed("simplify"):
                    found = fewest_paths(found, self._goal(), self.loss, self._ending, self.target)
            self._simplified = found
        return self._simplified

    def _ending(self, graphic: VectorGraphic, drawn: Tensor) -> Tensor:
        """What polishing lowers: the energy, and the distance to the model's last picture."""
        energy = self._energy(graphic, drawn)
        if self._model_picture is None:
            return energy
        far = (drawn - self._model_picture).square().mean()
        return energy + self.task.beta / (2 * LEAST**2) * far

    def _goal(self) -> Tensor:
        """The picture that paths are missed for: the data themselves, or the model's picture."""
        target = self.target
        if self.task.operator == "none":
            return target.y[0].expand_as(target.guess)
        return target.guess if self._model_picture is None else self._model_picture[0]

    def pictures(self) -> list[Tensor]:
        """What the SVG shows, (3, h, w) in [0, 1]; ValueError before the end."""
        self.scene()  # its last optimizer steps need gradients
        return super().pictures()

    def _decoded(self) -> list[Tensor]:
        return [rendered(self.target.graphic(self.scene())).clamp(0, 1)]

    def files(self) -> list[tuple[Tensor, Picture, dict[str, Any]]]:
        """What the SVG shows, with its transparency if it has no background."""
        (picture,) = self.pictures()
        shown = Picture(picture) if self._background else picture_of_scene(self.scene())
        return [(shown.rgb, shown, {})]

    @property
    def svg(self) -> str:
        """The drawing as the text of an SVG file, with the prompt as its title."""
        return self._text(self.task.prompt, None)

    def _text(self, title: str | None, recipe: dict[str, Any] | None) -> str:
        scene, found, document = self.scene(), self._redrawing, self._document
        if document is None or found is None or document.rewritten is not None:
            return to_svg(scene, title=title, recipe=recipe, background=self._background)
        return document.changed(
            found.colors, found.removed, found.new, found.position, title, recipe
        )

    @property
    def _background(self) -> tuple[float, float, float] | None:
        """None for what is transparent, and for an SVG file, which keeps its own."""
        plain = self._document is None and self.source.alpha is None
        return (1.0, 1.0, 1.0) if plain else None

    @property
    def report(self) -> dict[str, Any]:
        """Paths, share of those drawn that cross themselves, noise, and the residual of the data.

        Of an SVG file also how many of its paths were recolored and removed, and how many are new;
        those that stay are not counted as drawn.
        """
        (picture,), scene, found = self.pictures(), self.scene(), self._redrawing
        drawn = scene if found is None else found.new
        crossed = crosses_itself(drawn).float().mean() if drawn.paths else torch.zeros(())
        report = {"paths": scene.paths, "crossing": round(float(crossed), 3)}
        if found is not None:
            changes = {"recolored": found.colors, "removed": found.removed}
            report |= {name: len(paths) for name, paths in changes.items()}
            report["new"] = found.new.paths
        if self.task.kind == "picture":
            report["noise"] = round(self.noise, 5)
            report["residual"] = round(float(self.target.misfit(scene, picture[None])) ** 0.5, 5)
        return report

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the SVG file, with the prompt as its title and the recipe as its metadata.

        Args:
            recipe: what the file should say about its making; by default all of it;
                nothing, not even the prompt, if it is empty.
        """
        recipe = self.recipe() if recipe is None else recipe
        title = self.task.prompt if recipe else None
        write_whole(path, self._text(title, recipe or None).encode())
        return self.task.outputs(Path(path))

    def record(self, folder: Path) -> list[Path]:
        """Write a moving picture of the paths finding their shape, and a side-by-side."""
        assert self._fitted is not None
        final = self.scene()
        paths = [folder / name for name in self.task.RECORDS]
        ground = self.target.ground
        save_animation(paths[0], [*self._frames, *self._step_scenes.values(), final], ground)
        target = "input", self.source.flat()
        if self.task.kind == "prompt":
            target = "sampled", self.target.guess
        sampled = bool(self._step_scenes)
        fitted = self._fitted if self.task.kind == "picture" else None
        save_comparison(paths[1], target, fitted, final, sampled, ground)
        return paths
