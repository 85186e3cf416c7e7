"""Noise levels, schedules of them, and weights that depend on them."""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, final


@final
@dataclass(frozen=True)
class Level:
    """One noise level: z_t = alpha z0 + sigma eps.

    Plain floats, so that no level ever waits for a device.

    Args:
        t: time in [0, 1], 0 clean; a model's adapter converts it to the network's own time.
        alpha: signal rate (never alpha-bar).
        sigma: noise rate, in units of unit-variance noise.

    Example:
        >>> Level(t=0.5, alpha=0.6, sigma=0.8).alpha_bar
        0.36
    """

    t: float
    alpha: float
    sigma: float

    @property
    def alpha_bar(self) -> float:
        """The squared signal rate, alpha^2."""
        return self.alpha**2

    @property
    def s(self) -> float:
        """Noise over signal, sigma / alpha; infinite where nothing of z0 is left."""
        return self.sigma / self.alpha if self.alpha > 0 else math.inf

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio, (alpha / sigma)^2; infinite for a clean level."""
        return (self.alpha / self.sigma) ** 2 if self.sigma > 0 else math.inf

    @property
    def log_snr(self) -> float:
        """Logarithm of the signal-to-noise ratio."""
        return (
            math.log(snr) if 0 < (snr := self.snr) < math.inf else math.copysign(math.inf, snr - 1)
        )

    @property
    def flow(self) -> float:
        """The rectified-flow time of the same noise ratio, sigma / (alpha + sigma)."""
        return self.sigma / (self.alpha + self.sigma)


Weight: TypeAlias = float | Callable[[Level], float]
"""A number, or a number for every level."""


def weigh(weight: Weight, level: Level) -> float:
    """The value of a weight at a level.

    Example:
        >>> weigh(lambda level: 2 * level.alpha_bar, Level(0.5, 0.6, 0.8))
        0.72
    """
    return weight(level) if callable(weight) else weight


def within(weight: Weight, low: float, high: float, outside: float = 0.0) -> Weight:
    """A weight inside an interval of times, another number outside it.

    Source: Kynkäänniemi et al., "Applying guidance in a limited interval improves sample and
    distribution quality in diffusion models", NeurIPS 2024 (arXiv:2404.07724).

    Args:
        weight: the weight for low <= t <= high.
        low: lower end of the interval, in t.
        high: upper end of the interval, in t.
        outside: the number elsewhere; 1 for a CFG scale means "no extra guidance".
    """
    return lambda level: weigh(weight, level) if low <= level.t <= high else outside


def covered(levels: Sequence[Level], noise: Callable[[Level], float]) -> Weight:
    """The share of the way to clean that each step covers: 1 - x' / x, and all of it at the end.

    Args:
        levels: the falling levels of a run.
        noise: x, a measure of a level's noise that is 0 where it is clean.

    Raises:
        ValueError: no levels, or a level that is not among them.

    Example:
        >>> share = covered([Level(0.8, 0.6, 0.8), Level(0.2, 0.8, 0.6)], lambda level: level.t)
        >>> share(Level(0.8, 0.6, 0.8)), share(Level(0.2, 0.8, 0.6))
        (0.75, 1.0)
    """
    if not levels:
        raise ValueError("a run without levels covers nothing: pass at least one")
    pairs = itertools.pairwise(levels)
    share = {a: 1 - noise(b) / noise(a) for a, b in pairs} | {levels[-1]: 1.0}

    def weight(level: Level) -> float:
        if level not in share:
            raise ValueError(f"t = {level.t} is not one of the {len(levels)} levels of this run")
        return share[level]

    return weight


class Schedule(abc.ABC):
    """The forward process: which signal and noise rates belong to a time t in [0, 1]."""

    @abc.abstractmethod
    def __call__(self, t: float) -> Level:
        """The level at time t; t = 0 is clean, t = 1 the noisiest."""

    def grid(self, steps: int, start: float = 1.0, stop: float = 0.0) -> list[Level]:
        """Levels evenly spaced in t from start down to, but without, stop."""
        return [self(start + (stop - start) * i / steps) for i in range(steps)]

    def at_flow(self, flow: float) -> Level:
        """The level of a flow time sigma / (alpha + sigma); by bisection, as every schedule rises.

        Example:
            >>> round(Cosine().at_flow(0.5).t, 6)
            0.5
        """
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            if self(middle).flow < flow:
                low = middle
            else:
                high = middle
        return self(high)


def _check_time(t: float) -> float:
    if not 0 <= t <= 1:
        raise ValueError(f"t is {t}, but a time lies in [0, 1]: 0 is clean, 1 the noisiest level")
    return t


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """The cosine schedule: alpha = cos(pi t / 2), sigma = sin(pi t / 2).

    Source: Nichol & Dhariwal, "Improved denoising diffusion probabilistic models", ICML 2021,
    in its continuous form.
    """

    def __call__(self, t: float) -> Level:
        """The level at time t."""
        _check_time(t)  # the sine of 1 - t, since the cosine of pi / 2 rounds to 6e-17
        return Level(t, math.sin(math.pi * (1 - t) / 2), math.sin(math.pi * t / 2))


@final
@dataclass(frozen=True)
class RectifiedFlow(Schedule):
    """Straight lines to noise: alpha = 1 - sigma, sigma = shift t / (1 + (shift - 1) t).

    Source: Esser et al., "Scaling rectified flow transformers", ICML 2024, eq. 23 for the shift.

    Args:
        shift: above 1 spends more of the steps at high noise; larger pictures need more.
    """

    shift: float = 1.0

    def __call__(self, t: float) -> Level:
        """The level at time t."""
        scale = 1 + (self.shift - 1) * _check_time(t)
        return Level(t, (1 - t) / scale, self.shift * t / scale)


@final
@dataclass(frozen=True)
class VarianceExploding(Schedule):
    """Noise on an untouched picture: alpha = 1, sigma = t sigma_max.

    Source: Karras et al., "Elucidating the design space of diffusion-based generative models",
    NeurIPS 2022.

    Args:
        sigma_max: noise rate at t = 1, in units of the latents.
    """

    sigma_max: float = 80.0

    def __call__(self, t: float) -> Level:
        """The level at time t."""
        return Level(_check_time(t), 1.0, t * self.sigma_max)


@final
@dataclass(frozen=True)
class VariancePreserving(Schedule):
    """The table of a trained model: alpha^2 = alphas_cumprod[n] at network time n = t N - 1.

    Time t = (n + 1) / N gives the n-th entry exactly and t = 0 the clean picture; in between,
    log alpha^2 is interpolated linearly.

    Args:
        alphas_cumprod: falling numbers in (0, 1), entry n for network time n.

    Example:
        >>> schedule = VariancePreserving((0.81, 0.36))
        >>> schedule(0.5).alpha, schedule(1.0).alpha
        (0.9, 0.6)

    Source: Ho et al., "Denoising diffusion probabilistic models", NeurIPS 2020, eq. 4.
    """

    alphas_cumprod: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        table = (1.0, *self.alphas_cumprod)
        if len(table) < 2 or any(not 0 <= b < a for a, b in itertools.pairwise(table)):
            raise ValueError("alphas_cumprod must fall strictly from below 1 to 0 or above")

    @property
    def size(self) -> int:
        """The number of entries (1000 for Stable Diffusion)."""
        return len(self.alphas_cumprod)

    def timestep(self, t: float) -> float:
        """The network's own time, n = t N - 1; whole numbers come out whole."""
        n = t * self.size - 1
        return round(n) if abs(n - round(n)) < 1e-6 else n

    def time(self, timestep: float) -> float:
        """The inverse of timestep: t = (n + 1) / N."""
        return (timestep + 1) / self.size

    def __call__(self, t: float) -> Level:
        """The level at time t; exact at the table's entries."""
        position = min(self.timestep(_check_time(t)) + 1, self.size)
        low = int(position)
        part, before = position - low, self.alphas_cumprod[low - 1] if low > 0 else 1.0
        if part == 0:
            alpha_bar = before
        elif (after := self.alphas_cumprod[low]) > 0:
            alpha_bar = before ** (1 - part) * after**part
        else:
            alpha_bar = before * (1 - part)
        return Level(t, math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar))


@final
@dataclass(frozen=True)
class FewLevels(Schedule):
    """The levels that a model was distilled to: another schedule's at t = 1/n, 2/n, ..., 1.

    Any time above 0 means the nearest of them, and 0 the clean level.

    Args:
        count: n.

    Example:
        >>> schedule = FewLevels(RectifiedFlow(), 4)
        >>> [schedule(t).t for t in (0.0, 0.01, 0.6, 0.9)]
        [0.0, 0.25, 0.5, 1.0]

    Source: Sauer et al., "Adversarial diffusion distillation", ECCV 2024 (arXiv:2311.17042),
    section 3.1, for n = 4.
    """

    schedule: Schedule
    count: int

    def __call__(self, t: float) -> Level:
        """The nearest level to time t."""
        nearest = math.ceil(_check_time(t) * self.count - 0.5)
        return self.schedule((max(nearest, 1) if t > 0 else 0) / self.count)
