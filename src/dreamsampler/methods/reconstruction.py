"""A scene from its views: a radiance field under a data term and a prior of every view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import torch

from dreamsampler.generators.field.grid import cubic_size
from dreamsampler.generators.field.multi_view import MultiViewField
from dreamsampler.guidance.guided import Guided, predict_batch
from dreamsampler.maths import (
    Denoiser,
    Estimate,
    Latent,
    Level,
    Rng,
    Step,
    Weight,
    draw,
    weigh,
)
from dreamsampler.methods.restore.default import FLIPS
from dreamsampler.regularizers import Regularizer, chain, identity
from dreamsampler.samplers import dream

DENSE = 2.0
"""Unit of density of a stage: this many optical depths along one of its voxels."""


@final
@dataclass(frozen=True)
class Stage:
    """One resolution of a field, and how long it is fitted there.

    Args:
        resolution: corners along the longest side of the box.
        steps: optimizer steps.
    """

    resolution: int
    steps: int


def fitted(field: MultiViewField, stages: Sequence[Stage]) -> Iterator[int]:
    """Fit a field to its data alone, from coarse to fine.

    At each stage the box is tightened to what is not empty and the grid refined; half way through a
    stage the learning rate falls to 0.4 of itself. In the first half of the first stage nothing is
    left out, so that matter can appear anywhere.

    Args:
        field: the field, its cameras and its data term; it adopts a new grid each stage.
        stages: resolutions and steps.

    Yields:
        The number of optimizer steps so far, after each of them.

    Raises:
        ValueError: no stages.

    Source: Sun, Sun & Chen, "Direct voxel grid optimization", CVPR 2022 (arXiv:2111.11215),
        section 5 (coarse search for the box, then a finer grid).
    """
    if not stages:
        raise ValueError("there are no stages: fit at one resolution at least")
    count = 0
    for number, stage in enumerate(stages):
        box = field.grid.box if number == 0 else field.grid.tight_box()
        size = cubic_size(box, stage.resolution)
        grid = field.grid.resampled(size, box)
        grid.count_in(DENSE / grid.voxel)
        field.set_grid(grid, everywhere=number == 0)
        for step in range(stage.steps):
            if step == stage.steps // 2:
                field.scale_rates(0.4)
                field.set_everywhere(False)
            field.step()
            count += 1
            yield count


def by_view(guided: Sequence[Guided], batch: int = 32) -> Denoiser:
    """One denoiser for views with prompts of their own, many of them in one forward.

    Raises:
        ValueError: another number of rows.
    """

    def denoise(z: Latent, level: Level) -> Estimate:
        if len(z) != len(guided):
            raise ValueError(f"{len(z)} views came, but there are prompts for {len(guided)}")
        pairs, estimates = list(zip(guided, z.split(1), strict=True)), []
        for i in range(0, len(z), batch):
            estimates += predict_batch(pairs[i : i + batch], level)
        z0, eps = [e.z0 for e in estimates], [e.eps for e in estimates]
        return Estimate(torch.cat(z0), torch.cat(eps))

    return denoise


@final
class _AheadOfField:
    """The latents of a field's views; the field itself is updated at the end of a pass only.

    At high noise the estimates are less true than the present views, so that a field that followed
    every level would unlearn first and learn the same again later.

    Args:
        field: the field and its cameras.
        levels: how many the pass has.
    """

    def __init__(self, field: MultiViewField, levels: int) -> None:
        self.field, self.levels, self.done, self.z = field, levels, 0, field.latent()

    def latent(self) -> Latent:
        """The present latents; at first those of the views."""
        return self.z

    def update(self, target: Latent) -> None:
        """Take the target; at the end the field takes all the steps of the levels."""
        self.z, self.done = target, self.done + 1
        if self.done == self.levels:
            self.field.update(target, self.levels)


def reconstruct(
    denoise: Denoiser,
    field: MultiViewField,
    passes: Sequence[Sequence[Level]],
    rng: Rng,
    *,
    spread: Weight = 0.0,
    regularize: Regularizer = identity,
) -> Iterator[Step]:
    """Distill a prior into a field, at falling levels that all views share.

        z_v = alpha z0_v + sigma eps_v,    z0_v = E(g_v) at the first level of a pass
        z0_v, eps_v = denoise(z_v | prompt, view word)
        x_v = argmin_x |A x - y_v|^2 / 2 noise^2 + |x - D(z0_v)|^2 / 2 r^2,    r = spread
        z0_v <- z0_v + E(x_v) - E(D(z0_v))
    and at the end of a pass, x_v with g_v + share (D(z0_v) - D(E(g_v))) for D(z0_v),
        psi <- argmin_psi data + beta/2 mean |g_v - x_v|^2 + penalties    (a few steps a level)

    Every view draws its noise at the start of a pass and keeps the estimated one (`keep`).
    Every second pass sees mirror images, for which a network makes other errors.

    Args:
        denoise: the prior of all views (`by_view`).
        field: its energy holds data term and penalties. It needs `decode`.
        passes: falling levels each (`restarts`).
        spread: r of a level, the standard deviation of the picture around the prior's, a share of
            white.

    Raises:
        ValueError: levels that do not fall.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 3 and the
        conclusion's outlook on 3D; its settings were never published, ours are measured in the
        radiance suite of the benchmarks. Each view is restored as in `anchored_restoration`.
    """
    if any(b.s >= a.s for levels in passes for a, b in pairwise(levels)):
        raise ValueError("the levels must fall: noise over signal has to shrink at every step")

    def data_step(z0: Latent, step: Step) -> Latent:
        field.spread = weigh(spread, step.level)
        return field.consistent(z0)

    done, maps = 0, chain(regularize, data_step)
    for number, levels in enumerate(passes):
        field.axes = FLIPS[number % len(FLIPS)]
        ahead = _AheadOfField(field, len(levels))
        for step in dream(denoise, ahead, levels, draw(ahead.latent(), rng), regularize=maps):
            yield replace(step, index=done + step.index)
        done += len(levels)
