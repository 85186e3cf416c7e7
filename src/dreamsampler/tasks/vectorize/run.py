"""One run of the task Vectorize: a picture in, moments out, paths at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from dreamsampler.generators.vector import (
    Scene,
    VectorGraphic,
    crosses_itself,
    crossing,
    save_svg,
    untangled,
)
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import InMemoryImages
from dreamsampler.maths import Image, Step
from dreamsampler.operators.spec import parse
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.tasks.data_consistency import first_guess, measurement_of, noise_of
from dreamsampler.tasks.progress import Walk
from dreamsampler.tasks.recipe import make_recipe
from dreamsampler.tasks.vectorize.initialize import Initialization, Wanted, opened, seen, still
from dreamsampler.tasks.vectorize.record import beside, film
from dreamsampler.tasks.vectorize.sampling import LEAST, Sampling
from dreamsampler.tasks.vectorize.simplify import fewest

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.vectorize.task import Vectorize

LEAST_NOISE = 0.01
"""Data are trusted up to this deviation: few paths explain no picture exactly."""
INVENTED = {"prompt": 0.05, "svg": 0.02}
"""Deviation up to which an invented picture, and an edited one, are trusted."""
LOSS = {False: 1.0, True: 3.0}
"""Nearness that may be lost by leaving out paths, dB; True: of what the model has restored."""
FRAMES = 24
"""Pictures of the fit that are kept for the record."""


@final
class VectorizeRun:
    """A vectorization under way; made by `Vectorize.start`.

    Iterating fits the paths to the data and then drives the loop; stopping cancels it.

    Attributes:
        task: what was asked.
        held: pictures that were in memory, by their names in the task.
        source: the picture as it was read; what an SVG file shows; white for a prompt alone.
        seeds: one.
        noise: of the measurement, a share of white.
    """

    def __init__(self, task: Vectorize, prior: Prior, held: InMemoryImages | None = None) -> None:
        self.task, self.prior, self.held = task, prior, held or {}
        self.seeds = [task.seed]
        self._few: Scene | None = None
        self._fitted: Scene | None = None
        self._frames: list[Scene] = []
        self._shown: dict[int, Scene] = {}
        self._believed: Tensor | None = None
        self._walk = Walk(prior)
        with self._walk.timed("read"), torch.no_grad():
            self.source, self._own = opened(task, prior.native_size, self.held)
            size = task.description.input_size(self.source.size)
            inside = task.size if task.kind == "picture" else None
            fit = Fit.to(size, prior.native_size, prior.multiple, inside)
            self._walks = Sampling(task, prior, fit)
            self._begin(self._measured(size))
        self._fitting = self._fit() if task.kind == "picture" else iter(())
        self._walk.begin(self._moments(), self._walks.total)

    def _measured(self, size: tuple[int, int]) -> Wanted:
        """What the paths shall explain; of what is not measured, white to begin with."""
        task = self.task
        if task.kind != "picture":
            flat = self.source.rgb
            return Wanted(parse("none").build(size), flat[None], INVENTED[task.kind], flat)
        op = task.description.build(size)
        y = measurement_of(self.source, op, size)
        noise = noise_of(y, task.noise, self.source.depth)
        if task.operator == "none":
            return Wanted(op, y, noise, y[0])
        data = Measurement(op, y, noise, self._walks.decode, self._walks.encode)
        return Wanted(op, y, noise, first_guess(data)[0])

    def _begin(self, wanted: Wanted) -> None:
        self.wanted, self.noise = wanted, wanted.noise
        self._beginning = Initialization(self.task, wanted, self._energy, self._own)

    def _energy(self, graphic: VectorGraphic, drawn: Tensor) -> Tensor:
        """Misfit in deviations of the noise, and what paths should not be."""
        wanted, deviation = self.wanted, max(self.noise, LEAST_NOISE)
        energy = (wanted.op.A(drawn) - wanted.y).square().mean() / (2 * deviation**2)
        if self.task.crossing:
            wrong = crossing(graphic.scene, tol=0.02) / drawn[0, 0].numel()
            energy = energy + self.task.crossing / (2 * LEAST_NOISE) * wrong
        return energy

    @property
    def graphic(self) -> VectorGraphic | None:
        """The paths; None until the fit has begun."""
        return self._beginning.graphic

    @property
    def fits(self) -> int:
        """Optimizer steps before the first moment; what is invented is fitted between moments."""
        return self.task.steps if self.task.kind == "picture" else 0

    @property
    def loss(self) -> float:
        """Nearness that leaving out paths may cost, dB: what was asked, or what suits the picture.

        What the model believes of a blurred picture is itself off by more than what this takes
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
        every = max(1, self.task.steps // FRAMES)
        with self._walk.timed("fit"):
            for step in self._beginning.steps():
                assert self.graphic is not None
                if step % every == 1 or every == 1:
                    self._frames.append(still(self.graphic))
                yield step
        assert self.graphic is not None
        self._fitted = still(self.graphic)

    def _moments(self) -> Iterator[Step]:
        index = 0
        if self.task.kind != "picture":
            for step, picture in self._walks.invented(self.source.rgb):
                self.wanted = replace(self.wanted, y=picture[None], guess=picture)
                yield replace(step, index=index)
                index += 1
            self._begin(self.wanted)
            self._fitting = self._fit()
        for _ in self._fitting:
            pass
        if not self._walks.total:
            return
        assert self.graphic is not None
        drawing, walk = self._walks.distilled(self.graphic, self._energy)
        for step in walk:
            self._shown[index], self._believed = still(self.graphic), drawing.target_picture
            yield replace(step, index=index)
            index += 1

    @property
    def total(self) -> int:
        """How many moments a whole run has."""
        return self._walk.total

    @property
    def seconds(self) -> dict[str, float]:
        """How long reading, the fit and the loop (with what is left of the fit) took."""
        return self._walk.seconds

    @property
    def evaluations(self) -> int:
        """Network evaluations so far, images times prompts."""
        return self._walk.evaluations

    def __iter__(self) -> Iterator[Step]:
        """Run; every moment after its step."""
        return iter(self._walk)

    def stop(self) -> None:
        """End here: the results are those of the newest moment.

        Raises:
            ValueError: before the first moment, or before there are paths.
        """
        if self._fitted is None:
            raise ValueError("there are no paths yet, so there is no result to stop at")
        self._walk.cut()

    def preview(self, step: Step) -> Image:
        """What is drawn at a moment, or believed before there are paths; in [-1, 1]."""
        shown = self._shown.get(step.index)
        with torch.no_grad():
            if shown is None:
                return self._walks.decode(step.z0).clamp(-1, 1)
            return (2 * seen(VectorGraphic(shown))[None] - 1).clamp(-1, 1)

    def run(self) -> VectorizeRun:
        """Iterate to the end."""
        for _ in self:
            pass
        return self

    def scene(self) -> Scene:
        """The paths, untangled and simplified as asked for; ValueError before the end."""
        self._walk.check_finished("vectorization")
        if self.graphic is None or self._fitted is None:
            raise ValueError("the vectorization is not finished: iterate over the run first")
        if self._few is None:
            found = still(self.graphic)
            if self.task.crossing and self._own is None:
                found = untangled(found)
            if self.loss and self._own is None:
                with self._walk.timed("simplify"):
                    found = fewest(found, self._goal(), self.loss, self._ending, self._misfit)
            self._few = found
        return self._few

    def _ending(self, graphic: VectorGraphic, drawn: Tensor) -> Tensor:
        """What polishing lowers: the energy, and the last belief of the model if there was one."""
        energy = self._energy(graphic, drawn)
        if self._believed is None:
            return energy
        far = (drawn - self._believed).square().mean()
        return energy + self.task.beta / (2 * LEAST**2) * far

    def _misfit(self, picture: Tensor) -> float:
        """Mean squared misfit of a picture and the data."""
        return float((self.wanted.op.A(picture[None]) - self.wanted.y).square().mean())

    def _goal(self) -> Tensor:
        """The picture that paths are missed for: the data themselves, or what is believed."""
        wanted = self.wanted
        if self.task.operator == "none":
            return wanted.y[0].expand_as(wanted.guess)
        return wanted.guess if self._believed is None else self._believed[0]

    def pictures(self) -> list[Tensor]:
        """What the SVG shows, (3, h, w) in [0, 1]; ValueError before the end."""
        return [seen(VectorGraphic(self.scene())).clamp(0, 1)]

    @property
    def report(self) -> dict[str, Any]:
        """Paths, share of them that cross themselves, noise, and the residual of the data."""
        (picture,), scene = self.pictures(), self.scene()
        crossed = crosses_itself(scene).float().mean() if scene.paths else torch.zeros(())
        report = {"paths": scene.paths, "crossing": round(float(crossed), 3)}
        if self.task.kind == "picture":
            report["noise"] = round(self.noise, 5)
            report["residual"] = round(self._misfit(picture) ** 0.5, 5)
        return report

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the SVG file, with the prompt as its title and the recipe as its metadata.

        Args:
            path: ends in .svg.
            recipe: what the file should say about its making; by default all of it;
                nothing, not even the prompt, if it is empty.
        """
        recipe = make_recipe(self.task, self, self.prior, {}) if recipe is None else recipe
        white = (1.0, 1.0, 1.0) if self._own is None else None  # an SVG file keeps its own ground
        title = self.task.prompt if recipe else None
        save_svg(path, self.scene(), title=title, recipe=recipe or None, background=white)
        return self.task.outputs(Path(path))

    def record(self, folder: Path) -> list[Path]:
        """Write a moving picture of the paths finding their shape, and a side-by-side.

        Args:
            folder: where to.
        """
        assert self._fitted is not None
        final = self.scene()
        paths = [folder / name for name in self.task.RECORDS]
        film(paths[0], [*self._frames, *self._shown.values(), final])
        wanted = "input", self.source.flat()
        if self.task.kind == "prompt":
            wanted = "sampled", self.wanted.guess
        beside(paths[1], wanted, self._fitted, final, bool(self._shown))
        return paths
