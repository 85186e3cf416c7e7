"""One run of the task Edit: pictures in, moments out, pictures at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.guidance import cfg, conditional
from dreamsampler.images.assemble import assemble
from dreamsampler.images.picture import (
    Fit,
    InMemoryImages,
    Picture,
    composite,
    open_mask,
    open_picture,
    save_picture,
)
from dreamsampler.maths import Image, Latent, Level, Step, generators
from dreamsampler.methods import anchored_edit, dreamsampler, flow_edit, ledits
from dreamsampler.models import ModelError, word_tokens
from dreamsampler.models.attention import check_attention
from dreamsampler.models.counting import counted_family
from dreamsampler.models.features import Features, clip_features, encoder_features
from dreamsampler.models.prior import preview_of, scale_for
from dreamsampler.regularizers import Regularizer, chain, decoded, inside
from dreamsampler.regularizers.parse import OWN
from dreamsampler.samplers import flow_shifted
from dreamsampler.tasks.progress import Walk
from dreamsampler.tasks.recipe import make_recipe, tagged

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.edit.task import Edit, Settings


LEDITS_THRESHOLD = 0.7
"""Share of a picture that each of the two masks of LEDITS++ leaves out (docs/benchmarks.md)."""


@final
class EditRun:
    """An edit under way; made by `Edit.start`.

    Iterating drives the loop, stopping cancels it. Pictures are there at the end.

    Attributes:
        task: what was asked.
        held: pictures that were in memory, by their names in the task.
        source: the picture as it was read.
        seeds: one per image.
    """

    def __init__(self, task: Edit, prior: Prior, held: InMemoryImages | None = None) -> None:
        self.task, self.prior, self.held = task, prior, held or {}
        self.source: Picture = open_picture(task.image, held)
        mask = None if task.mask_image is None else open_mask(task.mask_image, self.source, held)
        self.mask: Tensor | None = mask
        self.fit = Fit.to(self.source.size, prior.native_size, prior.multiple, task.size)
        self.seeds = [task.seed + i for i in range(task.num_images)]
        self._pictures: list[Tensor] | None = None
        self._walk = Walk(prior)
        with self._walk.timed("encode"), torch.no_grad():
            self._z_src = prior.encode(self.fit.down(self.source.flat()[None]))
            self._walk.begin(*self._method(self._z_src.repeat(len(self.seeds), 1, 1, 1)))

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

    def _method(self, z_src: Latent) -> tuple[Iterator[Step], int]:
        """The preset's sentence, and its number of steps."""
        task, chosen, prior = self.task, self.task.settings, self.prior
        null, wanted = prior.condition(task.negative_prompt), prior.condition(task.prompt)
        steps, bend = chosen.num_inference_steps, self._bend(z_src)
        if task.preset == "paper":
            weight = chosen.gamma or 0.0
            walk = dreamsampler(prior, z_src, wanted, null, steps, weight, regularize=bend)
            return walk, 2 * steps
        there = null if task.source_prompt is None else prior.condition(task.source_prompt)
        if _words(task.source_prompt) == _words(task.prompt):
            there = wanted  # one object: it cancels to the last bit
        scale = scale_for(prior, task.guidance_scale, chosen.guidance_scale)
        levels, rng = edit_levels(prior, chosen), generators(self.seeds)
        target = cfg(prior, wanted, null, scale)
        if not levels:
            return iter(()), 0
        if task.preset == "ledits":
            how, told = (levels, rng, scale, LEDITS_THRESHOLD), _tokens(prior, task.prompt)
            walk = ledits(prior, z_src, wanted, null, *how, words=told, regularize=bend)
        elif task.preset == "flowedit":
            own = scale_for(prior, task.source_guidance_scale, chosen.source_guidance_scale)
            source = cfg(prior, there, null, own)
            walk = flow_edit(target, source, z_src, levels, rng, regularize=bend)
        else:  # a negative prompt shall act where the other two agree as well
            by = conditional(prior, wanted) if task.negative_prompt is None else None
            source = conditional(prior, there)
            walk = anchored_edit(target, source, z_src, levels, rng, by=by, regularize=bend)
        return walk, len(levels)

    def _bend(self, z_src: Latent) -> Regularizer:
        """What was asked for besides the prompt, then what must stay."""
        maps: list[Regularizer] = []
        if self.task.regularizers is not None:
            pictures = self.task.regularizers.build(self._reference, self._sees)
            maps.append(decoded(pictures, self.prior.encode, self.prior.decode))
        if self.mask is not None:
            cells = self.fit.mask_to_latent(self.mask, self.prior.factor, touched=True)
            maps.append(inside(cells.to(z_src), z_src))
        return chain(*maps)

    def _reference(self, path: str) -> Image:
        """A picture that a regularizer names, in [-1, 1]; scaled down, for its colors."""
        x = open_picture(path, self.held).flat()[None]
        share = min(1.0, 256 / max(x.shape[-2:]))
        size = [max(1, round(share * n)) for n in x.shape[-2:]]
        return 2 * functional.interpolate(x, size, mode="nearest-exact") - 1

    def _sees(self, network: str) -> Features:
        """What a regularizer sees by: a CLIP model, or the model's own autoencoder."""
        return encoder_features(self.prior) if network == OWN else clip_features(network)

    @property
    def report(self) -> dict[str, Any]:
        """Nothing is measured on an edit."""
        return {}

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
        """The edited pictures, (3, h, w) in [0, 1], at the size of the source.

        Raises:
            ValueError: the run is not finished.
        """
        self._walk.check_finished("edit")
        if self._pictures is None:
            with self._walk.timed("decode"):
                self._pictures = self._assembled()
        return self._pictures

    def _assembled(self) -> list[Tensor]:
        flat = self.source.flat()
        if self._walk.last is None:  # strength 0: nothing was asked to change
            return [self.source.rgb.clone() for _ in self.seeds]
        whole = self.task.preset == "paper"
        finals: list[Tensor] = []
        with torch.no_grad():
            origin = None if whole else self.prior.decode(self._z_src)
            for z0 in self._walk.last.z0.split(1):
                decoded = self.prior.decode(z0)
                picture = assemble(flat, decoded, origin, self.fit)
                if self.mask is not None:
                    picture = composite(flat, picture, self.mask)
                finals.append(self._given_back(picture))
        return finals

    def _given_back(self, flat: Tensor) -> Tensor:
        """Under the source's alpha; what did not change keeps the source's own samples."""
        same = flat == self.source.flat()
        return torch.where(same, self.source.rgb, self.source.unflat(flat))

    def run(self) -> EditRun:
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
            save_picture(each, picture, self.source, own)
        return paths


def _words(prompt: str | None) -> list[str] | None:
    return None if prompt is None else prompt.split()


def edit_levels(prior: Prior, chosen: Settings) -> list[Level]:
    """Levels of an edit: spaced in flow time from the strength down, so that models agree.

    Args:
        prior: whose schedule.
        chosen: how many levels; the flow time u = sigma / (alpha + sigma) of the first, 0 for no
            level at all; their spacing.
    """
    strength, steps = chosen.strength or 0.0, chosen.num_inference_steps
    shift = 1.0 if chosen.shift is None else chosen.shift
    return flow_shifted(prior.schedule, steps, start=strength, shift=shift) if strength > 0 else []


def _tokens(prior: Prior, prompt: str) -> Tensor | None:
    """Where the prompt's words are; None for a model that only counts: seeing costs nothing."""
    real = counted_family(prior)
    try:
        check_attention(real or prior)
    except ModelError as error:
        raise ModelError(f"preset ledits: {error}, or take the default preset") from error
    return None if real is not None else word_tokens(prior, [prompt])
