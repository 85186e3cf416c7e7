"""Regularizers: maps that move the clean estimate, and the ways to combine them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Step, Weight, weigh


@runtime_checkable
class Regularizer(Protocol):
    """The prox map z0 -> argmin_z lambda(t) R(z) + 1/2 |z - z0|^2."""

    def __call__(self, z0: Latent, step: Step, /) -> Latent:
        """The regularized clean latent; pure, and z0 itself where the weight is 0."""
        ...


def chain(*maps: Regularizer) -> Regularizer:
    """One map after another; none at all is the identity."""

    def apply(z0: Latent, step: Step) -> Latent:
        for one in maps:
            z0 = one(z0, step)
        return z0

    return apply


identity = chain()
"""Leaves the estimate as it is."""


def masked(regularizer: Regularizer, mask: Tensor) -> Regularizer:
    """A map that acts where the mask is white: m R(z0) + (1 - m) z0.

    Args:
        mask: (b, 1, h, w) at latent size, in [0, 1]; 1 applies the map fully.

    Raises:
        ValueError: a mask that does not fit the latent.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        _check_mask(mask, z0)
        return z0 + mask.to(z0) * (regularizer(z0, step) - z0)

    return apply


def every(n: int, regularizer: Regularizer) -> Regularizer:
    """A map that acts on steps 0, n, 2n, ... only."""
    if n < 1:
        raise ValueError(f"n is {n}, but a map acts every first, second, ... step")
    return lambda z0, step: regularizer(z0, step) if step.index % n == 0 else z0


def between(low: float, high: float, regularizer: Regularizer) -> Regularizer:
    """A map that acts while low <= t <= high."""
    return lambda z0, step: regularizer(z0, step) if low <= step.level.t <= high else z0


def descend(energy: Callable[[Latent], Tensor], step: Weight, *, steps: int = 1) -> Regularizer:
    """Gradient steps on any differentiable energy: z0 <- z0 - step dE/dz0.

    Args:
        energy: latent -> scalar; sum over the batch, so that rows stay independent.
    """

    def apply(z0: Latent, current: Step) -> Latent:
        size = weigh(step, current.level)
        if size == 0:
            return z0
        for _ in range(steps):
            with torch.enable_grad():
                point = z0.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(energy(point), point)
            z0 = z0 - size * gradient
        return z0

    return apply


def towards(target: Callable[[Latent], Latent], weight: Weight) -> Regularizer:
    """Part of the way to a target: the prox of w/2 |z - target|^2, z0 + w / (1 + w) (target - z0).

    Args:
        target: of z0; not asked for where the weight is 0.
        weight: w >= 0; 0 is the identity, infinity the target.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        w = weigh(weight, step.level)
        if w == 0:
            return z0
        return torch.lerp(z0, target(z0), 1.0 if w == float("inf") else w / (1 + w))

    return apply


def relax(rate: Weight) -> Regularizer:
    """Move only part of the way: before + mu (z0 - before), before being the variable's latent.

    mu = 1 is a reverse sampling step, small mu a score distillation step.
    """
    return lambda z0, step: torch.lerp(step.before, z0, weigh(rate, step.level))


def anchored(anchor: Latent, weight: Weight) -> Regularizer:
    """Stay near a given latent: argmin_z w/2 |z - anchor|^2 + 1/2 |z - z0|^2.

    Args:
        anchor: clean latent to stay near.
        weight: w >= 0; 0 is the identity, infinity the anchor.
    """
    return towards(lambda z0: anchor.expand_as(z0), weight)


def inside(mask: Tensor, anchor: Latent) -> Regularizer:
    """Only move where the mask is white: m z0 + (1 - m) anchor.

    The prox of the indicator of {z = anchor where the mask is black}.

    Args:
        mask: (b, 1, h, w) at latent size, in [0, 1].
        anchor: clean latent to keep where it is black.

    Raises:
        ValueError: a mask that does not fit the latent.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        _check_mask(mask, z0)
        return torch.lerp(anchor, z0, mask.to(z0))

    return apply


def _check_mask(mask: Tensor, z0: Latent) -> None:
    fits = mask.ndim == 4 and mask.shape[0] in (1, z0.shape[0]) and mask.shape[1] == 1
    if not fits or mask.shape[-2:] != z0.shape[-2:]:
        raise ValueError(
            f"mask is {tuple(mask.shape)} but the latent is {tuple(z0.shape)}: "
            "pass a (b, 1, h, w) mask at latent size"
        )
