"""Total variation: pictures made of few edges, under any linear measurement."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamsampler.operators import LinearOperator, prox_l2

_NORM = 9.0
"""Largest eigenvalue of grad^T grad + 1 in two dimensions."""
_RISE = 0.05
"""How far a pixel typically still has to move; only the speed of convergence depends on it."""


def least_variation(
    op: LinearOperator,
    y: Tensor,
    noise: float,
    near: Tensor,
    spread: float = float("inf"),
    weight: float = 4.0,
    *,
    start: Tensor | None = None,
    steps: int = 60,
    bounded: bool = True,
) -> Tensor:
    """The picture with the least edges among those that explain a measurement.

        argmin_x  |A x - y|^2 / 2 noise^2  +  |x - near|^2 / 2 spread^2  +  w TV(x),   0 <= x <= 1
        TV(x) = sum over pixels of sqrt(sum over colors and both directions of differences^2)

    Primal-dual steps; the quadratic part is one `prox_l2` a step, so any linear operator will do.

    Args:
        op: A.
        y: the measurement.
        noise: its standard deviation, > 0.
        near: a picture (b, c, h, w), what x stays near.
        spread: standard deviation of the belief in `near`; infinite is no belief.
        weight: w, in 1 / pixel value: 1 / w is the edge that the penalty expects per pixel.
        start: where the steps begin; near if left out.
        steps: how many.
        bounded: keep to [0, 1]; where a file has cut the light off, that says much.

    Source: Rudin, Osher & Fatemi, Physica D 60 (1992); Chambolle & Pock, "A first-order
    primal-dual algorithm", JMIV 40 (2011), algorithm 1; colors coupled as in Blomgren & Chan,
    IEEE Trans. Image Processing 7 (1998).
    """
    ratio = _RISE / max(weight, 1e-6)  # of the steps: how far x moves over how far the duals do
    tau, dual_step = (ratio / _NORM) ** 0.5, (1 / (ratio * _NORM)) ** 0.5
    belief = 0.0 if spread == float("inf") else 1 / spread**2
    trust = 1 / (noise**2 * (belief + 1 / tau))
    x = ahead = near if start is None else start
    down, right, push = (torch.zeros_like(near) for _ in range(3))
    for _ in range(steps):
        down, right = clipped(
            down + dual_step * rise(ahead, -2), right + dual_step * rise(ahead, -1), weight
        )
        if bounded:
            push = push + dual_step * ahead
            push = push - dual_step * (push / dual_step).clamp(0, 1)
        goal = x - tau * (rise_adjoint(down, -2) + rise_adjoint(right, -1) + push)
        goal = (belief * near + goal / tau) / (belief + 1 / tau)
        # what a step solves for moves with the next step: a rough solution is as good as a fine
        # one, unless next to no noise wants the measurement met to its last digit
        old, x = x, prox_l2(op, goal, y, trust, steps=20 if trust < 1e3 else 60, tol=1e-3)
        ahead = 2 * x - old
    return x


def rise(x: Tensor, dim: int) -> Tensor:
    """Difference to the next pixel; 0 at the last one."""
    rise = torch.zeros_like(x)
    n = x.shape[dim] - 1
    rise.narrow(dim, 0, n).copy_(x.diff(dim=dim))
    return rise


def rise_adjoint(p: Tensor, dim: int) -> Tensor:
    """The transpose of `rise`."""
    back = torch.zeros_like(p)
    n = p.shape[dim] - 1
    back.narrow(dim, 1, n).add_(p.narrow(dim, 0, n))
    back.narrow(dim, 0, n).sub_(p.narrow(dim, 0, n))
    return back


def clipped(down: Tensor, right: Tensor, most: float) -> tuple[Tensor, Tensor]:
    """Vectors of length above `most` scaled back to it, all colors of a pixel together."""
    length = (down.square() + right.square()).sum(1, keepdim=True).sqrt()
    scale = (length / most).clamp_min(1) if most > 0 else torch.full_like(length, torch.inf)
    return down / scale, right / scale
