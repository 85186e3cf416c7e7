"""A measurement of a picture, as the clean latent sees it: residual, data steps, gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dreamsampler.maths import Latent, Step, Weight, weigh
from dreamsampler.operators import Operator, input_size, is_linear, prox_l2
from dreamsampler.regularizers.regularizer import Regularizer


@final
@dataclass
class Measurement:
    """A measured picture, y = A(x) + noise, where a clean latent stands for x = show(z0).

    Pictures are in [0, 1] here, as operators want them, and of any size: `show` and `hide` carry
    them between the model's canvas and the size that was measured. Not frozen, so that an unknown
    parameter of A can be fitted again while a run is under way.

    Args:
        op: A.
        y: the measurement, one row an image.
        noise: standard deviation of the noise in y, > 0, in units of the pictures.
        show: latent -> picture (b, 3, h, w), not clamped, with gradients.
        hide: picture -> latent.

    Raises:
        ValueError: a measurement that is not finite, or noise that is not above 0.
    """

    op: Operator
    y: Tensor
    noise: float
    show: Callable[[Latent], Tensor]
    hide: Callable[[Tensor], Latent]

    def __post_init__(self) -> None:
        if not bool(self.y.isfinite().all()):
            raise ValueError(
                "the measurement holds NaN or infinite values: repair them, or mask them out"
            )
        if not 0 < self.noise < float("inf"):
            raise ValueError(
                f"noise is {self.noise}, but the standard deviation of a measurement's noise is a "
                "number above 0 (8-bit files have at least 0.0011)"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture that was measured."""
        return input_size(self.op, (self.y.shape[-2], self.y.shape[-1]))

    def misfit(self, z0: Latent) -> Tensor:
        """|y - A show(z0)| of every row, (b,); with gradients."""
        misfit = self.y - self.op.A(self.show(z0))
        # a row without any misfit has a gradient of 0, not of 0 / 0
        return misfit.flatten(1).square().sum(1).clamp_min(1e-20).sqrt()

    def seen(self, unseen: float | Tensor) -> Tensor:
        """A^T y over A^T 1, the measurement spread over the pixels that it is of, (b, 3, h, w).

        Args:
            unseen: what stands where a pixel takes no part in the measurement.

        Raises:
            ValueError: an operator that is not linear.
        """
        if not is_linear(self.op):
            raise ValueError(f"{type(self.op).__name__} is not linear, so it has no transpose")
        lit = self.op.A_adjoint(torch.ones_like(self.y))
        known = lit > 0.05 * lit.amax()
        return torch.where(known, self.op.A_adjoint(self.y) / lit.clamp_min(1e-6), unseen)

    def of_row(self, i: int) -> Measurement:
        """The same with the measurement of one image only."""
        return replace(self, y=self.y[i : i + 1])

    def balance(self, x: Tensor) -> tuple[float, float]:
        """Root mean square of y - A(x), and what noise and clipping lead to expect of it.

        Only where something was measured, that is where A sees a white picture. What overshoots
        black and white has been cut off in the file, and so it is here.
        """
        clean = self.op.A(x).clamp(0, 1)
        seen = (self.op.A(torch.ones_like(x)).abs() > 1e-6).expand_as(clean)
        found = (self.y - clean)[seen].square().mean().sqrt()
        return float(found), expected_residual(clean[seen], self.noise)

    def unexplained(self, x: Tensor) -> float:
        """Residual over expectation (`balance`); 1 is right."""
        found, expected = self.balance(x)
        return found / expected

    def uncut(self, clean: Tensor) -> Tensor:
        """The measurement as it was before the file cut it off, on average.

            E[y | y > 1] = m + s phi(u) / Phi(-u),   u = (1 - m) / s,   and likewise below black

        where y is exactly white or black; the rest is y itself. White ground under noise is told
        too dark otherwise, by 0.4 s.

        Args:
            clean: m = A x, of the present estimate.

        Source: the expectation step of Tobin's model, Econometrica 26 (1958).
        """
        s = self.noise
        above, below = (s * _mills(t / s) for t in (1 - clean, clean))
        y = torch.where(self.y == 1, clean + above, self.y)
        return torch.where(self.y == 0, clean - below, y)

    def explained(self, x: Tensor, spread: float | Tensor, *, steps: int = 30) -> Tensor:
        """The most probable picture if x is believed up to a deviation of `spread`.

            argmin_u  |y - A u|^2 / 2 noise^2 + |u - x|^2 / 2 spread^2

        The operator's closed form or conjugate gradients where A is linear; otherwise gradient
        steps of 1 / (1 + gamma), which descend where A does not magnify (JPEG, and blurs before
        it, do not).

        Args:
            x: pictures (b, 3, h, w).
            spread: standard deviation of the belief; 0 returns x.
            steps: gradient steps of an operator that is not linear.
        """
        gamma = (spread / self.noise) ** 2
        if is_linear(self.op):
            return prox_l2(self.op, x, self.uncut(self.op.A(x)), gamma)
        u = x.detach()
        for _ in range(steps):
            u = u - (gamma * self._pull(u) + u - x) / (1 + gamma)
        return u

    def settled(self, x: Tensor, *, steps: int = 10) -> Tensor:
        """A picture moved off the edges of an operator that rounds, such as JPEG.

            x <- x - 1/4 d/dx |A x - y|^2 / 2

        A balance of data and belief (`explained`) lies on the very edge between two of A's values,
        where about half of them round the wrong way; inside, the gradient is zero.

        Args:
            x: pictures (b, 3, h, w).
            steps: how many.
        """
        for _ in range(steps):
            x = x - 0.25 * self._pull(x)
        return x

    def _pull(self, x: Tensor) -> Tensor:
        """d/dx |A x - y|^2 / 2."""
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            loss = 0.5 * (self.op.A(point) - self.y).square().sum()
            (gradient,) = torch.autograd.grad(loss, point)
        return gradient


