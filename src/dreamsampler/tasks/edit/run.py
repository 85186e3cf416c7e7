"""One run of the task Edit: pictures in, steps out, pictures at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.files import write_whole
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import composite, open_mask, open_picture
from dreamsampler.images.redraw import redrawn_change
from dreamsampler.images.save import as_pil, side_by_side
from dreamsampler.maths import Image, Latent, Step, generators
from dreamsampler.methods.inputs import EditInputs
from dreamsampler.models.familiar import warn_strange
from dreamsampler.models.features import Features, clip_features, encoder_features
from dreamsampler.models.prior import Prior
from dreamsampler.regularizers import Regularizer, chain, decoded, inside
from dreamsampler.regularizers.parse import AUTOENCODER
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.controls import reader
from dreamsampler.tasks.edit.candidates import (
    Candidate,
    judged,
    least_that_shows,
    reported,
    variations,
)
from dreamsampler.tasks.edit.options import EditOptions

LEAST_KEPT = 0.1
"""Share of a picture from which its redrawing is found; if a mask keeps less, all of it counts."""


@final
class EditRun(Run[EditOptions]):
    """An edit under way; made by `Edit.start`."""

    def __init__(self, task: EditOptions, model: Prior) -> None:
        super().__init__(task, model, [task.seed + i for i in range(task.num_images)])
        self.source = open_picture(task.image)
        self.mask: Tensor | None = None
        if task.mask_image is not None:
            self.mask = open_mask(task.mask_image, self.source)
        self.fit = Fit.to(self.source.size, model.native_size, model.multiple, task.size)
        task.chosen.check_model(model)
        with self.timed("encode"), torch.no_grad():
            self._x = self.fit.down(self.source.flat()[None])
            warn_strange(model, self._x, self.source.path)
            self._z_src = model.encode(self._x)
            self.tried: list[Candidate] = []
            self.kept: Candidate | None = None
            inputs = self._inputs(self._z_src.repeat(len(self.seeds), 1, 1, 1))
            begun = task.start_method(inputs) if task.tries is None else self._tried(inputs)
            self.begin(*begun)

    def _tried(self, inputs: EditInputs) -> tuple[Iterator[Step], int]:
        """The steps of all candidates one after another; with the last one, one is kept."""
        tasks = variations(self.task)
        each = [replace(inputs, rng=generators([task.seed])) for task in tasks]
        begun = [task.start_method(one) for task, one in zip(tasks, each, strict=True)]

        def steps() -> Iterator[Step]:
            for task, (run, total) in zip(tasks, begun, strict=True):
                for count, step in enumerate(run, start=1):
                    if count == total:
                        with torch.no_grad():
                            self.tried.append(judged(task, inputs, step.z0))
                    if len(self.tried) == len(tasks):
                        self.kept = least_that_shows(self.tried)
                        self.seeds = [self.kept.seed]
                    yield step

        return steps(), sum(total for _, total in begun)

    def _inputs(self, z_src: Latent) -> EditInputs:
        """What the method gets."""
        task, model = self.task, self.model
        read = reader(model, self.fit, self.source.size)
        if task.chosen.reference:
            read = partial(read, image=as_pil((self._x[0] + 1) / 2))
        null, condition = read(task.negative_prompt), read(task.prompt)
        source = null
        if task.source_prompt is not None:
            same = task.source_prompt.split() == task.prompt.split()
            # one object: it cancels to the last bit
            source = condition if same else read(task.source_prompt)
        return EditInputs(
            model,
            z_src,
            condition,
            source,
            null,
            generators(self.seeds),
            prompts=[(task.source_prompt or "", task.prompt)] * len(self.seeds),
            regularize=self._regularizer(z_src),
            negative=task.negative_prompt is not None,
        )

    def _regularizer(self, z_src: Latent) -> Regularizer:
        """The regularizers of the task, then the mask."""
        maps: list[Regularizer] = []
        if self.task.regularizers is not None:
            pictures = self.task.regularizers.build(self._reference, self._sees)
            maps.append(decoded(pictures, self.model.encode, self.model.decode))
        if self.mask is not None and not self.task.chosen.reference:
            cells = self.fit.mask_to_latent(self.mask, self.model.factor, touched=True)
            maps.append(inside(cells.to(z_src), z_src))
        return chain(*maps)

    def _reference(self, path: str) -> Image:
        """A picture that a regularizer names, in [-1, 1]; scaled down, for its colors."""
        x = open_picture(path).flat()[None]
        share = min(1.0, 256 / max(x.shape[-2:]))
        size = [max(1, round(share * n)) for n in x.shape[-2:]]
        return 2 * functional.interpolate(x, size, mode="nearest-exact") - 1

    def _sees(self, network: str) -> Features:
        """What a regularizer sees by: a CLIP model, or the model's own autoencoder."""
        return encoder_features(self.model) if network == AUTOENCODER else clip_features(network)

    def _decoded(self) -> list[Tensor]:
        if self.last is None:  # strength 0: nothing changes
            return [self.source.rgb.clone() for _ in self.seeds]
        z0 = self.last.z0 if self.kept is None else self.kept.z0
        return [self._picture(each) for each in z0.split(1)]

    def _picture(self, z0: Latent) -> Tensor:
        """A clean latent as a result, (3, h, w)."""
        flat, origin = self.source.flat(), self._origin
        edited, change = self.model.decode(z0), None
        if origin is not None and self.task.chosen.reference:
            edited, change = redrawn_change(origin, edited, self._unmasked())
        picture = assemble(flat, edited, origin, self.fit, change)
        if self.mask is not None:
            picture = composite(flat, picture, self.mask)
        return self._with_alpha(picture)

    @cached_property
    def _origin(self) -> Image | None:
        """The source through the autoencoder; None where the result is nothing but decoded."""
        return self.model.decode(self._z_src) if self.task.chosen.keeps_pixels else None

    def not_kept(self) -> list[tuple[Candidate, Tensor]]:
        """The other candidates of a finished run, each with its picture, (3, h, w)."""
        others = [each for each in self.tried if each is not self.kept]
        with torch.no_grad():
            return [(each, self._picture(each.z0)) for each in others]

    @property
    def report(self) -> dict[str, Any]:
        """The candidates with what the model found, and which one was kept."""
        return {} if self.kept is None else reported(self.tried, self.kept)

    def record(self, folder: Path) -> list[Path]:
        """As `Run.record`: all candidates side by side."""
        if self.kept is None:
            return []
        with torch.no_grad():
            pictures = [as_pil(self._picture(each.z0), self.source) for each in self.tried]
        path = folder / "candidates.png"
        write_whole(path, side_by_side(pictures))
        return [path]

    def _unmasked(self) -> Tensor | None:
        """Where a mask lets nothing change, (1, H, W) in the model; None for nothing to go by."""
        if self.mask is None:
            return None
        kept = 1 - self.fit.mask_to_latent(self.mask, 1, touched=True)[0]
        return kept if kept.mean() >= LEAST_KEPT else None

    def _with_alpha(self, flat: Tensor) -> Tensor:
        """Under the source's alpha; what did not change keeps the source's own samples."""
        same = flat == self.source.flat()
        return torch.where(same, self.source.rgb, self.source.unflat(flat))
