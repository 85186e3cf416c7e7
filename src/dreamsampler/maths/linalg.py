"""Linear systems M x = b, with M given as a function v -> M v."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dreamsampler.cancel import check_canceled


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor],
    b: Tensor,
    x: Tensor | None = None,
    *,
    steps: int = 100,
    tol: float = 1e-6,
) -> Tensor:
    """Solve M x = b for a symmetric positive definite M, every row of the batch on its own.

        r = b - M x;   p <- r + (r'r / r_old'r_old) p;   x <- x + (r'r / p'Mp) p

    A row that has converged does not change any more, so the batch size never changes a solution.
    A row whose b or M is not finite comes out as NaN.

    Args:
        apply: v -> M v, rows independent.
        b: right-hand side, (batch, ...).
        x: first guess; zero if left out.
        tol: stop when |b - M x| <= tol |b| in every row.

    Example:
        >>> conjugate_gradient(lambda v: 4 * v, torch.tensor([[8.0, 2.0]])).tolist()
        [[2.0, 0.5]]

    Source: Hestenes & Stiefel, J. Res. NBS 49 (1952).
    """

    def dot(u: Tensor, v: Tensor) -> Tensor:
        return (u * v).flatten(1).sum(1).view(-1, *[1] * (u.ndim - 1))

    x = torch.zeros_like(b) if x is None else x
    r = b - apply(x)
    p, rr, goal = r, dot(r, r), tol**2 * dot(b, b)
    for _ in range(steps):
        check_canceled()
        active = rr > goal
        if not bool(active.any()):
            break
        product = apply(p)
        curvature = dot(p, product)
        step = torch.where(active & (curvature > 0), rr / curvature, 0.0)
        x, r = x + step * p, r - step * product
        rr, old = dot(r, r), rr
        p = r + torch.where(active, rr / old, 0.0) * p
    return torch.where(rr.isfinite(), x, torch.nan)
