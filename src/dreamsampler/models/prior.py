"""The interface of a diffusion model, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch

from dreamsampler.maths import Estimate, Image, Latent, Level, Schedule, Weight

Condition: TypeAlias = Any
"""A prompt as a prior encodes it; opaque to everyone else."""


@runtime_checkable
class Prior(Protocol):
    """A diffusion model as the loop uses it.

    Latents are float32 here whatever the network computes in; a family that packs latents does so
    inside `predict`. Networks are frozen, and gradients pass through `predict`, `encode` and
    `decode` where the caller has them on.
    """

    @property
    def schedule(self) -> Schedule:
        """The forward process of the model."""
        ...

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        ...

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side."""
        ...

    @property
    def multiple(self) -> int:
        """Heights and widths must be whole multiples of this many pixels; pad to it."""
        ...

    @property
    def native_size(self) -> int:
        """Side, in pixels, of the square pictures it was trained on; 0 for pictures of any size."""
        ...

    def condition(self, prompt: str | None) -> Condition:
        """A prompt, encoded; None and "" are the null prompt.

        A model whose `references` is true also takes `image`, a reference picture (Pillow).
        """
        ...

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[Condition]
    ) -> list[Estimate]:
        """Estimates under several conditions, in one batched forward of the network.

        Args:
            z: one latent batch for all conditions, or one batch per condition.
        """
        ...

    def encode(self, x: Image) -> Latent:
        """Picture in [-1, 1] to latent; the mean, never a sample."""
        ...

    def decode(self, z: Latent) -> Image:
        """Latent to picture in [-1, 1]; not clamped, so that gradients live."""
        ...


@runtime_checkable
class Guiding(Protocol):
    """A prior with its own guidance; any other one has classifier-free guidance."""

    def guided(
        self, condition: Condition, null: Condition, scale: Weight
    ) -> list[tuple[Condition, Weight]]:
        """The conditions of guidance by a scale, with weights that add up to 1.

        Args:
            scale: 1 is the prompt alone.
        """
        ...

    def usual_scale(self, scale: float) -> float:
        """The scale by default, where that of the task is this."""
        ...


def scale_for(prior: Prior, scale: float | None, default: float | None) -> float:
    """The guidance scale of a run.

    Args:
        scale: the user's; None for the default.
        default: the task's, for models without guidance of their own.
    """
    if scale is not None:
        return scale
    scale = 0.0 if default is None else default
    return prior.usual_scale(scale) if isinstance(prior, Guiding) else scale


@runtime_checkable
class Inpainting(Prior, Protocol):
    """A prior whose network may be an inpainting network."""

    @property
    def inpaints(self) -> bool:
        """Whether it is one."""
        ...

    def inpainting_condition(self, condition: Condition, x: Image, mask: Image) -> Condition:
        """A condition of an inpainting network (9 channels) with the known part of a picture.

        Args:
            x: the picture, (b, 3, h, w) in [-1, 1].
            mask: (b, 1, h, w) in [0, 1]; white is to be painted.
        """
        ...


@runtime_checkable
class Previewing(Prior, Protocol):
    """A prior with a quicker decoder for previews."""

    def preview(self, z: Latent) -> Image:
        """Latent to picture in [-1, 1], approximately."""
        ...


def preview_of(prior: Prior, z: Latent) -> Image:
    """A clean latent as a picture clamped to [-1, 1], by the quickest decoder."""
    with torch.no_grad():
        x = prior.preview(z) if isinstance(prior, Previewing) else prior.decode(z)
        return x.clamp(-1, 1)
