"""One run of the task Reconstruct: views in, steps out, a scene at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.generators.field import (
    Camera,
    Grid,
    Mesh,
    MultiViewField,
    cubic_size,
    render,
    surface,
)
from dreamsampler.guidance import Guided, cfg, conditional
from dreamsampler.images.fit import Fit
from dreamsampler.images.header import check_picture
from dreamsampler.images.picture import Picture
from dreamsampler.maths import Image, Latent, Level, Step, generators
from dreamsampler.methods.reconstruction import Stage, by_view, fitted, reconstruct
from dreamsampler.methods.restore.default import FLIPS, restarts
from dreamsampler.models.prior import Prior, preview_of
from dreamsampler.operators import Mask, compose, is_linear
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.data_consistency import first_guess
from dreamsampler.tasks.reconstruct.options import ReconstructOptions, shown
from dreamsampler.tasks.reconstruct.save import save_scene
from dreamsampler.tasks.reconstruct.views import Views, open_view, open_views

COARSE = 8
"""Corners along a side of the grid before the first stage."""
SMOOTHNESS = 5e-3
"""Weight of the mean variation of a field of 72 voxels; a surface is a smaller share of more."""
SPARSITY = 1e-3
"""Weight of the field's sparsity: a little, against fog in corners that few cameras see."""
SPREAD, LEAST_SPREAD = 0.5, 0.02
"""Assumed deviation of the model's pictures: SPREAD times the flow time of their level."""
NATIVE, RESAMPLED, SHARP = 0.3, 0.15, 0.1
"""Strength where the model sees views at their own size or twice that (the bundled model decodes
twice what its latents resolve), and where they had to be resampled: what
it knows is sharp at its size, so that it takes a view made larger for a blurred one. Of whole and
sharp views it knows next to nothing that they do not say."""
SHARE = 0.6
"""Of the way from a render to what the model makes of it, that the field goes."""
PASSES = (1.0, 2 / 3)
"""First levels of the two passes over the views, as shares of the strength."""
VIEWS_A_STEP = 2
"""Views in one optimizer step."""


