"""A denoiser's estimate, whatever its network was trained to output, and a step of the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from jaxtyping import Float
from torch import Tensor

from dreamsampler.maths.level import Level

Latent: TypeAlias = Float[Tensor, "b *chw"]
"""Clean or noisy latent, one row an image; (b, c, h, w) for every picture model."""

Image: TypeAlias = Float[Tensor, "b 3 h w"]
"""Pictures, RGB: [-1, 1] for models and the loop, [0, 1] for files, forms and operators."""

Target: TypeAlias = Literal["sample", "epsilon", "v", "flow"]
"""What a network outputs: z0, eps, alpha eps - sigma z0, or eps - z0."""

TARGETS: tuple[Target, ...] = ("sample", "epsilon", "v", "flow")


@final
@dataclass(frozen=True)
class Estimate:
    """The estimated parts of z_t = alpha z0 + sigma eps: the clean latent and the noise.

    Args:
        z0: Tweedie's posterior mean E[z0 | z_t], or that after guidance.
        eps: the noise of the same estimate, unit variance; the next step renoises with it.
    """

    z0: Latent
    eps: Latent

    def lerp(self, other: Estimate, w: float | Tensor) -> Estimate:
        """Self + w (other - self), for both parts."""
        return Estimate(self.z0 + w * (other.z0 - self.z0), self.eps + w * (other.eps - self.eps))


Denoiser: TypeAlias = Callable[[Latent, Level], Estimate]
"""`denoise(z, level)`: all that samplers and guidance know of a model."""


@final
@dataclass(frozen=True)
class Step:
    """One step of the loop; frozen, so that a caller cannot change the run.

    Args:
        index: number of the step, from 0.
        before: the clean latent of the variable.
        noise: unit-variance noise that was added to it.
        z: alpha before + sigma noise, the input of the denoiser.
        estimate: of the (guided) denoiser.
        z0: the target of the variable, after the regularizers.
    """

    index: int
    level: Level
    before: Latent
    noise: Latent
    z: Latent
    estimate: Estimate
    z0: Latent


def to_estimate(output: Latent, z: Latent, level: Level, target: Target) -> Estimate:
    """The estimate (z0, eps) of a network's output.

        a z0 + b eps = output,   alpha z0 + sigma eps = z

    Every target is one (a, b): sample (1, 0), epsilon (0, 1), v (-sigma, alpha), flow (-1, 1);
    this solves the two equations.

    Args:
        output: of the network, shaped like z.
        z: the noisy latent, its input.
        target: what the network was trained to output.

    Raises:
        ValueError: an unknown target, or one that does not determine z0 at this level
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
            f"the output {target} does not determine z0 at alpha {alpha}, sigma {sigma}: choose "
            "levels with both rates above 0"
        )
    return Estimate(z0=(b * z - sigma * output) / det, eps=(alpha * output - a * z) / det)
