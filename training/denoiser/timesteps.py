"""Which noise levels a training step sees, and the learning rate over time."""

import datetime
import math

import torch

WARM_UP = 200


def deadline(text: str) -> float:
    """'10:20' -> seconds since the epoch, today or (if past) tomorrow."""
    hour, minute = map(int, text.split(":"))
    step = datetime.datetime.now()
    end = step.replace(hour=hour, minute=minute, second=0)
    return (end if end > step else end + datetime.timedelta(days=1)).timestamp()


def learning_rate(step: int, left: float, peak: float, decay: float) -> float:
    """Linear warm-up over 200 steps; a cosine to a thousandth of the rate in the last minutes.

    Args:
        step: steps done.
        left: seconds until the end.
        peak: the rate between the two.
        decay: seconds of cosine.
    """
    fraction = min(1.0, left / decay) if decay > 0 else 1.0
    warm = peak * min(1.0, (step + 1) / WARM_UP)
    return warm * max(1e-3, 0.5 * (1 - math.cos(math.pi * fraction)))


def timestep_table(alpha_bar: torch.Tensor, size: int = 4096) -> torch.Tensor:
    """Quantiles u -> t for which the log-SNR follows a cosine schedule."""
    u = (torch.arange(size, device=alpha_bar.device) + 0.5) / size
    targets = torch.cos(u * math.pi / 2) ** 2
    return (alpha_bar[None, :] > targets[:, None]).sum(1).clamp(0, len(alpha_bar) - 1)


def draw_timesteps(count: int, table: torch.Tensor, steps: int) -> torch.Tensor:
    """Stratified: half uniform in t, half by the cosine table; in random order."""
    half, device = count // 2, table.device

    def strata(n: int) -> torch.Tensor:
        return (torch.arange(n, device=device) + torch.rand(n, device=device)) / max(n, 1)

    uniform = (strata(half) * steps).long().clamp(0, steps - 1)
    cosine = table[(strata(count - half) * len(table)).long().clamp(0, len(table) - 1)]
    return torch.cat([uniform, cosine])[torch.randperm(count, device=device)]