@final
class ReconstructRun(Run[ReconstructOptions]):
    """A reconstruction under way; made by `Reconstruct.start`.

    Iterating fits the field to the views and then drives the loop.

    Attributes:
        views: cameras and measurements.
        field: the field, and all cameras.
        targets: cameras of the pictures that are rendered at the end.
    """

    def __init__(self, task: ReconstructOptions, model: Prior) -> None:
        super().__init__(task, model, [task.seed])
        self._guesses: Tensor | None = None
        self._renders: list[tuple[Tensor, Tensor]] = []
        with self.timed("read"):
            shots = task.shots()
            self._background = 1.0 if task.background == "white" else 0.0
            views = open_views(shots, task.description, task.radius, self._background)
            self._device = getattr(model, "device", "cpu")
            self.views: Views = views.to(self._device)
            self.source = self.views.first
            size = self.views.cameras[0].size
            self._shown = shown(shots)
            sizes = [check_picture(s.path, upright=False) for s in self._shown]
            self.targets = [
                s.camera(hw).resized(size) for s, hw in zip(self._shown, sizes, strict=True)
            ]
            self.fit = Fit.to(size, model.native_size, model.multiple, task.size)
        new = between(self.views.cameras, self.views.center, task.new_views)
        self.field = self._multi_view([*self.views.cameras, *new])
        total = task.num_inference_steps if task.beta > 0 and self.strength > 0 else 0
        self._fit, self.fit_total = self._fitted(), sum(stage.steps for stage in self.stages)
        self.begin(self._steps_of(total), total)

    def _multi_view(self, cameras: Sequence[Camera]) -> MultiViewField:
        task, (x, y, z), r = self.task, self.views.center, self.views.radius
        box = ((x - r, y - r, z - r), (x + r, y + r, z + r))
        grid = Grid(cubic_size(box, COARSE), box, task.degree, ball=((x, y, z), r))
        return MultiViewField(
            grid.to(self._device),
            cameras,
            self._encode,
            self._energy,
            beta=2 * task.beta,
            update_steps=task.update_steps,
            views=VIEWS_A_STEP,
            rng=torch.Generator().manual_seed(task.seed),
            measured=len(self.views.cameras),
            decode=self._decode,
            correct=self._corrected,
            share=SHARE,
            cancel=not self.native,
            background=self._background,
        )

    def _encode(self, x: Tensor) -> Latent:
        return self.model.encode(self.fit.down(x))

    def _decode(self, z: Latent) -> Tensor:
        return self.fit.up(self.model.decode(z), clamp=False)

    def _energy(self, rows: Sequence[int], pictures: Tensor) -> Tensor:
        """Data term of the views that were measured; variation and sparsity of the field."""
        measured = [i for i, row in enumerate(rows) if row < len(self.views.cameras)]
        grid = self.field.grid
        energy = self.smoothness * grid.total_variation() + SPARSITY * grid.sparsity()
        if not measured:
            return energy
        known = [rows[i] for i in measured]
        energy = energy + self.views.misfit(known, pictures[measured])
        if self._guesses is None:
            return energy
        return energy + ((pictures[measured] - self._guesses[known]) ** 2).mean()

    @cached_property
    def _data(self) -> Measurement:
        """All views as one measurement."""
        views, masked = self.views, not bool(self.views.known.all())
        op = compose(views.op, Mask(views.known)) if masked else views.op
        noise = views.noise(self.task.noise)
        return Measurement(op, views.y * views.known, noise, self._decode, self._encode)

    def _guessed(self) -> Tensor | None:
        """The flattest picture that explains each view; None where there is nothing to undo.

        The field follows them beside the data: |A g - y|^2 alone is slow to say what a blur hides.
        Views that were scaled down say too little alone: there, guesses were measured to do harm.
        """
        views, deconvolve = self.views, self.task.deconvolve and bool(self.task.description.steps)
        whole = tuple(views.y.shape[2:]) == views.cameras[0].size
        return first_guess(self._data) if deconvolve and whole and is_linear(views.op) else None

    def _solid(self) -> Tensor | None:
        """Where rays end in something; None where glass may be, or nothing sharp tells."""
        whole = tuple(self.views.y.shape[2:]) == self.views.cameras[0].size
        blurred = whole and bool(self.task.description.steps)
        if not self.task.solid or (blurred and self._guesses is None):
            return None
        return self.views.solid(self._background, self._guesses)

    def _corrected(self, pictures: Tensor, belief: float) -> Tensor:
        """The pictures nearest to the model's that explain the views; new views as they are."""
        count = len(self.views.cameras)
        explained = self._data.prox(pictures[:count], belief)
        return torch.cat([explained, pictures[count:]]).clamp(0, 1)

    @property
    def stages(self) -> list[Stage]:
        """From coarse to fine: half the resolution, then all of it."""
        fine, steps = self.resolution, self.task.fit_steps
        first = max(1, 2 * steps // 5)
        return [Stage(max(8, fine // 2), first), Stage(fine, max(1, steps - first))]

    @property
    def resolution(self) -> int:
        """Voxels along the longest side: as requested, or a little less than pixels show."""
        return self.task.resolution or min(max(9 * max(self.views.cameras[0].size) // 16, 48), 192)

    @property
    def smoothness(self) -> float:
        """As requested, or in proportion to the voxels: the share of those at a surface falls."""
        requested = self.task.smoothness
        return SMOOTHNESS * self.resolution / 72 if requested is None else requested

    def _fitted(self) -> Iterator[int]:
        with self.timed("fit"):
            with torch.no_grad():
                self._guesses = self._guessed()
                self.field.solid = self._solid()
            yield from fitted(self.field, self.stages)

    def _steps_of(self, total: int) -> Iterator[Step]:
        task = self.task
        for _ in self._fit:
            pass
        if not total:
            return
        self._guesses = None  # the model's pictures take their place
        rng = generators([task.seed + i for i in range(len(self.field.cameras))])
        denoise = by_view(self._guided())
        yield from reconstruct(denoise, self.field, self._levels(total), rng, spread=_spread)

    @property
    def native(self) -> bool:
        """Whether the model sees the views at their own size, or at twice that."""
        return self.fit.inner in (self.fit.outer, tuple(2 * side for side in self.fit.outer))

    @property
    def strength(self) -> float:
        """As requested, or the best measured."""
        if self.task.strength is not None:
            return self.task.strength
        if not self.task.description.steps and bool((self.views.known == 1).all()):
            return SHARP
        return NATIVE if self.native else RESAMPLED

    def _levels(self, total: int) -> list[list[Level]]:
        """The levels of a pass from the strength, and of a shorter one from two thirds of it."""
        starts = [share * self.strength for share in PASSES[: max(1, total // 2)]]
        return restarts(self.model.schedule, total, starts)

    def _guided(self) -> list[Guided]:
        """One denoiser per view; views with the same word share it."""
        task, prior = self.task, self.model
        null = prior.condition(task.negative_prompt)
        if not (task.prompt or "").strip():
            return [conditional(prior, null)] * len(self.field.cameras)
        words = [camera.view(self.views.center) for camera in self.field.cameras]
        made = {
            word: cfg(prior, prior.condition(f"{task.prompt}, {word}"), null, task.guidance_scale)
            for word in dict.fromkeys(words)
        }
        return [made[word] for word in words]

    def fitting(self) -> Iterator[int]:
        """Fit the field to the data; steps so far, after each. A run does what is left of it."""
        return self._fit

    def preview(self, step: Step) -> Image:
        """The model's estimate of the first view, in [-1, 1] at the model's size."""
        first = len(self._levels(self.total)[0])
        return preview_of(self.model, step.z0[:1]).flip(FLIPS[step.index >= first])

    def rendered(self, camera: Camera) -> tuple[Tensor, Tensor]:
        """What a camera sees: a picture (3, h, w) in [0, 1], and depths (1, h, w) in world units.

        Depth is infinite where there is nothing.
        """
        grid = self.field.grid
        with torch.no_grad():
            seen = render(grid, *camera.rays(), step=grid.voxel / 2, occupied=grid.occupied())
        picture = seen.on(self._background).t().reshape(3, *camera.size).clamp(0, 1).cpu()
        depth = torch.where(seen.opacity > 0.5, seen.depth, math.inf)
        return picture, depth.view(1, *camera.size).cpu()

    def _decoded(self) -> list[Tensor]:
        self._renders = [self.rendered(camera) for camera in self.targets]
        return [picture for picture, _ in self._renders]

    def files(self) -> list[tuple[Tensor, Picture, dict[str, Any]]]:
        """The renders."""
        return [(x, Picture(x), {"index": i}) for i, x in enumerate(self.pictures())]

    @property
    def mesh(self) -> Mesh:
        """The surface of the field, with its colors."""
        return surface(self.field.grid)

    def depths(self) -> list[Tensor]:
        """Depth maps of the same views, (1, h, w); ValueError before the end."""
        self.pictures()
        return [depth for _, depth in self._renders]

    def turntable(self) -> list[Camera]:
        """Cameras once around the scene, at the mean distance and elevation of the views."""
        cameras, center = self.views.cameras, self.views.center
        away = sum(math.dist(c.position, center) for c in cameras) / len(cameras)
        height = sum(c.angles(center)[1] for c in cameras) / len(cameras)
        first, count = cameras[0], self.task.turntable
        wide = 2 * math.degrees(math.atan(first.size[1] / 2 / first.focal[0]))
        return [
            Camera.orbit(
                360 * i / count, height, away, target=center, field_of_view=wide, size=first.size
            )
            for i in range(count)
        ]

    @property
    def report(self) -> dict[str, Any]:
        """How well the views are explained, and what was held out.

        Keys residual (root mean square, over the views), voxels, and held_out_psnr (mean, in dB)
        where held-out pictures are of the size of the renders.
        """
        field, rows = self.field, range(len(self.views.cameras))
        with torch.no_grad():
            misfit = [float(self.views.misfit([i], field.pictures([i]))) for i in rows]
        report: dict[str, Any] = {"residual": round(math.sqrt(sum(misfit) / len(misfit)), 5)}
        report["voxels"] = math.prod(field.grid.size)
        errors = []
        for shot, picture in zip(self._shown, self.pictures(), strict=True):
            if shot.held_out:
                truth, known = open_view(shot)
                if truth.size == tuple(picture.shape[1:]) and known.any():
                    away = (truth.flat(self._background) - picture)[:, known[0] > 0]
                    errors.append(float((away**2).mean()))
        if errors:
            psnr = [-10 * math.log10(max(e, 1e-12)) for e in errors]
            report["held_out_psnr"] = round(sum(psnr) / len(psnr), 2)
        return report

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the scene into a folder; returns `Reconstruct.outputs(path)`.

        Args:
            path: the folder; it is made.
            recipe: what the files should say about their making; by default all of it.
        """
        self.pictures()
        recipe = self.recipe() if recipe is None else recipe
        with self.timed("write"):
            save_scene(
                Path(path),
                self.field.grid,
                list(zip(self.targets, self.pictures(), self.depths(), strict=True)),
                [self.rendered(camera)[0] for camera in self.turntable()],
                recipe,
                video=self.task.mp4,
            )
        return self.task.outputs(Path(path))


def _spread(level: Level) -> float:
    return max(SPREAD * level.flow, LEAST_SPREAD)


def between(
    cameras: Sequence[Camera], center: tuple[float, float, float], count: int
) -> list[Camera]:
    """New cameras between those that there are: around the center at their mean distance.

    Elevations are quantiles of theirs, azimuths follow the golden angle.

    Args:
        cameras: at least one.
        center: where the new ones look.
        count: how many.
    """
    if not count:
        return []
    heights = sorted(camera.angles(center)[1] for camera in cameras)
    away = [math.dist(camera.position, center) for camera in cameras]
    first = cameras[0]
    wide = 2 * math.degrees(math.atan(first.size[1] / 2 / first.focal[0]))
    golden = 180 * (3 - math.sqrt(5))
    return [
        Camera.orbit(
            golden * (i + 0.5),
            heights[int((i + 0.5) / count * len(heights))],
            sum(away) / len(away),
            target=center,
            field_of_view=wide,
            size=first.size,
        )
        for i in range(count)
    ]
