"""Inversion: from a clean latent up to the noise that gives it back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch

from dreamsampler.generators import LatentVariable
from dreamsampler.maths import Denoiser, Estimate, Latent, Level, Step
from dreamsampler.samplers.dream import dream


def invert(denoise: Denoiser, z0: Latent, levels: Sequence[Level]) -> Iterator[Step]:
    """DDIM inversion: the loop on rising levels.

        z' = alpha' z0(z) + sigma' eps(z),   levels rising

    Started without noise at the first level. The last step's estimate is the clean pair to sample
    from: `dream(denoise, LatentVariable(last.estimate.z0), falling, last.estimate.eps)`. Coming
    back is exact to first order in the step; `invert_exactly` is exact.

    Args:
        denoise: usually without guidance, since guidance makes the way back unstable.
        levels: rising, as many as the way back has.

    Raises:
        ValueError: levels that do not rise.

    Source: Song, Meng & Ermon, "Denoising diffusion implicit models", ICLR 2021, section 4.3.
    """
    if any(b.s <= a.s for a, b in itertools.pairwise(levels)):
        raise ValueError("inversion needs rising levels: reverse the list of the sampling run")
    return dream(denoise, LatentVariable(z0), levels, torch.zeros_like(z0))


@final
@dataclass(frozen=True)
class ExactInversion:
    """The end of an exact inversion: the last two noisy latents and their levels.

    Args:
        z: noisy latent at `level`, where the way back starts.
        level: its level.
        above: the noisy latent one level further up.
        level_above: its level.
    """

    z: Latent
    level: Level
    above: Latent
    level_above: Level


def leapfrog(
    denoise: Denoiser, levels: Sequence[Level], before: tuple[Latent, Level] | None = None
) -> Denoiser:
    """An exactly reversible solver: two DDIM steps from the middle point, out and back.

        z_next = z_before + F(z; level -> next) - F(z; level -> before)

    F(z; a -> b) = alpha_b z0(z) + sigma_b eps(z) is DDIM's step. The formula is symmetric in
    next and before, so running the levels backwards retraces the path to rounding error, with one
    evaluation a step. The first step, without a before, is DDIM's.

    Args:
        levels: of the run, in its order.
        before: the noisy latent and level one step before the first.

    Source: Zhang, Lewis & Kleijn, "Exact diffusion inversion via bi-directional integration
    approximation", ECCV 2024 (arXiv:2307.10829), gamma = 1.
    """
    following = dict(itertools.pairwise(levels))
    memory: list[tuple[Latent, Level]] = []

    def step(z: Latent, level: Level) -> Estimate:
        estimate = denoise(z, level)
        if level == levels[0]:
            memory[:] = [before] if before is not None else []
        after = following.get(level)
        if memory and after is not None:
            z_before, level_before = memory[0]
            gap = z_before - level_before.alpha * estimate.z0 - level_before.sigma * estimate.eps
            if after.alpha > after.sigma:
                estimate = Estimate(estimate.z0 + gap / after.alpha, estimate.eps)
            else:
                estimate = Estimate(estimate.z0, estimate.eps + gap / after.sigma)
        memory[:] = [(z, level)]
        return estimate

    return step


def invert_exactly(denoise: Denoiser, z0: Latent, levels: Sequence[Level]) -> ExactInversion:
    """Invert so that `retrace` gives the latent back to rounding error.

    Args:
        z0: clean latent, taken as noiseless at the first level.
        levels: rising, at least two.

    Raises:
        ValueError: fewer than two levels, or levels that do not rise.
    """
    if len(levels) < 2 or any(b.s <= a.s for a, b in itertools.pairwise(levels)):
        raise ValueError("exact inversion needs at least two rising levels")
    solver = leapfrog(denoise, levels)
    low, high = list(dream(solver, LatentVariable(z0), levels, torch.zeros_like(z0)))[-2:]
    return ExactInversion(low.z, low.level, high.z, high.level)


def retrace(denoise: Denoiser, end: ExactInversion, levels: Sequence[Level]) -> Iterator[Step]:
    """Come back from an exact inversion; the clean latent is the last step's z / alpha.

    Args:
        denoise: the denoiser of the way up gives the source back; another one edits it.
        end: of the inversion.
        levels: falling, those of the way up without the highest.

    Raises:
        ValueError: levels that do not start at the inversion's level.
    """
    if not levels or levels[0] != end.level:
        first = f"at t = {levels[0].t}" if levels else "nowhere"
        raise ValueError(f"the inversion ends at t = {end.level.t}, but the levels start {first}")
    z0, eps = clean_pair(end.z, end.level)
    solver = leapfrog(denoise, levels, (end.above, end.level_above))
    return dream(solver, LatentVariable(z0), levels, eps)


def clean_pair(z: Latent, level: Level) -> tuple[Latent, Latent]:
    """A pair (z0, eps) of a given noisy latent: alpha z0 + sigma eps = z.

    Of the many, the one in which the part of the larger rate is all of z, so that nothing is
    amplified.
    """
    if level.alpha > level.sigma:
        return z / level.alpha, torch.zeros_like(z)
    return torch.zeros_like(z), z / level.sigma
