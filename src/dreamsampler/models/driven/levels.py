"""What a diffusers scheduler says of its model: forward process, output, and how it counts time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch

from dreamsampler.maths import (
    Cosine,
    Level,
    Schedule,
    Target,
    VarianceExploding,
    VariancePreserving,
)
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import flow_schedule, target_of


@final
@dataclass(frozen=True)
class Levels:
    """The levels of a scheduler, as it counts them.

    Args:
        target: what the network, as the loop passes it to `scheduler.step`, outputs.
        time: a level as the scheduler counts it.
        scale: the loop's latents are this many times ours.
        scalings: level -> (c_in, c_skip, c_out) of a preconditioned network, which sees c_in z
            and means z0 = c_skip z + c_out output.
    """

    schedule: Schedule
    target: Target
    time: Callable[[Level], float | int]
    scale: float = 1.0
    scalings: Callable[[Level], tuple[float, float, float]] | None = None


def levels_of(scheduler: Any, tokens: int) -> Levels:
    """The levels of a scheduler.

        table:  t N - 1;   flow: N sigma / (alpha + sigma);   TrigFlow: atan(sigma / alpha)
        consistency model, EDM: a function of sigma / alpha, the scheduler's

    Args:
        tokens: how many positions its network has at the native size (`flow_schedule`).

    Raises:
        ModelError: a scheduler of another kind of model.

    Source: Karras et al., NeurIPS 2022, table 1 (EDM); Song et al., "Consistency models", ICML
    2023, appendix C; Lu & Song, "Simplifying, stabilizing and scaling continuous-time consistency
    models", ICLR 2025, section 3 (TrigFlow).
    """
    config, name = scheduler.config, type(scheduler).__name__
    count = int(config.get("num_train_timesteps", 1000))
    data = float(config.get("sigma_data", 0))
    if name == "SCMScheduler":
        return Levels(Cosine(), "v", lambda level: math.atan2(level.sigma, level.alpha), data)
    if data and hasattr(scheduler, "get_scalings_for_boundary_condition"):
        least = float(config.sigma_min)

        def boundary(level: Level) -> tuple[float, float, float]:
            sigma = level.s
            total = math.hypot(sigma, data)
            skip = data**2 / ((sigma - least) ** 2 + data**2)
            return 1 / total, skip, (sigma - least) * data / total

        return Levels(_exploding(config), "sample", lambda v: 250 * _log(v.s), 1.0, boundary)
    if data and name.startswith("EDM"):

        def precondition(level: Level) -> tuple[float, float, float]:
            total = math.hypot(level.s, data)
            out = level.s * data / total
            skip = data**2 / total**2
            if config.prediction_type == "v_prediction":
                out = -out
            return 1 / total, skip, out

        return Levels(_exploding(config), "sample", lambda v: _log(v.s) / 4, 1.0, precondition)
    table: Any = getattr(scheduler, "alphas_cumprod", None)
    flow = table is None or config.get("use_flow_sigmas")
    flow = flow or config.get("prediction_type") == "flow_prediction"
    if data or (flow and getattr(scheduler, "sigmas", None) is None):
        raise ModelError(f"{name} is no scheduler of a known kind of model")
    if config.get("invert_sigmas"):
        raise ModelError(f"{name} counts its noise levels backwards (invert_sigmas)")
    if flow:
        return Levels(flow_schedule(config, tokens), "flow", lambda level: level.flow * count)
    schedule = VariancePreserving(tuple(torch.as_tensor(table).detach().float().cpu().tolist()))
    times = scheduler.timesteps
    whole = not torch.is_tensor(times) or not times.is_floating_point()

    def position(level: Level) -> float | int:
        time = max(schedule.timestep(level.t), 0)
        return int(time) if whole and time == int(time) else float(time)

    return Levels(schedule, target_of(config), position)


def _exploding(config: Any) -> VarianceExploding:
    return VarianceExploding(float(config.sigma_max))


def _log(sigma: float) -> float:
    return math.log(max(sigma, 1e-44))
