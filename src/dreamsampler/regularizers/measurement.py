"""A measurement of a picture as a function of the clean latent: residual, data steps, gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.maths import Latent, Step, Weight, weigh
from dreamsampler.operators import Operator, input_size, is_linear, prox_l2
from dreamsampler.regularizers.regularizer import Regularizer

BINS = 1 << 16
"""Of the values of a large picture; a bin is small against the rounding of 8 bits."""


@final
@dataclass
class Measurement:
    """A measured picture, y = A(x) + noise, where a clean latent stands for x = decode(z0).

    Pictures are in [0, 1] here, as operators take them, and of any size: `decode` and `encode`
    convert between the model's canvas and the size that was measured. Not frozen, so that an
    unknown parameter of A can be fitted again during a run.

    Args:
        op: A.
        y: the measurement, one row an image.
        noise: standard deviation of the noise in y, > 0, in units of the pictures.
        decode: latent -> picture (b, 3, h, w), not clamped, with gradients.
        encode: picture -> latent.

    Raises:
        ValueError: a measurement that is not finite, or noise that is not above 0.
    """

    op: Operator
    y: Tensor
    noise: float
    decode: Callable[[Latent], Tensor]
    encode: Callable[[Tensor], Latent]

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
        """|y - A decode(z0)| of every row, (b,); with gradients."""
        misfit = self.y - self.op.A(self.decode(z0))
        # a row without any misfit has a gradient of 0, not of 0 / 0
        return misfit.flatten(1).square().sum(1).clamp_min(1e-20).sqrt()

    def adjoint_mean(self, missing: float | Tensor) -> Tensor:
        """A^T y over A^T 1, the measurement spread over the pixels that it is of, (b, 3, h, w).

        Args:
            missing: value of a pixel that takes no part in the measurement.

        Raises:
            ValueError: an operator that is not linear.
        """
        if not is_linear(self.op):
            raise ValueError(f"{type(self.op).__name__} is not linear, so it has no transpose")
        weight = self.op.A_adjoint(torch.ones_like(self.y))
        known = weight > 0.05 * weight.amax()
        return torch.where(known, self.op.A_adjoint(self.y) / weight.clamp_min(1e-6), missing)

    def of_row(self, i: int) -> Measurement:
        """The same with the measurement of one image only."""
        return replace(self, y=self.y[i : i + 1])

    def residuals(self, x: Tensor) -> tuple[float, float]:
        """Root mean square of y - A(x), and its expectation under noise and clipping.

        Only where something was measured, that is where A of a white picture is not black. A(x) is
        clipped to [0, 1], as the file is.
        """
        clean = self.op.A(x).clamp(0, 1)
        measured = (self.op.A(torch.ones_like(x)).abs() > 1e-6).expand_as(clean)
        residual = (self.y - clean)[measured].square().mean().sqrt()
        return float(residual), expected_residual(clean[measured], self.noise)

    def residual_ratio(self, x: Tensor) -> float:
        """Residual over expectation (`residuals`); 1 is right."""
        residual, expected = self.residuals(x)
        return residual / expected

    def unclipped(self, clean: Tensor) -> Tensor:
        """The expected measurement before the file clipped it.

            E[y | y > 1] = m + s phi(u) / Phi(-u),   u = (1 - m) / s,   and likewise below black

        where y is exactly white or black; the rest is y itself. Otherwise white ground under noise
        is read too dark, by 0.4 s.

        Args:
            clean: m = A x, of the present estimate.

        Source: the expectation step of Tobin's model, Econometrica 26 (1958).
        """
        s = self.noise
        above, below = (s * _mills(t / s) for t in (1 - clean, clean))
        y = torch.where(self.y == 1, clean + above, self.y)
        return torch.where(self.y == 0, clean - below, y)

    def prox(self, x: Tensor, spread: float | Tensor, *, steps: int = 30) -> Tensor:
        """The most probable picture, given that it deviates from x by `spread`.

            argmin_u  |y - A u|^2 / 2 noise^2 + |u - x|^2 / 2 spread^2

        The operator's closed form or conjugate gradients where A is linear; otherwise gradient
        steps of 1 / (1 + gamma), which descend where A does not magnify (JPEG, and blurs before
        it, do not).

        Args:
            x: pictures (b, 3, h, w).
            spread: standard deviation of the picture around x; 0 returns x.
            steps: gradient steps of an operator that is not linear.
        """
        gamma = (spread / self.noise) ** 2
        if is_linear(self.op):
            return prox_l2(self.op, x, self.unclipped(self.op.A(x)), gamma)
        u = x.detach()
        for _ in range(steps):
            check_canceled()
            u = u - (gamma * self._gradient(u) + u - x) / (1 + gamma)
        return u

    def descend(self, x: Tensor, *, steps: int = 10) -> Tensor:
        """Gradient steps on the data alone, for operators that round, such as JPEG.

            x <- x - 1/4 d/dx |A x - y|^2 / 2

        A balance of data and estimate (`prox`) lies on the edge between two of A's values, where
        about half of them round the wrong way; a little further the gradient is zero.

        Args:
            x: pictures (b, 3, h, w).
        """
        for _ in range(steps):
            check_canceled()
            x = x - 0.25 * self._gradient(x)
        return x

    def _gradient(self, x: Tensor) -> Tensor:
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

    That is the noise itself away from black and white. On white ground the file clips half of the
    noise, and only 0.7 of it is left.

    Args:
        clean: A x, in [0, 1] or a little outside.
        noise: s, > 0.

    Example:
        >>> round(expected_residual(torch.full((1, 1, 2, 2), 0.5), 0.02), 4)
        0.02
        >>> round(expected_residual(torch.ones(1, 1, 2, 2), 0.02) / 0.02, 4)
        0.7071
    """
    m, count = clean.double().flatten(), torch.ones(1, dtype=torch.float64)
    if len(m) > 2 * BINS:  # a smooth function of m alone
        count = torch.histc(clean.float().clamp(0, 1), BINS, 0, 1).double() / len(m) * BINS
        m = (torch.arange(BINS, dtype=torch.float64, device=m.device) + 0.5) / BINS
    u, low = (1 - m) / noise, m / noise
    # a mean outside of [0, 1] is read as one on the bound: its own distance is no noise
    u, low = u.clamp_min(0), low.clamp_min(0)
    phi_u, phi_l = ((-0.5 * t.square()).exp() / (2 * torch.pi) ** 0.5 for t in (u, low))
    above, below = (0.5 * torch.erfc(t / 2**0.5) for t in (u, low))
    inside = (1 - above - u * phi_u) - (below + low * phi_l)
    second = inside + u.square() * above + low.square() * below
    return float(noise * (count.to(second) * second).mean().sqrt())


