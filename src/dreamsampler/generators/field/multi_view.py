"""A field and several cameras: the variable of the loop that reconstructs a scene."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.field.camera import Camera
from dreamsampler.generators.field.grid import Grid
from dreamsampler.generators.field.render import March, Rendering, march, render, shade
from dreamsampler.maths import Latent

DENSITY_RATE, COLOR_RATE = 0.3, 0.1
"""Adam's learning rates of the raw grids, which live between about -7 and 5."""
BETAS = (0.9, 0.99)
REFRESH = 50
"""Optimizer steps after which occupied voxels are searched anew."""
LEAP = 2.0
"""Voxels in a step along a ray while the whole box is rendered: coarse steps suffice to find
objects, and finer ones would cost as much as all later stages."""
OPACITY = 0.1
"""Weight of transparency where rays are absorbed, relative to squared errors of colors."""
KEPT = 1 << 16
"""Pixels of a view up to which its march is kept; larger ones are rendered this many at a time."""


@final
class MultiViewField:
    """A field and several cameras as a variable of the loop: one latent a camera.

        psi <- psi - step d/dpsi [ energy(rows, g(psi)) + beta/2 mean |E(g(psi)) - target|^2 ]

    An update is `update_steps` steps of Adam, each on `views` of the cameras in turn, so that its
    cost does not grow with the number of cameras. `GeneratorVariable` with all cameras in every
    step is the case views = cameras (`test_all_views_at_once_are_a_generator_variable`).

    Attributes:
        spread: standard deviation of the target, given to `correct`; set at every level.
        axes: dimensions along which pictures are flipped for the networks.
        solid: (measured, 1, h, w), 1 where rays are known to be absorbed, or None. Without it all
            views agree with a fog of darker color in place of a pale wall before white.

    Args:
        grid: the field.
        cameras: all of one size.
        encode: pictures (b, 3, h, w) in [0, 1] to latents.
        energy: (rows, their pictures in [0, 1]) -> data term and penalties.
        beta: weight of the target; 0 leaves it out.
        update_steps: optimizer steps of one update.
        views: cameras in each of them.
        decode: latents to pictures in [0, 1]. With it pictures are compared instead of latents:
            the target is g + share (D(target) - D(E(g))), with g the pictures of the last
            `latent()`. Losses of the autoencoder cancel, no gradient passes through the networks.
        measured: how many of the cameras, the first ones, have data; the others take their turn
            only where there is a target. All of them by default.
        correct: (pictures of all cameras, spread) -> pictures that agree with the measurements;
            applied to targets that are pictures.
        share: of the change D(target) - D(E(g)). The field combines all views and the prior
            estimates each alone, so that their mean is more accurate than either.
        cancel: whether the losses of the autoencoder cancel. False takes g for D(E(g)): for
            networks that lose little, and find less noise in g than there is.
        background: RGB in [0, 1] behind the field.
        rng: draws the order of the cameras.
        rate: multiplies the learning rates.

    Raises:
        ValueError: no cameras, several sizes of pictures, or fewer than one step or view.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 3.
    """

    def __init__(
        self,
        grid: Grid,
        cameras: Sequence[Camera],
        encode: Callable[[Tensor], Latent],
        energy: Callable[[Sequence[int], Tensor], Tensor],
        *,
        beta: float,
        update_steps: int,
        views: int,
        rng: torch.Generator,
        measured: int | None = None,
        decode: Callable[[Latent], Tensor] | None = None,
        correct: Callable[[Tensor, float], Tensor] | None = None,
        share: float = 1.0,
        cancel: bool = True,
        background: float = 1.0,
        rate: float = 1.0,
    ) -> None:
        if not cameras or min(update_steps, views) < 1:
            raise ValueError(
                f"{len(cameras)} cameras, {update_steps} update_steps, {views} views: give at "
                "least one of each"
            )
        if len({camera.size for camera in cameras}) > 1:
            raise ValueError("the cameras' pictures differ in size: resize them to one")
        self.cameras, self.energy = list(cameras), energy
        self.encode, self.decode, self.correct = encode, decode, correct
        self.spread, self.share, self.cancel = 0.0, share, cancel
        self.axes: tuple[int, ...] = ()
        self.solid: Tensor | None = None
        self.beta, self.update_steps, self.views = beta, update_steps, min(views, len(cameras))
        self.background, self.rate, self.rng = background, rate, rng
        self.measured = len(cameras) if measured is None else measured
        origins_and_directions = [camera.rays() for camera in cameras]
        self._rays = [(o.to(grid.lower), d.to(grid.lower)) for o, d in origins_and_directions]
        self._order: list[int] = []
        self.set_grid(grid)

    def set_grid(self, grid: Grid, everywhere: bool = False) -> None:
        """Go on with another grid, such as a finer one, and a new optimizer.

        Args:
            everywhere: render empty voxels, too, so that they can still be filled.
        """
        self.grid, self._everywhere, self._age = grid, everywhere, 0
        rates = ((grid.raw_density, DENSITY_RATE), (grid.raw_color, COLOR_RATE))
        groups = [{"params": [p], "lr": self.rate * lr} for p, lr in rates]
        self.optimizer = torch.optim.Adam(groups, betas=BETAS, eps=1e-15, fused=True)
        self._marches: dict[int, March] = {}

    def set_everywhere(self, everywhere: bool) -> None:
        """Whether empty voxels are rendered, too."""
        self._everywhere, self._marches = everywhere, {}

    def scale_rates(self, share: float) -> None:
        """Multiply the learning rates."""
        for group in self.optimizer.param_groups:
            group["lr"] *= share

    def rendering(self, row: int) -> Rendering:
        """The picture of a camera; gradients reach the grid."""
        if row in self._marches:
            return shade(self.grid, self._marches[row])
        near = self.grid.inside(self.grid.corners()) if self._everywhere else self.grid.occupied()
        step = LEAP * self.grid.voxel if self._everywhere else None
        if math.prod(self.cameras[row].size) > KEPT:
            return render(self.grid, *self._rays[row], step=step, occupied=near, chunk=KEPT)
        self._marches[row] = march(self.grid, *self._rays[row], step=step, occupied=near)
        return shade(self.grid, self._marches[row])

    def pictures(self, rows: Sequence[int] | None = None) -> Tensor:
        """Pictures (b, 3, h, w) in [0, 1] of cameras, all of them by default."""
        rows = range(len(self.cameras)) if rows is None else rows
        return self._pictures([self.rendering(row) for row in rows])

    def _pictures(self, renderings: Sequence[Rendering]) -> Tensor:
        size = self.cameras[0].size
        return torch.stack([each.on(self.background).t().reshape(3, *size) for each in renderings])

    def latent(self) -> Latent:
        """The latents of all views."""
        with torch.no_grad():
            self._rendered = self.pictures()
            self._latent = self._latents(self._rendered)
            return self._latent

    def _latents(self, pictures: Tensor) -> Latent:
        """Latents of pictures, flipped along `axes`."""
        return self.encode(pictures.flip(self.axes))

    def update(self, target: Latent, times: int = 1) -> None:
        """Take `times` x `update_steps` optimizer steps towards the target."""
        aim = self._aim(target) if self.beta else None
        for _ in range(times * self.update_steps):
            self.step(aim)

    @torch.no_grad()
    def consistent(self, z: Latent) -> Latent:
        """The latents, moved as far as `correct` moves their pictures: z + E(x) - E(D(z))."""
        if self.decode is None or self.correct is None:
            return z
        pictures = self.decode(z).flip(self.axes)
        return z + self._latents(self.correct(pictures, self.spread)) - self._latents(pictures)

    @torch.no_grad()
    def _aim(self, target: Latent) -> Tensor:
        """The target of an update: latents, or with `decode` pictures."""
        if self.decode is None:
            return target.detach()
        before = self.decode(self._latent) if self.cancel else self._rendered.flip(self.axes)
        change = self.decode(target) - before
        aim = self._rendered + self.share * change.flip(self.axes)
        return aim if self.correct is None else self.correct(aim, self.spread)

    def step(self, aim: Tensor | None = None) -> float:
        """One optimizer step on the next few cameras; the energy before it.

        Args:
            aim: target latents of all views, or with `decode` target pictures; None leaves only
                the energy.
        """
        check_canceled()
        rows = self._next(self.measured if aim is None else len(self.cameras))
        with torch.enable_grad():
            renderings = [self.rendering(row) for row in rows]
            pictures = self._pictures(renderings)
            loss = energy = self.energy(rows, pictures) + self._transparency(rows, renderings)
            if aim is not None:
                found = self.encode(pictures) if self.decode is None else pictures
                loss = loss + 0.5 * self.beta * ((found - aim[rows]) ** 2).mean()
            self.optimizer.zero_grad()
            loss.backward()
        self.optimizer.step()
        self._age += 1
        if self._age % REFRESH == 0:
            self._marches = {}
        return float(energy.detach())

    def _transparency(self, rows: Sequence[int], renderings: Sequence[Rendering]) -> Tensor | float:
        """Transparency where rays are absorbed: OPACITY mean solid (1 - opacity)^2."""
        measured = [i for i, row in enumerate(rows) if row < self.measured]
        if self.solid is None or not measured:
            return 0.0
        passes = torch.stack([1 - renderings[i].opacity for i in measured])
        known = self.solid[[rows[i] for i in measured]].flatten(1)
        return OPACITY * (known * passes**2).mean()

    def _next(self, count: int) -> list[int]:
        """The next few of `count` cameras; each has its turn before the next round."""
        order = [row for row in self._order if row < count]
        while len(order) < self.views:
            order += torch.randperm(count, generator=self.rng).tolist()
        rows, self._order = order[: self.views], order[self.views :]
        return rows
