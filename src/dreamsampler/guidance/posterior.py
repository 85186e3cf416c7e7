"""A measurement as guidance: the estimate moves against the gradient of the residual."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dreamsampler.maths import Denoiser, Estimate, Latent, Level, Weight, weigh


def posterior(
    denoise: Denoiser, residual: Callable[[Latent], Tensor], scale: Weight = 1.0
) -> Denoiser:
    """Move the estimate against the gradient, through the network, of a residual.

        z0 <- z0(z) - zeta d/dz residual(z0(z)),   eps = eps(z)

    The next latent of the loop, alpha' z0 + sigma' eps, is then the unconditional one minus
    alpha' zeta times the gradient. Gradients are on inside, although the loop runs without them;
    no graph outlives the step. Where zeta is 0 nothing is differentiated.

    Args:
        residual: clean latent -> (b,), such as |y - A decode(z0)|, rows independent.
        scale: zeta.

    Example:
        >>> from dreamsampler.models import GaussianMixture
        >>> from dreamsampler.guidance import conditional
        >>> prior = GaussianMixture(torch.tensor([[2.0], [-2.0]]), std=0.5)
        >>> moved = posterior(conditional(prior, None), lambda z0: (z0 - 2).square().sum(1), 0.1)
        >>> z, level = torch.zeros(1, 1), prior.schedule(0.5)
        >>> bool(moved(z, level).z0 > conditional(prior, None)(z, level).z0)
        True

    Source: Chung et al., "Diffusion posterior sampling for general noisy inverse problems",
    ICLR 2023 (arXiv:2209.14687), algorithm 1.
    """

    def moved(z: Latent, level: Level) -> Estimate:
        size = weigh(scale, level)
        if size == 0:
            return denoise(z, level)
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            estimate = denoise(point, level)
            (gradient,) = torch.autograd.grad(residual(estimate.z0).sum(), point)
        return Estimate((estimate.z0 - size * gradient).detach(), estimate.eps.detach())

    return moved
