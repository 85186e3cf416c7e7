"""Unknown parameters of an operator: a first guess, and the fit to a restored picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.operators.operator import Operator
from dreamsampler.operators.spec import Description

FALL = 3.0
"""Power of pictures made of edges falls with this power of the frequency."""
WINDOW = 128
"""Pixels along the side of the windows of which spectra are taken."""

_GOLDEN = (math.sqrt(5) - 1) / 2
_GRID = {1: 2, 2: 12, 3: 7}
"""Points along every axis of the first grid, by the number of unknowns."""
_FINE = 48
"""Points along one axis, the other unknowns fixed."""


def fit_parameters(
    description: Description,
    y: Float[Tensor, "b cy hy wy"],
    x: Float[Tensor, "b c h w"],
    *,
    near: Sequence[float] | None = None,
) -> Description:
    """The unknown parameters under which a picture explains its measurement best.

        argmin_theta |y - A_theta x|^2

    A grid over the whole range of every parameter, then golden sections one parameter after the
    other; from a known neighborhood golden sections alone. Of whole numbers each one is tried.
    Values come with four digits. Alternate it with steps of a restoration.

    Args:
        description: operators with 1 to 3 unknowns (`?`).
        x: the estimated picture, of the size `description.input_size`.
        near: values to start from, in the order of `description.unknown`; searched a third
            of the way around them.

    Returns:
        The description without unknowns.

    Raises:
        ValueError: if nothing or too much is unknown.

    Example:
        >>> from dreamsampler.operators import GaussianBlur, parse
        >>> x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> str(fit_parameters(parse("blur(sigma=?)"), GaussianBlur(1.5).A(x), x))
        'blur(sigma=1.5)'
    """
    size = (x.shape[-2], x.shape[-1])

    def loss(values: Sequence[float]) -> float:
        check_canceled()
        with torch.no_grad():
            misfit = y - description.filled(*values).build(size, str(x.device)).A(x)
        return misfit.double().square().mean().item()

    return description.filled(*_search(description, loss, near))


def guess_parameters(
    description: Description, y: Float[Tensor, "b c h w"], noise: float
) -> Description:
    """A first guess of unknown parameters from the measurement alone.

    Pictures made of edges have a power spectrum c / f^3; the blur attenuates it:

        argmin_theta min_c sum_f log P(f) + |Y(f)|^2 / P(f),   P = c |A_theta(f)|^2 / f^3 + noise^2

    It is the likelihood of the spectrum if its coefficients were independent. JPEG is left out of
    A, and its errors, as large as those of a second JPEG on shifted blocks, count as noise. JPEG's
    own quality, of the last operator only, is that which changes the measurement less than its
    neighbors do; above 80 JPEG leaves little to tell it by.

    Args:
        description: operators with 1 to 3 unknowns; no masks.
        y: the measurement, at least 16 pixels a side; windows of 128 pixels are averaged.
        noise: standard deviation of its noise (`estimate_noise`); at least rounding (0.0011)
            is supposed.

    Returns:
        The description without unknowns.

    Raises:
        ValueError: if nothing or too much is unknown, for masks, for JPEGs of unknown quality that
            are not the last operator, and for blurs of measurements that are too small.

    Source: Whittle, Arkiv foer Matematik 2 (1953), for the likelihood; the model is ours.
    """
    _check_count(description)
    description = _with_quality(description, y)
    if not description.unknown:
        return description
    for step in description.steps:
        if step.name == "mask" or step.in_memory is not None:
            raise ValueError(
                f"unknowns cannot be guessed from a spectrum behind the {step.name} in "
                f"{description}: give a number to start from instead of ?"
            )
    side = min(WINDOW, y.shape[-2], y.shape[-1])
    if side < 16:
        raise ValueError(
            f"the measurement is {y.shape[-1]}x{y.shape[-2]}, too small to guess unknowns from: "
            "give a number to start from instead of ?"
        )
    visible = Description(tuple(step for step in description.steps if step.name != "jpeg"))
    power = _power(y.detach().double().cpu(), side)
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)).double()
    frequency[0, 0] = math.inf  # a blur does not change the mean
    floor = max(noise, 0.29 / 255) ** 2 + _jpeg_error(description, y)

    def loss(values: Sequence[float]) -> float:
        check_canceled()
        return _negative_log_likelihood(
            power, _gain(visible.filled(*values), side) / frequency**FALL, floor
        )

    return description.filled(*_search(visible, loss, None))


def _with_quality(description: Description, y: Tensor) -> Description:
    """The same with the quality of a last JPEG: the one at which storing again changes little."""
    steps = description.steps
    jpegs = [s for s in steps if s.name == "jpeg" and dict(s.values)["quality"] is None]
    if not jpegs:
        return description
    last = steps[-1]
    if jpegs != [last]:
        raise ValueError(
            f"{description} goes on after a JPEG of unknown quality: give it a number instead of ?"
        )

    one = Description((last,))
    errors = []
    for quality in range(1, 101):
        check_canceled()
        changed = one.filled(quality).build().A(y.detach()) - y.detach()
        errors.append(changed.double().abs().mean().item())
    # the error falls with the quality anyhow, so it is compared with that of its neighbors
    dips = [
        error / (min(errors[max(0, i - 3) : i] + errors[i + 1 : i + 4]) + 1e-9)
        for i, error in enumerate(errors)
    ]
    return Description((*steps[:-1], *one.filled(1 + dips.index(min(dips))).steps))


def _power(y: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "side half"]:
    """Mean power of windows that overlap by half, each without its mean and faded at its edges."""
    fade = torch.hann_window(side + 2, periodic=False, dtype=y.dtype)[1:-1]
    fade = fade[:, None] * fade
    fade = fade / fade.square().mean().sqrt()
    starts = [
        [*range(0, n - side, max(1, side // 2)), n - side] for n in (y.shape[-2], y.shape[-1])
    ]
    found = []
    for top, left in product(*starts):
        part = y[..., top : top + side, left : left + side]
        part = part - (part * fade).sum((-2, -1), keepdim=True) / fade.sum()
        found.append(torch.fft.rfft2(part * fade).abs().square().mean((0, 1)) / side**2)
    return torch.stack(found).mean(0)


def _jpeg_error(description: Description, y: Tensor) -> float:
    """Variance of what JPEG changes, from storing the measurement once more on shifted blocks."""
    error = 0.0
    for step in description.steps:
        if step.name == "jpeg" and min(y.shape[-2:]) > 16:
            shifted = y.detach()[..., 4:, 4:]
            changed = Description((step,)).build().A(shifted) - shifted
            error += changed.double().square().mean().item()
    return error


def _negative_log_likelihood(power: Tensor, shape: Tensor, floor: float) -> float:
    """Min over c of the mean of log P + power / P with P = c shape + floor, by Fisher scoring."""
    large = shape > 1e-3 * shape.max()
    log_c = (power[large] / shape[large]).mean().log()
    expected = log_c.exp() * shape + floor
    for _ in range(12):
        weight = 1 - floor / expected
        step = ((power / expected - 1) * weight).sum() / weight.square().sum()
        log_c = log_c + step.clamp(-1, 1)
        expected = log_c.exp() * shape + floor
    return (expected.log() + power / expected).mean().item()


def _gain(description: Description, side: int) -> Float[Tensor, "side half"]:
    """How much power of each frequency gets through, from the measurement of a bright point."""
    op: Operator = description.build()
    height, width = description.input_size((side, side))
    colored = any(step.name in ("grey", "color_matrix") for step in description.steps)
    point = torch.zeros(1, 3 if colored else 1, height, width, dtype=torch.float64)
    point[..., height // 2, width // 2] = 1
    return torch.fft.rfft2(op.A(point)).abs().square().mean((0, 1))


def _search(
    description: Description, loss: Callable[[Sequence[float]], float], near: Sequence[float] | None
) -> list[float]:
    """The minimizer: grids unless a start is given, then golden sections.

    A long motion nearly fits with half of its length too, in a narrow valley beside the true one: a
    coarse grid finds the direction, fine lines the valley.
    """
    count = _check_count(description)
    limits = list(zip(description.ranges, description.whole, strict=True))
    if near is None:
        axes = [_axis(*ends, _GRID[count], whole) for ends, whole in limits]
        values = list(min(product(*axes), key=loss))
    else:
        values = [float(value) for value in near]
    for sweep in range(1 if count == 1 else 3):
        for i, (ends, whole) in enumerate(limits):

            def along(value: float, i: int = i) -> float:
                return loss([*values[:i], value, *values[i + 1 :]])

            if near is None and sweep < 2:
                values[i] = min(_axis(*ends, _FINE, whole), key=along)
            around = _around(values[i], *ends, known=near is not None)
            if not whole:
                values[i] = _golden(along, *around)
            elif near is not None:
                low, high = (round(end) for end in around)
                values[i] = min(range(low, high + 1), key=along)
    turned = [
        v if low > 0 else (v - low) % (high - low) + low  # directions turn round
        for v, ((low, high), _) in zip(values, limits, strict=True)
    ]
    return [float(f"{value:.4g}") for value in turned]


def _check_count(description: Description) -> int:
    """The number of unknowns; ValueError if so many cannot be fitted."""
    count = len(description.unknown)
    if count not in _GRID:
        raise ValueError(
            f"{description} has {count} unknown parameters, but 1 to {max(_GRID)} can be fitted: "
            "write ? for what is unknown and numbers for the rest"
        )
    return count


def _around(value: float, low: float, high: float, *, known: bool) -> tuple[float, float]:
    """Where to search: between the neighbors on the fine grid, or a third around a known value."""
    if low <= 0:
        step = (high - low) / (12 if known else _FINE)
        return value - step, value + step
    factor = 4 / 3 if known else (high / low) ** (1 / (_FINE - 1))
    return max(low, value / factor), min(high, value * factor)


def _axis(low: float, high: float, count: int, whole: bool) -> list[float]:
    """All whole numbers, or evenly spaced values, in proportion where all are positive."""
    if whole:
        return [float(value) for value in range(round(low), round(high) + 1)]
    if low > 0:
        return [low * (high / low) ** (i / (count - 1)) for i in range(count)]
    return [low + (high - low) * i / count for i in range(count)]


def _golden(loss: Callable[[float], float], low: float, high: float) -> float:
    """The minimum of a function that falls, then rises, to a thousandth."""
    tolerance = 1e-3 * max(abs(low), abs(high))
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return left if at_left <= at_right else right
