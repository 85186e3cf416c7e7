"""What a denoiser believes, whatever its network was trained to output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from torch import Tensor

from dreamsampler.maths.level import Level
from dreamsampler.maths.types import Latent

Target: TypeAlias = Literal["sample", "epsilon", "v", "flow"]
"""What a network outputs: z0, eps, alpha eps - sigma z0, or eps - z0."""

TARGETS: tuple[Target, ...] = ("sample", "epsilon", "v", "flow")


@final
@dataclass(frozen=True)
class Estimate:
    """A belief about z_t = alpha z0 + sigma eps: the clean latent and the noise.

    Args:
        z0: Tweedie's posterior mean E[z0 | z_t], or what guidance made of it.
        eps: the noise that goes with it, unit variance; the next step renoises with it.
    """

    z0: Latent
    eps: Latent

    def lerp(self, other: Estimate, w: float | Tensor) -> Estimate:
        """Self + w (other - self), for both parts."""
        return Estimate(
            self.z0 + w * (other.z0 - self.z0),
            self.eps + w * (other.eps - self.eps),
        )


Denoiser: TypeAlias = Callable[[Latent, Level], Estimate]
"""The waist of the house: everything above it only ever asks `denoise(z, level)`."""


def to_estimate(output: Latent, z: Latent, level: Level, target: Target) -> Estimate:
    """Read a network's output as (z0, eps).

        a z0 + b eps = output,   alpha z0 + sigma eps = z

    Every target is one (a, b): sample (1, 0), epsilon (0, 1), v (-sigma, alpha), flow (-1, 1);
    this solves the two equations.

    Args:
        output: what the network said, shaped like z.
        z: what it was shown.
        level: the level it was shown at.
        target: what it was trained to say.

    Raises:
        ValueError: an unknown target, or one that says nothing about z0 at this level
            (epsilon where alpha = 0).

    Example:
        >>> import torch
        >>> z0, eps, level = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), Level(0.5, 0.6, 0.8)
        >>> to_estimate(-0.8 * z0 + 0.6 * eps, 0.6 * z0 + 0.8 * eps, level, "v").z0.item()
        1.0

    Source: Salimans & Ho, "Progressive distillation", ICLR 2022, appendix D, for v.
    """
    alpha, sigma = level.alpha, level.sigma
    pairs = {"sample": (1.0, 0.0), "epsilon": (0.0, 1.0), "v": (-sigma, alpha), "flow": (-1.0, 1.0)}
    if target not in pairs:
        raise ValueError(f"target is {target!r}, but must be one of {', '.join(TARGETS)}")
    a, b = pairs[target]
    det = alpha * b - sigma * a
    if det == 0:
        raise ValueError(
            f"a network that outputs {target} says nothing new at alpha {alpha}, sigma {sigma}: "
            "choose levels with both rates above 0"
        )
    return Estimate(z0=(b * z - sigma * output) / det, eps=(alpha * output - a * z) / det)