def two_stages(data: Measurement, spread: Weight, weight: Weight) -> Regularizer:
    """The data in pixels, then part of the way in the latent: TReg's and DreamSampler's two steps.

        x^ = argmin |y - A x|^2 / 2 noise^2 + |x - D(z0)|^2 / 2 r^2,    z0 <- w E(x^) + (1 - w) z0

    Args:
        data: y, A, and the way between z0 and x.
        spread: r, standard deviation of the picture around D(z0), in [0, 1] units.
        weight: w; the sources take alpha_bar of the level they go to.

    Source: Kim et al., "Regularization by texts for latent diffusion inverse solvers"
    (arXiv:2311.15658), eqs. 11-14.
    """

    def apply(z0: Latent, step: Step) -> Latent:
        x = data.prox(data.decode(z0), weigh(spread, step.level))
        return torch.lerp(z0, data.encode(x), weigh(weight, step.level))

    return apply


def data_step(
    data: Measurement, spread: Weight, by: Callable[[Tensor, float], Tensor] | None = None
) -> Regularizer:
    """The data in pixels; only the change goes back into the latent.

        x^ as in `two_stages`,    z0 <- z0 + E(x^) - E(D(z0))

    The loss of the autoencoder cancels, so that a run of many steps does not lose it many times;
    where the data changes nothing, z0 stays as it is.

    Args:
        data: y, A, and the way between z0 and x.
        spread: r, standard deviation of the picture around D(z0), in [0, 1] units.
        by: (picture, spread) -> picture instead of `data.prox`.

    Source: ours; measured in the restoration suite of the benchmarks.
    """
    move = data.prox if by is None else by

    def apply(z0: Latent, step: Step) -> Latent:
        shown = data.decode(z0)
        return z0 + data.encode(move(shown, weigh(spread, step.level))) - data.encode(shown)

    return apply


def descend_residual(data: Measurement, step: Weight, *, steps: int = 3) -> Regularizer:
    """Normalized gradient steps on the residual, through the decoder only.

        z0 <- z0 - rho sqrt(n) g / |g|,   g = d/dz0 |y - A D(z0)|,   n numbers in z0

    So rho is how far a step moves a latent value, root mean square. A row whose gradient is zero
    stays.

    Args:
        data: y, A, and D; A need not be linear.
        step: rho.

    Source: Kim, Kim & Ye, "FlowDPS" (arXiv:2503.08136), the likelihood step.
    """

    def apply(z0: Latent, current: Step) -> Latent:
        rho = weigh(step, current.level)
        for _ in range(steps if rho else 0):
            check_canceled()
            with torch.enable_grad():
                point = z0.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(data.misfit(point).sum(), point)
            size = gradient.flatten(1).square().mean(1).sqrt().clamp_min(1e-12)
            z0 = z0 - rho * gradient / size.view(-1, *[1] * (z0.ndim - 1))
        return z0

    return apply
