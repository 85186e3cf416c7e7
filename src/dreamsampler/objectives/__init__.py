"""What bends the answer: guidance of the denoiser, regularizers of its estimate."""

from dreamsampler.objectives.guidance import (
    Guided,
    cfg,
    delta,
    distilled,
    gamma,
    per_step,
    plain,
    second_order,
    together,
)
from dreamsampler.objectives.localized import localized, spotlight
from dreamsampler.objectives.measurement import (
    Measurement,
    corrected,
    descended,
    expected_residual,
    two_stages,
)
from dreamsampler.objectives.negation import Negation, likelihood, pictured
from dreamsampler.objectives.posterior import posterior
from dreamsampler.objectives.regional import regional, shares
from dreamsampler.objectives.regularizer import (
    Regularizer,
    anchored,
    between,
    chain,
    descend,
    every,
    inside,
    masked,
    relax,
)
from dreamsampler.objectives.variation import flattest

__all__ = [
    "Guided",
    "Measurement",
    "Negation",
    "Regularizer",
    "anchored",
    "between",
    "cfg",
    "chain",
    "corrected",
    "delta",
    "descend",
    "descended",
    "distilled",
    "every",
    "expected_residual",
    "flattest",
    "gamma",
    "inside",
    "likelihood",
    "localized",
    "masked",
    "per_step",
    "pictured",
    "plain",
    "posterior",
    "regional",
    "relax",
    "second_order",
    "shares",
    "spotlight",
    "together",
    "two_stages",
]
