"""What the house asks of a diffusion model, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch

from dreamsampler.maths import Estimate, Image, Latent, Level, Schedule, Weight

Condition: TypeAlias = Any
"""What a prior makes of a prompt; opaque to everyone else."""


@runtime_checkable
class Prior(Protocol):
    """A diffusion model seen from the loop.

    Latents are float32 at this door whatever the network computes in; a family with packed or
    otherwise odd latents packs them inside `predict`. Networks are frozen, and gradients pass
    through `predict`, `encode` and `decode` where the caller has them on.
    """

    @property
    def schedule(self) -> Schedule:
        """The forward process that the model was trained on."""
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
        """Side, in pixels, of the square pictures that the model knows best."""
        ...

    def condition(self, prompt: str | None) -> Condition:
        """What the network is told for a prompt; None and "" are the null prompt."""
        ...

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[Condition]
    ) -> list[Estimate]:
        """Estimates under several conditions, in one batched forward of the network.

        Args:
            z: one latent batch that every condition is asked about, or one batch per condition.
            level: the level of all of them.
            conditions: what to ask under; each serves its whole batch.
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
    """A prior that knows how it can be guided; any other one is guided by two questions."""

    def guided(
        self, condition: Condition, null: Condition, scale: Weight
    ) -> list[tuple[Condition, Weight]]:
        """The conditions, with weights that add up to 1, by which it is guided by so much.

        Args:
            condition: the prompt's.
            null: the negative or null prompt's.
            scale: 1 is the prompt alone.
        """
        ...

    def usual_scale(self, scale: float) -> float:
        """The scale to take where nobody asked for one and the task would take this."""
        ...


def scale_for(prior: Prior, asked: float | None, usual: float | None) -> float:
    """The guidance scale of a run: what was asked for, or what suits the model.

    Args:
        prior: the model.
        asked: by the user; None if nothing was.
        usual: the task's own choice for models that can be guided freely.
    """
    if asked is not None:
        return asked
    scale = 0.0 if usual is None else usual
    return prior.usual_scale(scale) if isinstance(prior, Guiding) else scale


@runtime_checkable
class Inpainting(Prior, Protocol):
    """A prior whose network may be one for inpainting, which sees what is known."""

    @property
    def inpaints(self) -> bool:
        """Whether it is."""
        ...

    def under(self, condition: Condition, x: Image, mask: Image) -> Condition:
        """The condition that also shows a picture without what is under a mask."""
        ...


@runtime_checkable
class Previewing(Prior, Protocol):
    """A prior with a quicker way to see what a latent looks like."""

    def preview(self, z: Latent) -> Image:
        """Latent to picture in [-1, 1], well enough to see."""
        ...


def preview_of(prior: Prior, z: Latent) -> Image:
    """What a clean latent looks like, clamped to [-1, 1], by the quickest means there is."""
    with torch.no_grad():
        x = prior.preview(z) if isinstance(prior, Previewing) else prior.decode(z)
        return x.clamp(-1, 1)
