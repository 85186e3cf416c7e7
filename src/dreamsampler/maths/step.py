"""A step of the loop, as those who watch it see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from dreamsampler.maths.estimate import Estimate
from dreamsampler.maths.level import Level
from dreamsampler.maths.types import Latent


@final
@dataclass(frozen=True)
class Step:
    """One step of the loop; frozen, so that watching it cannot change it.

    Args:
        index: number of the step, from 0.
        level: the level the prior was asked at.
        before: the clean latent of the variable.
        noise: the unit-variance noise it was hidden in.
        z: alpha before + sigma noise, what the prior saw.
        estimate: what the prior (under guidance) believes.
        z0: the target the variable is moved to, after the regularizers.
    """

    index: int
    level: Level
    before: Latent
    noise: Latent
    z: Latent
    estimate: Estimate
    z0: Latent
