"""From a file to a measurement, and from an estimate to a picture that explains it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.files import InputError
from dreamsampler.operators import Operator, is_linear, measured, prox_l2
from dreamsampler.operators.noise import estimate_noise
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.regularizers.total_variation import tv_reconstruction

if TYPE_CHECKING:
    from dreamsampler.images.picture import Picture

ROUNDING = 1 / math.sqrt(12)
"""Deviation of what rounding to whole steps takes away, in steps."""
BELIEF = 0.04
"""Assumed deviation of the model's last picture, before the measurement decides."""
ROUGH = 0.15
"""The same of the published presets' pictures, which are left with more noise."""
EDGES = 3.0
"""Weight of total variation: measured, see docs/restore.md."""
SHARE, NEARBY = 0.3, 0.03
"""Part of the way from the model's picture to the first guess, where they differ by less."""
COARSE = 0.05
"""Share of a coarse picture's variance that may be lost before the model has to invent it."""
UNEXPLAINED = 1.1
"""Ratio of residual and noise above which a picture does not explain its measurement. The ratio of
a right picture scatters by 1 / sqrt(2 n) for n numbers: by 2 % for the smallest file that is
read (16 x 16), so that five deviations stay below this."""
OVERSTATED = 0.9
"""Ratio below which the noise was probably too much: the last step leaves 0.95 where it can."""


def noise_of(y: Tensor, requested: float | str, depth: int, where: Tensor | None = None) -> float:
    """The noise of a measurement: as requested or estimated, but at least the file's own rounding.

    Args:
        depth: bits per sample of the file.
        where: 1 where there is a measurement.
    """
    least = ROUNDING / (2**depth - 1)
    found = estimate_noise(y, where) if isinstance(requested, str) else requested
    return max(float(found), least)


def measurement_of(source: Picture, op: Operator, size_hw: tuple[int, int]) -> Tensor:
    """A file as the measurement of a picture: its colors, or their mean under a grey operator.

    Args:
        source: the file; transparent parts lie on white.

    Returns:
        (1, c, h, w).

    Raises:
        InputError: a file that is NaN somewhere, of one color, or of a size that the operator
            does not make; an operator that sees nothing.
    """
    y = source.flat()[None]
    if not bool(y.isfinite().all()):
        raise InputError(f"{source.path} holds NaN or infinite values: repair them first")
    if bool((y.amax((2, 3)) == y.amin((2, 3))).all()):
        raise InputError(f"{source.path} is of one color: there is nothing to restore in it")
    channels, height, width = measured(op, (3, *size_hw))
    if (height, width) != source.size:
        raise InputError(
            f"{source.path} is {source.size[1]}x{source.size[0]}, but the operator makes "
            f"{width}x{height} of a picture of {size_hw[1]}x{size_hw[0]}"
        )
    y = y.mean(1, keepdim=True) if channels == 1 else y
    seen = op.A(y.new_ones(1, 3, *size_hw)).abs() > 1e-6
    if not bool(seen.any()):
        raise InputError(
            f"the operator leaves nothing of {source.path} to restore from: if a mask does, its "
            "white is what was lost, so turn it round"
        )
    # whatever the file shows in a hole was not measured
    return torch.where(seen, y, 0.0)


def first_guess(data: Measurement, steps: int = 120) -> Tensor:
    """The flattest picture that explains a measurement; no model takes part, (b, 3, h, w).

    Where the operator is not linear: gradient steps from the measurement, scaled to size.
    """
    op, y = data.op, data.y
    if not is_linear(op):
        start = functional.interpolate(y, data.size, mode="bicubic", antialias=True)
        return data.prox(start.expand(-1, 3, -1, -1), 0.1).clamp(0, 1)
    x = data.adjoint_mean(y.mean()).clamp(0, 1)
    for _ in range(2):  # the second time with what the file has cut off
        x = tv_reconstruction(op, y, data.noise, x, weight=EDGES, steps=steps // 2)
        y = data.unclipped(op.A(x))
    return x.clamp(0, 1)


def guessable(op: Operator, size_hw: tuple[int, int]) -> bool:
    """Whether coarse forms and colors survive the operator, so that a first guess has them.

    A cloud of random colors is measured without noise and the nearest picture to grey that
    explains it is looked at: blurs and small factors give it back, holes and lost colors do not.
    Operators that are not linear keep what is coarse, as those that are known do.
    """
    if not is_linear(op):
        return True
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 4, 4, generator=rng)
    cloud = functional.interpolate(coarse, size_hw, mode="bicubic", align_corners=False)
    grey = torch.full_like(cloud, 0.5)
    found = prox_l2(op, grey, op.A(cloud), 1e3)
    lost = (found - cloud).square().mean() / (cloud - grey).square().mean()
    return float(lost) < COARSE


def tidied(
    data: Measurement,
    near: Tensor,
    noisier: float = 1.0,
    start: Tensor | None = None,
    belief: float = BELIEF,
) -> Tensor:
    """The picture near an estimate that explains the measurement with few edges, in [0, 1].

        argmin |y - A x|^2 / 2 (c noise)^2 + |x - near|^2 / 2 r^2 + w TV(x),   r = belief max(1, c)

    An estimate that explains some of the noise as well has to be left for c > 1 to mean anything.
    An operator that is not linear is given gradient steps instead, and no edge weight.

    Args:
        near: the estimate, (b, 3, h, w) in [0, 1].
        start: where the steps begin; near if left out.
    """
    if not is_linear(data.op):
        return data.descend(data.prox(near, belief / noisier)).clamp(0, 1)
    noise, y = noisier * data.noise, data.unclipped(data.op.A(near))
    wide = belief * max(1.0, noisier)
    x = tv_reconstruction(data.op, y, noise, near, wide, EDGES, start=start, steps=40)
    return x.clamp(0, 1)


