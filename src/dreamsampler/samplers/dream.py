"""The one loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from dreamsampler.cancel import check_canceled
from dreamsampler.generators import Variable
from dreamsampler.maths import Denoiser, Latent, Level, Renoise, Step, keep
from dreamsampler.regularizers import Regularizer, identity


def dream(
    denoise: Denoiser,
    variable: Variable,
    levels: Sequence[Level],
    eps: Latent,
    *,
    regularize: Regularizer = identity,
    renoise: Renoise = keep,
) -> Iterator[Step]:
    """Add noise to a clean latent, denoise it, move towards the estimate; repeat.

        z   = alpha latent + sigma eps
        est = denoise(z)
        z0  = regularize(est.z0)         prox of lambda(t) R
        variable.update(z0)              latent = z0, or psi with latent = encode(g(psi))
        eps = renoise(est.eps)           sqrt(1 - k) est.eps + sqrt(k) fresh

    The state is the clean pair (latent, eps). Falling levels and a `LatentVariable` make reverse
    sampling, random levels and a generator make score distillation, rising levels make inversion.

    Args:
        denoise: the model, guided or not.
        variable: what is moved.
        levels: in their order.
        eps: the first noise, unit variance, shaped like the latent.
        regularize: a map of the clean estimate.
        renoise: (step, next level) -> the next noise.

    Yields:
        Each step, after the update. Stop iterating to cancel.

    Raises:
        Canceled: the surrounding run was canceled (`dreamsampler.cancel`).

    Example:
        >>> from dreamsampler.models import GaussianMixture
        >>> from dreamsampler.generators import LatentVariable
        >>> from dreamsampler.guidance import conditional
        >>> prior = GaussianMixture(torch.tensor([[2.0], [-2.0]]), std=0.1)
        >>> start, levels = torch.zeros(1, 1), prior.schedule.grid(50, start=0.99)
        >>> run = dream(conditional(prior, None), LatentVariable(start), levels, torch.ones(1, 1))
        >>> round([step.z0.item() for step in run][-1])
        2

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), algorithm 1.
    """
    for index, level in enumerate(levels):
        check_canceled()
        with torch.no_grad():
            latent = variable.latent()
            z = level.alpha * latent + level.sigma * eps
            estimate = denoise(z, level)
            step = Step(index, level, latent, eps, z, estimate, estimate.z0)
            step = replace(step, z0=regularize(estimate.z0, step))
            variable.update(step.z0)
        yield step
        if index + 1 < len(levels):
            with torch.no_grad():
                eps = renoise(step, levels[index + 1])


def finish(run: Iterator[Step]) -> Step:
    """Run to the end; the last step holds the result.

    Raises:
        ValueError: a run without a single step.
    """
    last = None
    for last in run:  # noqa: B007 - only the last one counts
        pass
    if last is None:
        raise ValueError("the run has no steps: pass at least one level")
    return last
