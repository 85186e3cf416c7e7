"""What a task hands to a method: the model, the latents, the conditions, the random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

from dreamsampler.guidance import (
    Guided,
    Negation,
    cfg,
    conditional,
    rectified_cfg_pp,
    regional,
)
from dreamsampler.guidance.negation import check_two_prompts
from dreamsampler.images.fit import Fit
from dreamsampler.images.tone import toned
from dreamsampler.maths import Denoiser, Latent, Level, Rng, Step
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.operators import Mask
from dreamsampler.regularizers import Measurement, Regularizer, identity
from dreamsampler.samplers import flow_shifted, random_levels, trailing

Settings: TypeAlias = Mapping[str, Any]
"""Option -> value: a method's own settings with the caller's choices in place."""
Steps: TypeAlias = tuple[Iterator[Step], int]
"""What a registered method returns: its steps, and how many there are."""
Axes: TypeAlias = tuple[int, ...]
"""Axes along which a picture is mirrored; () is the picture itself."""
ROUNDING = 1 / (255 * 12**0.5)
"""Standard deviation of the rounding of an 8-bit file, in pictures of [0, 1]."""


@final
@dataclass(frozen=True)
class EditInputs:
    """What an editing method gets.

    Args:
        prior: the model.
        z_src: clean latent of the source, one row an image.
        condition: the target prompt's.
        source_condition: the source prompt's; the object `condition` where both prompts are equal,
            `null` where there is no source prompt.
        null: the negative prompt's, or the empty one's.
        rng: one generator per image.
        prompts: (source, target) in words, one pair an image; for methods that align tokens.
        regularize: further maps of the clean estimate, such as a mask.
        negative: whether a negative prompt was given.
    """

    prior: Prior
    z_src: Latent
    condition: Condition
    source_condition: Condition
    null: Condition
    rng: Rng
    prompts: Sequence[tuple[str, str]] = ()
    regularize: Regularizer = identity
    negative: bool = False

    def target(self, scale: float) -> Guided:
        """Guidance towards the target prompt."""
        return cfg(self.prior, self.condition, self.null, scale)

    def guided(self, settings: Settings, levels: Sequence[Level]) -> Denoiser:
        """Guidance towards the target prompt as `guidance` says: cfg, or rectified_cfg_pp.

        Raises:
            ValueError: Rectified-CFG++ with a model that is not guided by two prompts.
        """
        scale = settings["guidance_scale"]
        if settings["guidance"] != "rectified_cfg_pp":
            return self.target(scale)
        named = "guidance rectified_cfg_pp"
        check_two_prompts(self.prior, self.condition, self.null, scale, named)
        return rectified_cfg_pp(self.prior, self.condition, self.null, scale, levels)

    def source(self, scale: float) -> Guided:
        """Guidance towards the source prompt."""
        return cfg(self.prior, self.source_condition, self.null, scale)

    def levels(self, settings: Settings) -> list[Level]:
        """Falling levels from the flow time `strength`, or the published trailing levels.

        Args:
            settings: num_inference_steps; strength, and shift if there is one; where strength is
                None, skip: the share of the trailing levels that is left out at the start.
        """
        schedule, steps = self.prior.schedule, settings["num_inference_steps"]
        start = settings["strength"]
        if start is None:
            return trailing(schedule, steps)[round(settings["skip"] * steps) :]
        return flow_shifted(schedule, steps, start=start, shift=settings.get("shift", 1.0))

    def random_levels(self, settings: Settings) -> list[Level]:
        """Random levels of score distillation, the same for every image."""
        rng, steps = torch.Generator().manual_seed(0), settings["num_inference_steps"]
        return random_levels(self.prior.schedule, steps, rng, low=0.05, high=0.95)


@final
@dataclass(frozen=True)
class InpaintInputs:
    """What an inpainting method gets.

    Args:
        prior: the model.
        x: the picture, (3, h, w) in [0, 1].
        filled: the same with smooth colors in its holes.
        masks: one hole for each prompt, (1, h, w) in [0, 1]; they sum to at most 1.
        prompts: in words, one for each mask.
        conditions: theirs.
        null: the negative prompt's, or the empty one's.
        fit: between the picture and the model's canvas.
        rng: one generator per image.
    """

    prior: Prior
    x: Tensor
    filled: Tensor
    masks: Sequence[Tensor]
    prompts: Sequence[str]
    conditions: Sequence[Condition]
    null: Condition
    fit: Fit
    rng: Rng

    @cached_property
    def mask(self) -> Tensor:
        """All holes, (1, h, w) in [0, 1]."""
        return torch.stack(list(self.masks)).sum(0).clamp(0, 1)

    @cached_property
    def z_src(self) -> Latent:
        """Latent of the filled picture, one row an image."""
        z_src = self.prior.encode(self.fit.down(self.filled[None]))
        return z_src.repeat(len(self.rng), 1, 1, 1)

    @cached_property
    def data(self) -> Measurement:
        """What is known of the picture, as a measurement."""
        known = (self.mask[None] == 0).to(self.x)
        y = (known * self.x).expand(len(self.rng), -1, -1, -1)
        return Measurement(Mask(known), y, ROUNDING, self._decode, self._encode)

    def cells(self, mask: Tensor, *, touched: bool = False) -> Tensor:
        """A mask in latent cells, (1, 1, h, w); touched: 1 where any of it is white."""
        return self.fit.mask_to_latent(mask, self.prior.factor, touched=touched)

    def denoise(self, scale: float) -> Denoiser:
        """The model, each prompt in its hole."""
        guided = [cfg(self.prior, each, self.null, scale) for each in self.conditions]
        if len(set(self.prompts)) == 1:
            return guided[0]
        return regional(guided, [self.cells(mask) for mask in self.masks])

    def toned(self, z0: Latent) -> Tensor:
        """What latents show, on the model's canvas; in the holes colors are shifted (`toned`)."""
        source = self.fit.down(self.filled[None])[0] / 2 + 0.5  # nothing of the hole beside it
        hole = self.fit.mask_to_latent(self.mask, 1, touched=True)[0]
        painted = self.prior.decode(z0).clamp(-1, 1) / 2 + 0.5
        depths = (1, max(1, self.prior.factor // 2))  # cells hole in part blur what is beside it
        return 2 * torch.stack([toned(source, x.to(source), hole, depths) for x in painted]) - 1

    def _decode(self, z: Latent) -> Tensor:
        return self.fit.up(self.prior.decode(z), clamp=False)

    def _encode(self, x: Tensor) -> Latent:
        return self.prior.encode(self.fit.down(x))


@final
@dataclass
class RestoreInputs:
    """What a restoration method gets, and what it may leave behind.

    Args:
        prior: the model.
        data: the measurement, one row an image.
        guess: a first guess, (1, 3, h, w) in [0, 1], that no model took part in.
        condition: the prompt's; None if there is no prompt.
        null: the negative prompt's, or the empty one's.
        rng: one generator per image.
        view: the measurement of the picture mirrored along axes.
        coarse: whether the operator leaves coarse shapes and colors, so that `guess` has them.

    Attributes:
        axes: set by a method that mirrors pictures, the axes of every step.
        views: set by such a method, the measurements that it uses.
        mean: set by a method that averages several runs, their mean.
        balanced: set by a method whose last picture weighs data and model: it stays as it is.
    """

    prior: Prior
    data: Measurement
    guess: Tensor
    condition: Condition | None
    null: Condition
    rng: Rng
    view: Callable[[Axes], Measurement]
    coarse: bool
    axes: list[Axes] = field(default_factory=list)
    views: list[Measurement] = field(default_factory=list)
    mean: RunningMean | None = None
    balanced: bool = False

    @cached_property
    def z_src(self) -> Latent:
        """Latent of the first guess, one row an image."""
        return self.data.encode(self.guess).repeat(len(self.rng), 1, 1, 1)

    def denoise(self, scale: float, *, negation: bool = False) -> Guided | Negation:
        """The model under its prompt, or under the null prompt if it has none.

        Args:
            negation: whether the null prompt is moved away from the estimate.
        """
        if self.condition is None:
            return conditional(self.prior, self.null)
        guide = Negation if negation else cfg
        return guide(self.prior, self.condition, self.null, scale)


@final
class RunningMean:
    """The mean of pictures, added one by one.

    Args:
        first: what stands for it until a picture is added, (b or 1, 3, h, w) in [0, 1].

    Attributes:
        mean: (b, 3, h, w), not clamped.
        count: how many were added.

    Source: see `averaged_restoration`.
    """

    def __init__(self, first: Tensor) -> None:
        self.mean, self.count = first, 0

    def add(self, x: Tensor) -> None:
        """Take a picture into the mean."""
        self.count += 1
        self.mean = x if self.count == 1 else self.mean + (x - self.mean) / self.count


MeasuredInputs: TypeAlias = InpaintInputs | RestoreInputs
"""What a method gets that fits a measurement: what is known of a picture is one as well."""
