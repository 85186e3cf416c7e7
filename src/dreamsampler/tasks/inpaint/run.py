"""One run of the task Inpaint: a picture and holes in, moments out, pictures at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.guidance import cfg, regional, shares
from dreamsampler.images.crop import Window
from dreamsampler.images.picture import (
    Fit,
    InMemoryImages,
    Picture,
    composite,
    open_picture,
    save_picture,
)
from dreamsampler.images.seam import healed, jump, seam_width
from dreamsampler.maths import Image, Latent, Rng, Step, draw, generators
from dreamsampler.methods import anchored_inpainting, dreamsampler_inpainting
from dreamsampler.models.prior import Condition, Inpainting, preview_of, scale_for
from dreamsampler.samplers import flow_shifted
from dreamsampler.tasks.inpaint.hole import filled, open_hole, own_hole, warn_unseen, widened
from dreamsampler.tasks.progress import Walk
from dreamsampler.tasks.recipe import make_recipe, tagged

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.inpaint.task import Inpaint

PAPER_NOISE = 0.01
"""Standard deviation of the noise that the published program adds to what it knows, in [-1, 1]."""


@final
class InpaintRun:
    """An inpainting under way; made by `Inpaint.start`.

    Iterating drives the loop, stopping cancels it. Pictures are there at the end.

    Attributes:
        task: what was asked.
        held: pictures that were in memory, by their names in the task.
        source: the picture as it was read.
        canvas: the picture to be written, with its new canvas and before its holes are painted.
        masks: one hole for each prompt, (1, h, w) in [0, 1] on the canvas; they sum to at most 1.
        mask: all holes, their sum.
        window: the part of the canvas that the model sees.
        seeds: one per image.
    """

    def __init__(self, task: Inpaint, prior: Prior, held: InMemoryImages | None = None) -> None:
        self.task, self.prior, self.held = task, prior, held or {}
        self.source: Picture = open_picture(task.image, held)
        self.canvas, holes = _opened(task, self.source, self.held)
        self.masks: list[Tensor] = shares(holes)
        self.mask: Tensor = torch.stack(self.masks).sum(0).clamp(0, 1)
        warn_unseen(self.canvas, self.mask)
        self.window = self._window()
        self._shown = self.window.cut(self.canvas.flat())
        self._hole = self.window.cut(self.mask)
        size_hw = (self.window.height, self.window.width)
        self.fit = Fit.to(size_hw, prior.native_size, prior.multiple, task.size)
        self.seeds = [task.seed + i for i in range(task.num_images)]
        self._pictures: list[Tensor] | None = None
        self._walk = Walk(prior)
        with self._walk.timed("encode"), torch.no_grad():
            begin = self._published if task.preset == "paper" else self._anchored
            self._walk.begin(*begin(generators(self.seeds)))

    def _window(self) -> Window:
        if not self.task.crop:
            return Window(0, 0, *self.canvas.size)
        return Window.around(self.mask, self.task.padding_mask_crop, self.prior.native_size)

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

    @property
    def report(self) -> dict[str, Any]:
        """The share of the pixels that is painted; at the end, the mean step across its edge."""
        told: dict[str, Any] = {"painted": self.mask.mean().item()}
        if self._pictures is not None:
            told["edge"] = max(jump(each, self.mask) for each in self._pictures)
        return told

    def _prompts(self) -> list[str]:
        prompts = list(self.task.prompt)
        return prompts * len(self.masks) if len(prompts) == 1 else prompts

    def _anchored(self, rng: Rng) -> tuple[Iterator[Step], int]:
        """The house's own method, and its number of steps.

        A cell is painted as strongly as its mean, times the share of it that is hole: what the
        hole only touches is freed late, when shapes are settled, so that they keep inside of it.
        """
        task, chosen, prior = self.task, self.task.settings, self.prior
        null = self._told(task.negative_prompt)
        scale = scale_for(prior, task.guidance_scale, chosen.guidance_scale)
        targets = [cfg(prior, self._told(words), null, scale) for words in self._prompts()]
        places = [self._cells(mask) for mask in self.masks]
        one = len(set(task.prompt)) == 1
        denoise = targets[0] if one else regional(targets, places)
        z_src = prior.encode(self.fit.down(filled(self._shown, self._hole)[None]))
        z_src = z_src.repeat(len(rng), 1, 1, 1)
        levels = flow_shifted(prior.schedule, chosen.num_inference_steps)
        strength = self._cells(self.mask) * self._cells((self.mask > 0).to(self.mask))
        share = chosen.fresh or 0.0
        walk = anchored_inpainting(denoise, z_src, strength, levels, rng, share)
        return walk, len(levels)

    def _published(self, rng: Rng) -> tuple[Iterator[Step], int]:
        """The published method, with whole cells and weights that sum to at most 1."""
        prior, steps = self.prior, self.task.settings.num_inference_steps
        null = self._told(None)
        known = 1 - self.fit.mask_to_latent(self._hole, 1, touched=True)
        x = self.fit.down(self._shown[None]).repeat(len(rng), 1, 1, 1)
        y = known * (x + PAPER_NOISE * draw(x, rng))
        places = shares([self._cells(mask, touched=True) for mask in self.masks])
        pairs = zip(self._prompts(), places, strict=True)
        holes = [(self._told(words), place) for words, place in pairs]
        return dreamsampler_inpainting(prior, y, known, holes, null, rng, steps), 2 * steps

    def _told(self, words: str | None) -> Condition:
        """A prompt; a network for inpainting is also shown the picture without its holes."""
        condition = self.prior.condition(words)
        if not isinstance(self.prior, Inpainting) or not self.prior.inpaints:
            return condition
        hole = self.fit.mask_to_latent(self._hole, 1, touched=True)
        return self.prior.inpainting_condition(condition, self.fit.down(self._shown[None]), hole)

    def _cells(self, mask: Tensor, *, touched: bool = False) -> Tensor:
        """A mask of the canvas in the window's latent cells, (1, 1, h, w)."""
        return self.fit.mask_to_latent(self.window.cut(mask), self.prior.factor, touched=touched)

    def __iter__(self) -> Iterator[Step]:
        """Run; every moment after its step."""
        return iter(self._walk)

    def stop(self) -> None:
        """End here: the results are those of the newest moment; ValueError before the first."""
        self._walk.cut()

    def preview(self, step: Step) -> Image:
        """What a moment's clean latent looks like, in [-1, 1] at the model's size."""
        return preview_of(self.prior, step.z0)

    def pictures(self) -> list[Tensor]:
        """The painted pictures, (3, h, w) in [0, 1], at the size of the canvas.

        Raises:
            ValueError: the run is not finished.
        """
        self._walk.check_finished("inpainting")
        if self._pictures is None:
            assert self._walk.last is not None
            with self._walk.timed("decode"), torch.no_grad():
                self._pictures = [self._assembled(z0) for z0 in self._walk.last.z0.split(1)]
        return self._pictures

    def _assembled(self, z0: Latent) -> Tensor:
        """What was painted, healed along its edge, under the mask, in the window, in the canvas."""
        painted = self.fit.up(self.prior.decode(z0).clamp(-1, 1))[0]
        given = self.task.feather
        width = seam_width((self.window.height, self.window.width)) if given is None else given
        met = healed(self._shown, painted.to(self._shown), self._hole, width)
        mixed = composite(self._shown, met, self._hole)
        flat = self.window.paste(self.canvas.flat(), mixed)
        return torch.where(self.mask == 0, self.canvas.rgb, self.canvas.unflat(flat))

    def run(self) -> InpaintRun:
        """Iterate to the end."""
        for _ in self:
            pass
        return self

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the pictures; several get -0, -1, ... before the suffix.

        Args:
            path: where to; the suffix chooses the format.
            recipe: what the files should say about their making; by default all of it
                (`make_recipe`); nothing if it is empty.
        """
        pictures = self.pictures()
        recipe = make_recipe(self.task, self, self.prior, {}) if recipe is None else recipe
        paths = self.task.outputs(Path(path))
        for i, (each, picture) in enumerate(zip(paths, pictures, strict=True)):
            own = tagged(recipe, {"index": i, "seed": self.seeds[i]})
            save_picture(each, picture, self.canvas, own)
        return paths


def _opened(task: Inpaint, source: Picture, held: InMemoryImages) -> tuple[Picture, list[Tensor]]:
    """The canvas, and one hole for each mask, for the picture's own, and for what is around it."""
    holes = [open_hole(path, source, task.mask_mode, held) for path in task.mask_image]
    canvas = source
    if task.mask_mode == "alpha" and not holes:
        canvas, own = own_hole(source)
        holes = [own]
    if task.expand is None:
        return canvas, holes
    left, top, right, bottom = task.expand
    canvas, around = widened(canvas, task.expand)
    inner = [functional.pad(hole, (left, right, top, bottom)) for hole in holes]
    return canvas, [*inner, around]