def _mills(u: Tensor) -> Tensor:
    """phi(u) / Phi(-u), the mean of a unit Gaussian above u; from 5 on, u + 1 / u."""
    near = u.clamp_max(5)
    ratio = (-0.5 * near.square()).exp() / (0.5 * torch.pi) ** 0.5 / torch.erfc(near / 2**0.5)
    return torch.where(u > 5, u + 1 / u.clamp_min(5), ratio)


def expected_residual(clean: Tensor, noise: float) -> float:
    """Root mean square of y - clean for y = clip(clean + noise n, 0, 1), in closed form.

        E (y - m)^2 = s^2 ( int_-l^u t^2 phi(t) dt + u^2 Phi(-u) + l^2 Phi(-l) ),
        u = (1 - m) / s,  l = m / s,   int t^2 phi = Phi - t phi

    That is the noise itself away from black and white. On white ground half of the noise is cut
    off by the file, and a picture that explains the rest leaves only 0.7 of it.

    Args:
        clean: A x, in [0, 1] or a little outside.
        noise: s, > 0.

    Example:
        >>> round(expected_residual(torch.full((1, 1, 2, 2), 0.5), 0.02), 4)
        0.02
        >>> round(expected_residual(torch.ones(1, 1, 2, 2), 0.02) / 0.02, 4)
        0.7071
    """
    m = clean.double()
    u, low = (1 - m) / noise, m / noise
    # a mean outside of [0, 1] is read as one on the bound: its own distance is no noise
    u, low = u.clamp_min(0), low.clamp_min(0)
    phi_u, phi_l = ((-0.5 * t.square()).exp() / (2 * torch.pi) ** 0.5 for t in (u, low))
    above, below = (0.5 * torch.erfc(t / 2**0.5) for t in (u, low))
    inside = (1 - above - u * phi_u) - (below + low * phi_l)
    second = inside + u.square() * above + low.square() * below
    return float(noise * second.mean().sqrt())


def two_stages(data: Measurement, spread: Weight, weight: Weight) -> Regularizer:
    """The data in pixels, then the latent: TReg's, and DreamSampler's, two steps.

        x^ = argmin |y - A x|^2 / 2 noise^2 + |x - D(z0)|^2 / 2 r^2,    z0 <- w E(x^) + (1 - w) z0

    Args:
        data: y, A, and the way between z0 and x.
        spread: r, how far D(z0) is believed to be off, in [0, 1] units.
        weight: w; the sources take alpha_bar of the level they go to.

    Source: Kim et al., "Regularization by texts for latent diffusion inverse solvers"
    (arXiv:2311.15658), eqs. 11-14.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        x = data.explained(data.show(z0), weigh(spread, step.level))
        return torch.lerp(z0, data.hide(x), weigh(weight, step.level))

    return apply


def corrected(
    data: Measurement, spread: Weight, by: Callable[[Tensor, float], Tensor] | None = None
) -> Regularizer:
    """The data in pixels, of which only the change goes back into the latent.

        x^ as in `two_stages`,    z0 <- z0 + E(x^) - E(D(z0))

    What the autoencoder itself loses stands on both sides and cancels, so that a run of many steps
    does not lose it many times; where the data asks for nothing, z0 stays z0.

    Args:
        data: y, A, and the way between z0 and x.
        spread: r, how far D(z0) is believed to be off, in [0, 1] units.
        by: (picture, spread) -> picture instead of `data.explained`.

    Source: ours; measured in benchmarks/restore.py.
    """
    move = data.explained if by is None else by

    def apply(z0: Latent, step: Step) -> Latent:
        shown = data.show(z0)
        return z0 + data.hide(move(shown, weigh(spread, step.level))) - data.hide(shown)

    return apply


def descended(data: Measurement, step: Weight, *, steps: int = 3) -> Regularizer:
    """Normalized gradient steps on the residual, through the decoder only.

        z0 <- z0 - rho sqrt(n) g / |g|,   g = d/dz0 |y - A D(z0)|,   n numbers in z0

    So rho is how far a step moves a latent value, root mean square. A row whose gradient is zero
    stays.

    Args:
        data: y, A, and D; A need not be linear.
        step: rho.
        steps: how many.

    Source: Kim, Kim & Ye, "FlowDPS" (arXiv:2503.08136), the likelihood step.
    """

    def apply(z0: Latent, current: Step) -> Latent:
        rho = weigh(step, current.level)
        for _ in range(steps if rho else 0):
            with torch.enable_grad():
                point = z0.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(data.misfit(point).sum(), point)
            size = gradient.flatten(1).square().mean(1).sqrt().clamp_min(1e-12)
            z0 = z0 - rho * gradient / size.view(-1, *[1] * (z0.ndim - 1))
        return z0

    return apply
