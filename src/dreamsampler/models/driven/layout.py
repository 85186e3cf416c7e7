"""The layout of a pipeline's latents, learned from what its autoencoder is given to decode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from dreamsampler.maths import Latent
from dreamsampler.models.errors import ModelError

_BASE = 16
"""Digits in which positions are written: small enough to survive 16-bit numbers."""


@final
@dataclass(frozen=True)
class Layout:
    """How the latents of a loop are those of an autoencoder.

        decoded[i] = offset[i] + scale[i] looped[order[i]]

    Args:
        loop: the shape of one row in the loop.
        code: (c, h, w) of what the autoencoder decodes.
        video: whether the autoencoder takes (b, c, 1, h, w).
        order: (c h w,), or None for the loop's own order.
        scale: (c, h, w) or smaller.
        offset: the same.
    """

    loop: tuple[int, ...]
    code: tuple[int, int, int]
    video: bool
    order: Tensor | None
    scale: Tensor
    offset: Tensor

    def to_loop(self, z: Latent) -> Tensor:
        """Latents (b, c, h, w) in the loop's layout."""
        flat = z.flatten(1)
        if self.order is not None:
            order = self.order.to(z.device)
            flat = torch.zeros_like(flat).index_copy(1, order, flat)
        return flat.view(len(z), *self.loop)

    def from_loop(self, looped: Tensor) -> Latent:
        """The inverse of `to_loop`; also of an output with a learned variance after the mean."""
        if looped.numel() == 2 * looped.shape[0] * self.loop_size:
            looped = looped.chunk(2, dim=1)[0]
        flat = looped.reshape(len(looped), -1)
        if flat.shape[1] != self.loop_size:
            raise ModelError(
                f"its loop has latents {self.loop}, but an output {tuple(looped.shape[1:])}"
            )
        if self.order is not None:
            flat = flat[:, self.order.to(flat.device)]
        return flat.view(len(looped), *self.code)

    @property
    def loop_size(self) -> int:
        """Numbers in one row."""
        return self.code[0] * self.code[1] * self.code[2]

    def to_code(self, z: Latent) -> Tensor:
        """Latents as the autoencoder decodes them."""
        x = z * self.scale.to(z) + self.offset.to(z)
        return x[:, :, None] if self.video else x

    def from_code(self, code: Tensor) -> Latent:
        """The inverse of `to_code`."""
        x = code[:, :, 0] if self.video else code
        return (x - self.offset.to(x)) / self.scale.to(x)


def pixel_layout(loop: tuple[int, ...]) -> Layout:
    """The layout of a model of pixels."""
    one = torch.ones(1, 1, 1)
    return Layout(loop, (loop[0], loop[1], loop[2]), False, None, one, torch.zeros_like(one))


def learn_layout(loop: tuple[int, ...], decode: Callable[[Tensor], Tensor]) -> Layout:
    """The layout of a loop's latents.

    Args:
        loop: the shape of one row in the loop.
        decode: what the autoencoder would be given for one row (1, *loop) of latents.

    Raises:
        ModelError: it decodes anything else than the latents, scaled, shifted and reordered.
    """
    count = int(torch.tensor(loop).prod())

    def seen(values: Tensor) -> Tensor:
        return decode(values.view(1, *loop).float()).detach().double().cpu()

    offset = seen(torch.zeros(count))
    video = offset.ndim == 5
    if video and offset.shape[2] != 1:
        raise ModelError(f"it makes videos ({offset.shape[2]} frames of latents)")
    if offset.numel() != count or offset.ndim not in (4, 5):
        raise ModelError(
            f"its loop has latents {loop}, but its autoencoder decodes {tuple(offset.shape)}"
        )
    scale = (seen(torch.full((count,), float(_BASE))) - offset) / _BASE
    if (scale == 0).any():
        raise ModelError("its autoencoder does not decode all latents of its loop")
    positions, order, power = torch.arange(count), torch.zeros(count, dtype=torch.int64), 1
    while power < count:
        digit = (seen((positions // power % _BASE).float()) - offset) / scale
        order += digit.round().long().flatten() * power
        if (digit - digit.round()).abs().max() > 0.2:
            raise ModelError("its autoencoder decodes something else than its loop's latents")
        power *= _BASE
    if not torch.equal(order.sort().values, positions):
        raise ModelError("its autoencoder decodes something else than its loop's latents")
    plain = torch.equal(order, positions)
    shape = (offset.shape[1], offset.shape[-2], offset.shape[-1])
    parts = [_smallest(part.view(shape)).float() for part in (scale, offset)]
    return Layout(loop, shape, video, None if plain else order, parts[0], parts[1])


def _smallest(x: Tensor) -> Tensor:
    """A (c, h, w) that is the same at every position as (c, 1, 1), to broadcast."""
    first = x[:, :1, :1]
    return first if torch.allclose(x, first.expand_as(x), rtol=1e-5, atol=1e-7) else x
