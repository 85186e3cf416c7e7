"""What bends the answer: guidance of the denoiser, regularizers of its estimate."""

from dreamsampler.objectives.attended import attended, largest, looked_at, prominent
from dreamsampler.objectives.decoded import decoded
from dreamsampler.objectives.flattened import flattened
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
from dreamsampler.objectives.measurement import (
    Measurement,
    corrected,
    descended,
    expected_residual,
    two_stages,
)
from dreamsampler.objectives.mirrored import mirrored
from dreamsampler.objectives.negation import Negation, likelihood, pictured
from dreamsampler.objectives.palette import palette, palette_of
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
from dreamsampler.objectives.resembling import resembling
from dreamsampler.objectives.seamless import seamless
from dreamsampler.objectives.spotlight import spotlight
from dreamsampler.objectives.variation import flattest

__all__ = [
    "Guided",
    "Measurement",
    "Negation",
    "Regularizer",
    "anchored",
    "attended",
    "between",
    "cfg",
    "chain",
    "corrected",
    "decoded",
    "delta",
    "descend",
    "descended",
    "distilled",
    "every",
    "expected_residual",
    "flattened",
    "flattest",
    "gamma",
    "inside",
    "largest",
    "likelihood",
    "looked_at",
    "masked",
    "mirrored",
    "palette",
    "palette_of",
    "per_step",
    "pictured",
    "plain",
    "posterior",
    "prominent",
    "regional",
    "relax",
    "resembling",
    "seamless",
    "second_order",
    "shares",
    "spotlight",
    "together",
    "two_stages",
]
