"""What a vectorization begins with: its canvas, what the paths shall explain, the first paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dreamsampler.files import InputError, sha256
from dreamsampler.generators.vector import (
    Scene,
    VectorGraphic,
    fitted,
    placed,
    rasterize,
    scattered,
    stacked,
    staged,
    traced,
)
from dreamsampler.generators.vector.document import Document
from dreamsampler.generators.vector.drawing import Energy
from dreamsampler.images.picture import Picture, open_picture
from dreamsampler.operators import Operator
from dreamsampler.tasks.vectorize.options import CANVAS, VectorizeOptions

MOST_COVERED = 1000 * CANVAS**2
"""Paths times pixels of a canvas: an edit of a file holds a few such maps, of a gigabyte each."""


@final
@dataclass(eq=False)
class Target:
    """What the paths shall explain: y = A g + noise, and about what g looks like.

    Attributes:
        op: A.
        y: the measurement, (1, c, h, w).
        noise: its standard deviation, a share of white.
        guess: about what the paths shall look like, (3, h, w) in [0, 1].
        ground: gray on which all of that lies, 1 for white.
        other_y: the measurement on the opposite ground, of a transparent picture.
        alpha: of the picture, where its tracer shall see it.
    """

    op: Operator
    y: Tensor
    noise: float
    guess: Tensor
    ground: float = 1.0
    other_y: Tensor | None = None
    alpha: Tensor | None = None

    def graphic(self, scene: Scene) -> VectorGraphic:
        """A scene on the ground."""
        return VectorGraphic(scene, [self.ground] * 3)

    def misfit(self, scene: Scene, drawn: Tensor) -> Tensor:
        """Mean squared misfit of the data and a scene, which is `drawn` (1, 3, h, w) on the ground.

        Of a transparent picture the mean over two grounds, so that paths fit the transparency too.
        """
        far = (self.op.A(drawn) - self.y).square().mean()
        if self.other_y is None:
            return far
        opposite = rasterize(scene, torch.full((3,), 1 - self.ground))[None]
        return (far + (self.op.A(opposite) - self.other_y).square().mean()) / 2


def open_source(task: VectorizeOptions) -> tuple[Picture, Document | None]:
    """The picture to begin with, and the file if it is an SVG.

    Of a prompt alone the picture is a white canvas.
    """
    if task.kind == "picture":
        assert task.image is not None
        return open_picture(task.image), None
    if task.kind == "prompt":
        side = task.size or CANVAS
        return Picture(torch.ones(3, side, side), mode="prompt"), None
    path = Path(str(task.image))
    document = Document.read(path, task.size or CANVAS)
    scene = document.scene
    if scene.paths * scene.height * scene.width > MOST_COVERED:
        raise InputError(
            f"{path} has {scene.paths} paths, too many to be edited at {scene.width}x"
            f"{scene.height} pixels: pass a smaller size, or vectorize a picture of it"
        )
    shown = picture_of_scene(document.scene)
    return replace(shown, mode="SVG", path=path, sha256=sha256(path)), document


def picture_of_scene(scene: Scene) -> Picture:
    """What a scene shows where it has no background, with its transparency."""
    with torch.no_grad():
        drawn = rasterize(scene).clamp(0, 1)
    alpha = drawn[3:]
    if bool((alpha > 1 - 1e-3).all()):
        return Picture(drawn[:3])
    return Picture((drawn[:3] / alpha.clamp_min(1e-6)).clamp(0, 1), alpha)


def rendered(graphic: VectorGraphic) -> Tensor:
    """What is drawn, (3, h, w) in [0, 1]."""
    with torch.no_grad():
        return (graphic()[0] + 1) / 2


def snapshot(graphic: VectorGraphic) -> Scene:
    """Today's scene, as a copy without gradients."""
    return graphic.scene.moved(graphic.points.detach().clone(), graphic.color.detach().clone())


@final
class Initialization:
    """Stage 0: paths that explain the data, without the model.

    Iterating over `steps` fits them; `graphic` is what there is by now.

    Args:
        task: says how many paths there are and how they begin.
        target: what they shall explain.
        energy: data term and penalties.
    """

    def __init__(self, task: VectorizeOptions, target: Target, energy: Energy) -> None:
        self.task, self.target, self.energy = task, target, energy
        self.graphic: VectorGraphic | None = None
        self.rng = torch.Generator().manual_seed(task.seed)

    def steps(self) -> Iterator[int]:
        """Optimizer steps so far, after each; `task.fit_steps` in all."""
        count = 0
        for scene, steps in self._stages():
            self.graphic = self.target.graphic(scene)
            for _ in fitted(self.graphic, self.energy, self.target.guess, steps, self.rng):
                count += 1
                yield count

    def _stages(self) -> Iterator[tuple[Scene, int]]:
        """Scenes to begin with, and for how many steps; the next one is made after the last fit."""
        task, guess = self.task, self.target.guess
        if task.init == "trace":
            yield traced(guess, task.paths, self.target.alpha), task.fit_steps
        elif task.init == "random":
            yield scattered(guess, task.paths, self.rng, task.segments), task.fit_steps
        else:
            yield from self._grown()

    def _grown(self) -> Iterator[tuple[Scene, int]]:
        """A few paths first, then more where those few are wrong."""
        task, guess = self.task, self.target.guess
        scene, error, left = None, self.target.ground - guess, task.fit_steps
        stages = staged(task.paths)
        for number, count in enumerate(stages):
            disks = placed(guess, error, count, self.rng, task.segments)
            scene = disks if scene is None else stacked([scene, disks])
            share = (count + task.paths / len(stages)) / (2 * task.paths)
            steps = min(left, max(1, round(share * task.fit_steps)))
            steps = left if number + 1 == len(stages) else steps
            yield scene, steps
            left -= steps
            assert self.graphic is not None
            scene, error = snapshot(self.graphic), rendered(self.graphic) - guess