def steadied(x: Tensor, guess: Tensor) -> Tensor:
    """The model's picture, where it is near to the first guess a part of the way to it.

        x + 0.3 clip(guess - x, -0.03, 0.03)

    On flat ground total variation is right and the model leaves a faint mottle; where the two are
    far apart, at edges and in details, the model is right and is moved by at most 0.009.

    Args:
        x: pictures (b, 3, h, w).
        guess: what no model took part in, (1, 3, h, w).
    """
    return x + SHARE * (guess - x).clamp(-NEARBY, NEARBY)


def closed(data: Measurement, near: Tensor, rounds: int = 6, belief: float = BELIEF) -> Tensor:
    """The picture near an estimate that leaves as much of the measurement as there is noise.

    That is `tidied` with c = 1, unless that explains less than the noise allows (then c falls) or
    more than 95 % of it (then c rises, and noise is left alone): Morozov's discrepancy principle,
    with a tolerance. Where its steps have not settled by then, as with next to no noise, the
    nearest picture that explains the measurement is taken, edges or not (`met`).

    Args:
        near: the estimate, (1, 3, h, w).

    Source: Morozov, Soviet Math. Dokl. 7 (1966).
    """
    x = near = near.clamp(0, 1)
    c, low, high = 1.0, 0.1, 10.0
    tried: list[tuple[float, Tensor]] = []
    for _ in range(rounds):
        x = tidied(data, near, c, x, belief)
        ratio = data.residual_ratio(x)
        # what cannot be explained at all ends with the least that was left of it
        tried.append((max(ratio - 1, 0.95 - ratio, 0.0), x))
        if tried[-1][0] == 0:
            break
        low, high = (low, c) if ratio > 1 else (c, high)
        c = math.sqrt(low * high)
    best = min(tried, key=lambda each: each[0])[1]
    best = met(data, best) if data.residual_ratio(best) > UNEXPLAINED else best
    return eased(data, near, best)


def eased(data: Measurement, near: Tensor, x: Tensor, rounds: int = 10) -> Tensor:
    """A part of the way back to the estimate, if a picture explains some of the noise as well.

        near + s (x - near),   s in [0, 1] by bisection, until 95 to 100 % of the noise are left

    Args:
        near: the estimate, (1, 3, h, w) in [0, 1].
    """
    if data.residual_ratio(x) >= 0.95 or data.residual_ratio(near) <= 1:
        return x
    low, high = 0.0, 1.0
    for _ in range(rounds):
        share = (low + high) / 2
        ratio = data.residual_ratio(torch.lerp(near, x, share))
        low, high = (share, high) if ratio > 1 else (low, share)
        if 0.95 <= ratio <= 1:
            break
    return torch.lerp(near, x, high)


def met(data: Measurement, near: Tensor, rounds: int = 24) -> Tensor:
    """A picture near an estimate that explains the measurement, by data steps alone.

        x <- clip(prox_l2(x; gamma), 0, 1),   gamma = 1, 10, ..., 1e6

    until no more is left of the measurement than noise leads to expect: projections in turn. Under
    an operator that is not linear the estimate stays as it is.

    Args:
        near: the estimate, (1, 3, h, w) in [0, 1].
    """
    if not is_linear(data.op):
        return near
    best, left = near, data.residual_ratio(near)
    for power in range(rounds):  # what is cut to [0, 1] is made up for by the next step
        near = prox_l2(data.op, near, data.unclipped(data.op.A(near)), 10.0 ** min(power, 6))
        near = near.clamp(0, 1)
        if data.residual_ratio(near) < left:
            best, left = near, data.residual_ratio(near)
        if left <= 1:
            break
    return best


@final
@dataclass(frozen=True)
class DataConsistency:
    """How well a picture explains its measurement.

    Args:
        residual: root mean square of y - A(x).
        expected: what noise and clipping lead to expect.
        noise: standard deviation of the noise.
    """

    residual: float
    expected: float
    noise: float

    @classmethod
    def of(cls, data: Measurement, x: Tensor) -> DataConsistency:
        """Measure a picture (b, 3, h, w)."""
        return cls(*data.residuals(x), data.noise)

    @property
    def ratio(self) -> float:
        """Residual over expectation; 1 is right."""
        return self.residual / self.expected

    @property
    def explained(self) -> bool:
        """Whether the picture explains the measurement."""
        return self.ratio <= UNEXPLAINED

    def summary(self) -> dict[str, Any]:
        """Plain values for a recipe."""
        values: dict[str, Any] = {
            "noise": round(self.noise, 5),
            "residual": round(self.residual, 5),
            "residual_expected": round(self.expected, 5),
        }
        if not self.explained:
            values["warning"] = (
                f"the measurement is not explained: what is left is {self.ratio:.2f} times the "
                "noise; try another operator, ? for its numbers, or more noise"
            )
        elif self.ratio < OVERSTATED and self.noise > 2 * ROUNDING / 255:
            values["note"] = (
                f"less is left than expected: the noise may be only {self.noise * self.ratio:.2g}"
            )
        return values
