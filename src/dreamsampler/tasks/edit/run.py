"""One run of the task Edit: pictures in, steps out, pictures at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.guidance import cfg, conditional
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import composite, open_mask, open_picture
from dreamsampler.maths import Image, Latent, Level, Step, generators
from dreamsampler.methods import anchored_edit, dreamsampler, flow_edit, ledits
from dreamsampler.models import ModelError, word_tokens
from dreamsampler.models.attention import check_attention
from dreamsampler.models.counting import stands_for
from dreamsampler.models.features import Seen, clip_features, encoder_features
from dreamsampler.models.prior import Prior, scale_for
from dreamsampler.regularizers import Regularizer, chain, decoded, inside
from dreamsampler.regularizers.parse import OWN
from dreamsampler.samplers import flow_shifted
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.edit.options import EditOptions

LEDITS_THRESHOLD = 0.7
"""Share of a picture that each of the two masks of LEDITS++ leaves out (docs/benchmarks.md)."""


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
        with self.timed("encode"), torch.no_grad():
            self._z_src = model.encode(self.fit.down(self.source.flat()[None]))
            self.begin(*self._method(self._z_src.repeat(len(self.seeds), 1, 1, 1)))

    def _method(self, z_src: Latent) -> tuple[Iterator[Step], int]:
        """The steps of the method, and how many they are."""
        task, chosen, prior = self.task, self.task.settings, self.model
        null, wanted = prior.condition(task.negative_prompt), prior.condition(task.prompt)
        steps, regularize = chosen["num_inference_steps"], self._regularizer(z_src)
        if task.method == "dreamsampler":
            weight = chosen.get("gamma") or 0.0
            walk = dreamsampler(prior, z_src, wanted, null, steps, weight, regularize=regularize)
            return walk, 2 * steps
        there = null if task.source_prompt is None else prior.condition(task.source_prompt)
        if _words(task.source_prompt) == _words(task.prompt):
            there = wanted  # one object: it cancels to the last bit
        scale = scale_for(prior, task.guidance_scale, chosen.get("guidance_scale"))
        levels, rng = edit_levels(prior, chosen), generators(self.seeds)
        target = cfg(prior, wanted, null, scale)
        if not levels:
            return iter(()), 0
        if task.method == "ledits":
            how, told = (levels, rng, scale, LEDITS_THRESHOLD), _tokens(prior, task.prompt)
            walk = ledits(prior, z_src, wanted, null, *how, words=told, regularize=regularize)
        elif task.method == "flowedit":
            own = scale_for(prior, task.source_guidance_scale, chosen.get("source_guidance_scale"))
            source = cfg(prior, there, null, own)
            walk = flow_edit(target, source, z_src, levels, rng, regularize=regularize)
        else:  # a negative prompt shall act where the other two agree as well
            by = conditional(prior, wanted) if task.negative_prompt is None else None
            source = conditional(prior, there)
            walk = anchored_edit(target, source, z_src, levels, rng, by=by, regularize=regularize)
        return walk, len(levels)

    def _regularizer(self, z_src: Latent) -> Regularizer:
        """What was asked for besides the prompt, then what must stay."""
        maps: list[Regularizer] = []
        if self.task.regularizers is not None:
            pictures = self.task.regularizers.build(self._reference, self._sees)
            maps.append(decoded(pictures, self.model.encode, self.model.decode))
        if self.mask is not None:
            cells = self.fit.mask_to_latent(self.mask, self.model.factor, touched=True)
            maps.append(inside(cells.to(z_src), z_src))
        return chain(*maps)

    def _reference(self, path: str) -> Image:
        """A picture that a regularizer names, in [-1, 1]; scaled down, for its colors."""
        x = open_picture(path).flat()[None]
        share = min(1.0, 256 / max(x.shape[-2:]))
        size = [max(1, round(share * n)) for n in x.shape[-2:]]
        return 2 * functional.interpolate(x, size, mode="nearest-exact") - 1

    def _sees(self, network: str) -> Seen:
        """What a regularizer sees by: a CLIP model, or the model's own autoencoder."""
        return encoder_features(self.model) if network == OWN else clip_features(network)

    def _decoded(self) -> list[Tensor]:
        flat = self.source.flat()
        if self.last is None:  # strength 0: nothing was asked to change
            return [self.source.rgb.clone() for _ in self.seeds]
        whole = self.task.method == "dreamsampler"
        finals: list[Tensor] = []
        with torch.no_grad():
            origin = None if whole else self.model.decode(self._z_src)
            for z0 in self.last.z0.split(1):
                decoded = self.model.decode(z0)
                picture = assemble(flat, decoded, origin, self.fit)
                if self.mask is not None:
                    picture = composite(flat, picture, self.mask)
                finals.append(self._given_back(picture))
        return finals

    def _given_back(self, flat: Tensor) -> Tensor:
        """Under the source's alpha; what did not change keeps the source's own samples."""
        same = flat == self.source.flat()
        return torch.where(same, self.source.rgb, self.source.unflat(flat))


def _words(prompt: str | None) -> list[str] | None:
    return None if prompt is None else prompt.split()


def edit_levels(prior: Prior, chosen: Mapping[str, Any]) -> list[Level]:
    """Levels of an edit: spaced in flow time from the strength down, so that models agree.

    Args:
        prior: whose schedule.
        chosen: how many levels; the flow time u = sigma / (alpha + sigma) of the first, 0 for no
            level at all; their spacing.
    """
    strength, steps = chosen.get("strength") or 0.0, chosen["num_inference_steps"]
    shift: float = chosen.get("shift", 1.0)
    return flow_shifted(prior.schedule, steps, start=strength, shift=shift) if strength > 0 else []


def _tokens(prior: Prior, prompt: str) -> Tensor | None:
    """Where the prompt's words are; None for a model that only counts: seeing costs nothing."""
    real = stands_for(prior)
    try:
        check_attention(real or prior)
    except ModelError as error:
        raise ModelError(f"method ledits: {error}, or take the default method") from error
    return None if real is not None else word_tokens(prior, [prompt])
