"""The noise levels of a run."""

from __future__ import annotations

import torch

from dreamsampler.maths import Level, Schedule, VariancePreserving


def _check(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"num_inference_steps is {steps}, but a run takes at least one step")


def leading(schedule: VariancePreserving, steps: int, offset: int = 1) -> list[Level]:
    """Diffusers' "leading" spacing: network times offset + i floor(N / steps), falling.

    Source: Lin et al., "Common diffusion noise schedules and sample steps are flawed",
    WACV 2024, table 2.
    """
    _check(steps)
    if steps > schedule.size:
        raise ValueError(
            f"num_inference_steps is {steps}, but this model has {schedule.size} noise levels"
        )
    skip = schedule.size // steps
    times = [min(i * skip + offset, schedule.size - 1) for i in reversed(range(steps))]
    return [schedule(schedule.time(n)) for n in times]


def trailing(schedule: Schedule, steps: int, *, start: float = 1.0) -> list[Level]:
    """Evenly spaced in t, from start down to start / steps; diffusers' "trailing" spacing."""
    _check(steps)
    return _apart(schedule.grid(steps, start))


def flow_shifted(
    schedule: Schedule, steps: int, *, start: float = 1.0, shift: float = 1.0
) -> list[Level]:
    """Spaced evenly in the flow time u = sigma / (alpha + sigma), whatever the schedule.

    The same shares of noise for every model: few steps are spent where pictures are decided, not
    where the table of one model is dense.

    Args:
        start: u of the first level, in (0, 1]; clipped to what the schedule reaches.
        shift: above 1 keeps more of the levels at high noise, u = shift m / (1 + (shift - 1) m)
            with m even; 1 leaves u even, 3 is Stable Diffusion 3's spacing.

    Raises:
        ValueError: no steps, or a start that is not above 0.

    Source: Esser et al., "Scaling rectified flow transformers", ICML 2024, eq. 23 for the shift.
    """
    _check(steps)
    if start <= 0:
        raise ValueError(f"start is {start}, but a run starts at noise above 0, at most 1")
    top = min(start, schedule(1.0).flow)
    even = top / (shift - (shift - 1) * top)
    marks = [even * (1 - i / steps) for i in range(steps)]
    flows = [shift * m / (1 + (shift - 1) * m) for m in marks]
    return _apart([schedule.at_flow(u) for u in flows])


def karras(
    schedule: Schedule, steps: int, *, s_min: float = 0.03, s_max: float = 15.0, rho: float = 7.0
) -> list[Level]:
    """Karras' spacing in s = sigma / alpha: (s_max^(1/rho) + i/(n-1) (s_min^(1/rho) - ...))^rho.

    Source: Karras et al., "Elucidating the design space of diffusion-based generative models",
    NeurIPS 2022, eq. 5.
    """
    _check(steps)
    high, low = s_max ** (1 / rho), s_min ** (1 / rho)
    marks = [(high + i / max(steps - 1, 1) * (low - high)) ** rho for i in range(steps)]
    return _apart([schedule.at_flow(s / (1 + s)) for s in marks])


def random_levels(
    schedule: Schedule, steps: int, rng: torch.Generator, *, low: float = 0.02, high: float = 0.98
) -> list[Level]:
    """Drawn uniformly in t from [low, high]: the order of score distillation.

    Source: Poole et al., "DreamFusion", ICLR 2023 (arXiv:2209.14988), t ~ U(0.02, 0.98).
    """
    _check(steps)
    times = low + (high - low) * torch.rand(steps, generator=rng, dtype=torch.float64)
    return [schedule(float(t)) for t in times]


def _apart(levels: list[Level]) -> list[Level]:
    """Each level once: a model that was distilled to a few steps has no others in between."""
    return list(dict.fromkeys(levels))
