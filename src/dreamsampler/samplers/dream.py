"""The one loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from dreamsampler.generators import Subject
from dreamsampler.maths import Denoiser, Latent, Level, Moment, Renoise, keep
from dreamsampler.objectives import Regularizer, chain


def dream(
    denoise: Denoiser,
    subject: Subject,
    levels: Sequence[Level],
    eps: Latent,
    *,
    regularize: Regularizer = chain(),  # noqa: B008 - the identity, and stateless
    renoise: Renoise = keep,
) -> Iterator[Moment]:
    """Hide a clean latent in noise, ask what was there, move towards the answer; repeat.

        z   = alpha look + sigma eps
        est = denoise(z)
        z0  = regularize(est.z0)         prox of lambda(t) R
        subject.pull(z0)                 z0 itself, or psi with look = encode(g(psi))
        eps = renoise(est.eps)           sqrt(1 - k) est.eps + sqrt(k) fresh

    The state is the clean pair (look, eps). Falling levels and a canvas make reverse sampling,
    random levels and a generator make score distillation, rising levels make inversion.

    Args:
        denoise: what the prior believes, guided or not.
        subject: what is moved.
        levels: in the order they are visited.
        eps: the first noise, unit variance, shaped like a look.
        regularize: bends the clean estimate.
        renoise: (moment, next level) -> the next noise.

    Yields:
        One moment a step, after the pull. Stop iterating to cancel.

    Example:
        >>> from dreamsampler.models import GaussianMixture
        >>> from dreamsampler.generators import Canvas
        >>> from dreamsampler.objectives import plain
        >>> prior = GaussianMixture(torch.tensor([[2.0], [-2.0]]), std=0.1)
        >>> start, levels = torch.zeros(1, 1), prior.schedule.grid(50, start=0.99)
        >>> run = dream(plain(prior, None), Canvas(start), levels, torch.ones(1, 1))
        >>> round([now.z0.item() for now in run][-1])
        2

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), algorithm 1.
    """
    for index, level in enumerate(levels):
        with torch.no_grad():
            look = subject.look()
            z = level.alpha * look + level.sigma * eps
            estimate = denoise(z, level)
            now = Moment(index, level, look, eps, z, estimate, estimate.z0)
            now = replace(now, z0=regularize(estimate.z0, now))
            subject.pull(now.z0)
        yield now
        if index + 1 < len(levels):
            with torch.no_grad():
                eps = renoise(now, levels[index + 1])


def finish(run: Iterator[Moment]) -> Moment:
    """Run to the end; the last moment holds the result.

    Raises:
        ValueError: a run without a single step.
    """
    last = None
    for last in run:  # noqa: B007 - only the last one is wanted
        pass
    if last is None:
        raise ValueError("the run has no steps: pass at least one level")
    return last
