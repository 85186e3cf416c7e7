"""The mathematics: pure functions and frozen data, on torch alone."""

from dreamsampler.maths.estimate import (
    TARGETS,
    Denoiser,
    Estimate,
    Image,
    Latent,
    Step,
    Target,
    to_estimate,
)
from dreamsampler.maths.level import (
    Cosine,
    FewLevels,
    Level,
    RectifiedFlow,
    Schedule,
    VarianceExploding,
    VariancePreserving,
    Weight,
    covered,
    weigh,
    within,
)
from dreamsampler.maths.linalg import conjugate_gradient
from dreamsampler.maths.noise import Renoise, Rng, ddpm, draw, fresh, generators, hold, keep

__all__ = [
    "TARGETS",
    "Cosine",
    "Denoiser",
    "Estimate",
    "FewLevels",
    "Image",
    "Latent",
    "Level",
    "RectifiedFlow",
    "Renoise",
    "Rng",
    "Schedule",
    "Step",
    "Target",
    "VarianceExploding",
    "VariancePreserving",
    "Weight",
    "conjugate_gradient",
    "covered",
    "ddpm",
    "draw",
    "fresh",
    "generators",
    "hold",
    "keep",
    "to_estimate",
    "weigh",
    "within",
]
