"""What a diffusers scheduler says of its model: forward process, output, and how it counts time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.maths import Level, Schedule, Target, VariancePreserving
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import flow_schedule, target_of


@final
@dataclass(frozen=True)
class Levels:
    """The levels of a scheduler, as it counts them.

    Args:
        schedule: the forward process.
        target: what the network, as the loop passes it to `scheduler.step`, outputs.
        count: of the times that it was trained at.
        whole: whether its own times are whole numbers.
    """

    schedule: Schedule
    target: Target
    count: int
    whole: bool

    def time(self, level: Level, device: torch.device) -> Tensor:
        """T N - 1 in a table of N levels; u N in a flow, u = sigma / (alpha + sigma)."""
        if isinstance(self.schedule, VariancePreserving):
            time = max(self.schedule.timestep(level.t), 0)
            kind = torch.int64 if self.whole and time == int(time) else torch.float32
            return torch.tensor(
                int(time) if kind == torch.int64 else time, dtype=kind, device=device
            )
        return torch.tensor(level.flow * self.count, dtype=torch.float32, device=device)


def levels_of(scheduler: Any, tokens: int) -> Levels:
    """The levels of a scheduler.

    Args:
        scheduler: of a pipeline.
        tokens: how many positions its network has at the native size (`flow_schedule`).

    Raises:
        ModelError: a scheduler of another kind of model.
    """
    config, name = scheduler.config, type(scheduler).__name__
    count = int(config.get("num_train_timesteps", 1000))
    table: Any = getattr(scheduler, "alphas_cumprod", None)
    flow = table is None or config.get("use_flow_sigmas")
    flow = flow or config.get("prediction_type") == "flow_prediction"
    if "sigma_data" in config or (flow and getattr(scheduler, "sigmas", None) is None):
        raise ModelError(f"{name} is no scheduler of a variance-preserving or a flow model")
    if config.get("invert_sigmas"):
        raise ModelError(f"{name} counts its noise levels backwards (invert_sigmas)")
    if flow:
        return Levels(flow_schedule(config, tokens), "flow", count, whole=False)
    times = scheduler.timesteps
    return Levels(
        VariancePreserving(tuple(torch.as_tensor(table).detach().float().cpu().tolist())),
        target_of(config),
        count,
        whole=not torch.is_tensor(times) or not times.is_floating_point(),
    )
