"""A prior around any denoiser of pictures."""

from __future__ import annotations

from typing import Any

from dreamsampler.maths import VarianceExploding
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families import DenoiserFamily
from dreamsampler.models.network import NetworkPrior


def from_denoiser(
    denoiser: Any,
    *,
    sigma_max: float = 1.0,
    multiple: int = 8,
    tiling: int | None = None,
    name: str = "denoiser",
) -> NetworkPrior:
    """A prior around denoiser(x, sigma), which takes white noise of deviation sigma off a picture.

        E[x | y] = y + sigma^2 grad log p(y),   y = x + sigma n        (Tweedie's formula)

    so a denoiser is a prior of pictures, without prompts, as any other model here. This is the
    calling convention of deepinv's denoisers (DRUNet, DnCNN, SwinIR, ...).

    Args:
        denoiser: a module or a function of pictures (b, 3, h, w) in [0, 1] and of sigma, a number
            in the same units; returns the denoised pictures.
        sigma_max: the largest sigma that it was trained for; 50 / 255 is usual.
        multiple: heights and widths are padded to multiples of it.
        tiling: side of the tiles, in pixels, in which larger pictures are denoised; None for 1024.

    Raises:
        ModelError: what is no function, or a sigma_max that is not above 0.

    Example:
        >>> import torch
        >>> shrink = lambda y, sigma: 0.5 + (y - 0.5) / (1 + (sigma / 0.2) ** 2)  # of a Gaussian
        >>> prior = from_denoiser(shrink)
        >>> level = prior.schedule(0.4)
        >>> (estimate,) = prior.predict(torch.full((1, 3, 8, 8), 0.5), level, [prior.condition("")])
        >>> round(estimate.z0.mean().item(), 3)
        0.1

    Source: Venkatakrishnan et al., "Plug-and-play priors for model based reconstruction", 2013;
    Efron, "Tweedie's formula and selection bias", 2011.
    """
    if not callable(denoiser):
        raise ModelError(f"a {type(denoiser).__name__} is no denoiser: pass denoiser(x, sigma)")
    if not sigma_max > 0:
        raise ModelError(f"sigma_max is {sigma_max}, but must be above 0, in units of [0, 1]")
    family: Any = DenoiserFamily(denoiser, VarianceExploding(2 * sigma_max), multiple)
    return NetworkPrior(family, family.codec({}, tiling), name=name)
