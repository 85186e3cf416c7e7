"""A vector graphic as a variable: fitted to a measurement, and updated by a prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import final

import torch
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.vector.graphic import VectorGraphic
from dreamsampler.generators.vector.initial import Picture
from dreamsampler.maths import Latent

Energy = Callable[[VectorGraphic, Tensor], Tensor]
"""Graphic and its picture (1, 3, h, w) in [0, 1] -> a number: data term and penalties."""

SPREAD = 0.1
"""Initial standard deviation of the prior's picture."""
POINTS, COLORS = 1.0, 0.02
"""Learning rates: pixels, shares of white."""
DEAD = 100
"""Steps between two searches for invisible paths."""


@final
class Drawing:
    """A vector graphic as a variable of the loop; targets are compared in pixels.

        psi <- argmin energy(g(psi)) + beta / (2 spread^2) mean |g(psi) - x|^2      (a few steps)
        x = D(z0) + beyond(g)

    The target z0 is decoded once an update, so that no gradient passes through a network. The
    target is the decoded picture itself, not the change D(z0) - D(E(g)): slivers and specks that
    the autoencoder removes would otherwise never disappear.

    Attributes:
        spread: standard deviation of the target, a share of white; may change between updates, as
            a prior is more accurate at low noise.
        target_picture: x of the last update, (1, 3, h, w) in [0, 1]; None before the first one.

    Args:
        graphic: the paths.
        energy: data term and penalties.
        encode: picture (1, 3, h, w) in [-1, 1] to latent.
        decode: latent to picture.
        beyond: picture in [-1, 1] -> its details that the prior's resolution lacks, which stay as
            they are; none by default.
        beta: weight of the prior; 0 leaves the energy alone.
        update_steps: optimizer steps of one update.
        rate: multiplies the learning rates of the fit.

    Raises:
        ValueError: a negative weight, or fewer than one step.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 4.3; in pixels, as
    the authors' settings were never published.
    """

    def __init__(
        self,
        graphic: VectorGraphic,
        energy: Energy,
        encode: Callable[[Tensor], Latent],
        decode: Callable[[Latent], Tensor],
        *,
        beyond: Callable[[Tensor], Tensor] | None = None,
        beta: float = 1.0,
        update_steps: int = 20,
        rate: float = 0.2,
    ) -> None:
        if not beta >= 0 or update_steps < 1:
            raise ValueError(
                f"beta is {beta:g} and update_steps is {update_steps}, but must be at least 0 and 1"
            )
        self.graphic, self.energy = graphic, energy
        self.encode, self.decode, self.beyond = encode, decode, beyond
        self.beta, self.update_steps, self.spread = beta, update_steps, SPREAD
        self.optimizer = adam(graphic, rate)
        self.target_picture: Tensor | None = None

    @torch.no_grad()
    def latent(self) -> Latent:
        """The latent of what is drawn."""
        return self.encode(self.graphic())

    def update(self, target: Latent) -> None:
        """Take `update_steps` steps towards the decoded target and the data."""
        with torch.no_grad():
            picture = self.decode(target.detach())
            if self.beyond is not None:
                picture = picture + self.beyond(self.graphic())
            self.target_picture = ((picture + 1) / 2).clamp(0, 1)
        for _ in range(self.update_steps):
            check_canceled()
            with torch.enable_grad():  # the loop runs without gradients
                drawn = (self.graphic() + 1) / 2
                loss = self.energy(self.graphic, drawn)
                far = (drawn - self.target_picture).square().mean()
                loss = loss + self.beta / (2 * self.spread**2) * far
            descend(self.graphic, self.optimizer, loss)


def adam(graphic: VectorGraphic, rate: float = 1.0) -> torch.optim.Adam:
    """Adam whose steps are about a pixel for points and 2 % of white for colors, times `rate`."""
    groups = [
        {"params": [graphic.points], "lr": POINTS * rate},
        {"params": [graphic.color], "lr": COLORS * rate},
    ]
    return torch.optim.Adam(groups, betas=(0.9, 0.99))


def descend(graphic: VectorGraphic, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down, and back into range."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    graphic.clamp_()


def fitted(
    graphic: VectorGraphic,
    energy: Energy,
    picture: Picture,
    steps: int,
    rng: torch.Generator,
) -> Iterator[int]:
    """Fit a graphic to its energy alone; steps shrink along half a cosine.

    In the first 70 % invisible paths begin again where the graphic differs most from the picture.

    Args:
        graphic: the paths.
        energy: data term and penalties.
        picture: approximate target, in [0, 1].
        steps: of the optimizer.
        rng: on the CPU.

    Yields:
        How many steps were taken.
    """
    optimizer = adam(graphic)
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        check_canceled()
        share = 0.05 + 0.475 * (1 + math.cos(math.pi * step / steps))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        if step % DEAD == DEAD - 1 and step < 0.7 * steps:
            graphic.respawn(picture, optimizer, rng)
        with torch.enable_grad():
            loss = energy(graphic, (graphic() + 1) / 2)
        descend(graphic, optimizer, loss)
        yield step + 1


def staged(paths: int) -> list[int]:
    """Numbers of paths that are added at a time: 4, then as many as there are, to the end.

    Example:
        >>> staged(64), staged(10), staged(3)
        ([4, 4, 8, 16, 32], [4, 4, 2], [3])
    """
    stages = []
    while paths > 0:
        stages.append(min(paths, max(4, sum(stages))))
        paths -= stages[-1]
    return stages
