"""Style or content of a reference picture, by the features of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.cancel import check_canceled
from dreamsampler.maths import Image, Latent, Step, Weight, weigh
from dreamsampler.regularizers.regularizer import Regularizer

Features: TypeAlias = Callable[[Image], list[Tensor]]
"""Picture (b, 3, h, w) in [-1, 1] -> features of it, layer by layer: maps (b, c, ...) or vectors
(b, c), with gradients to the picture, rows independent."""
By: TypeAlias = Literal["style", "content"]


def reference_style(
    features: Features,
    reference: Image,
    weight: Weight = 1.0,
    *,
    by: By = "style",
    steps: int = 2,
    longest: float = 0.1,
) -> Regularizer:
    """Towards a reference picture, by the features of any network.

        R(x) = 1/2 mean_l |S_l(x) - S_l(ref)|^2 / |S_l(ref)|^2
        x <- x - w / (1 + w) 2 R / |dR/dx|^2 dR/dx,   its root mean square at most `longest`

    S_l are statistics of layer l: by content the features themselves, by style their mean and
    standard deviation over all places, so that the layout is free. The step is Polyak's for an
    energy whose least value is 0: it needs no step size, whatever the network, and ends where the
    reference is met.

    Args:
        features: of a network (`models.features`), or any function.
        reference: (1, 3, h, w) in [-1, 1]; scaled to the size of what is regularized.
        weight: w >= 0; 0 is the identity, infinity the whole step.
        by: style, or content (to anchor an identity: pass the source itself).
        steps: how many a call.
        longest: of one step, root mean square over the picture.

    Raises:
        ValueError: another `by`, less than one step, or no layers.

    Source: the statistics as style, Huang & Belongie, "Arbitrary style transfer with adaptive
    instance normalization", ICCV 2017, eq. 12; features as content, Johnson et al., "Perceptual
    losses", ECCV 2016, eq. 2; the step, Polyak, "Minimization of unsmooth functionals" (1969).
    """
    if by not in ("style", "content"):
        raise ValueError(f"by is {by!r}, but must be style or content")
    if steps < 1 or longest <= 0:
        raise ValueError(f"steps is {steps} and longest {longest:g}: at least 1, and above 0")
    goals: dict[tuple[int, int], list[Tensor]] = {}

    def goal(x: Image) -> list[Tensor]:
        size = (x.shape[-2], x.shape[-1])
        if size not in goals:
            scaled = reference.to(x)
            if scaled.shape[-2:] != x.shape[-2:]:
                scaled = functional.interpolate(scaled, size, mode="bilinear", antialias=True)
            goals[size] = [each.detach() for each in _statistics(features(scaled), by)]
        return goals[size]

    def apply(z0: Latent, current: Step) -> Latent:
        w = weigh(weight, current.level)
        if w == 0:
            return z0
        share, ref, x = (1.0 if w == float("inf") else w / (1 + w)), goal(z0), z0
        for _ in range(steps):
            check_canceled()
            step = share * _polyak(x, lambda point: _energy(_statistics(features(point), by), ref))
            size = step.flatten(1).square().mean(1).sqrt().clamp_min(1e-20)
            x = x - step * _rows((longest / size).clamp(max=1), x)
        return x

    return apply


def _polyak(x: Tensor, energy: Callable[[Tensor], Tensor]) -> Tensor:
    """2 R / |dR/dx|^2 dR/dx of every row."""
    with torch.enable_grad():
        point = x.detach().requires_grad_()
        height = energy(point)
        (gradient,) = torch.autograd.grad(height.sum(), point)
    squared = gradient.flatten(1).square().sum(1).clamp_min(1e-20)
    return _rows(2 * height.detach() / squared, x) * gradient


def _statistics(layers: list[Tensor], by: By) -> list[Tensor]:
    """S of every layer, (b, n)."""
    if not layers:
        raise ValueError("the features have no layers: pass at least one")
    flat = [each.flatten(2) if each.ndim > 2 else each[..., None] for each in layers]
    if by == "content":
        return [each.flatten(1) for each in flat]
    spread = [(each.var(2, correction=0) + 1e-8).sqrt() for each in flat]
    pairs = zip(flat, spread, strict=True)
    return [torch.cat([each.mean(2), wide], 1) for each, wide in pairs]


def _energy(now: list[Tensor], goal: list[Tensor]) -> Tensor:
    """R of every row, (b,)."""
    each = [
        (a - b).square().sum(1) / b.square().sum(1).clamp_min(1e-12)
        for a, b in zip(now, goal, strict=True)
    ]
    return torch.stack(each).mean(0) / 2


def _rows(values: Tensor, x: Tensor) -> Tensor:
    return values.to(x).view(-1, *[1] * (x.ndim - 1))
