"""Proximal maps: what else the clean estimate should be."""

from dreamsampler.regularizers.decoded import decoded
from dreamsampler.regularizers.measurement import (
    Measurement,
    corrected,
    descended,
    expected_residual,
    two_stages,
)
from dreamsampler.regularizers.palette import palette, palette_of
from dreamsampler.regularizers.reference_style import reference_style
from dreamsampler.regularizers.regularizer import (
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
from dreamsampler.regularizers.symmetry import symmetry
from dreamsampler.regularizers.tileable import tileable
from dreamsampler.regularizers.total_variation import total_variation
from dreamsampler.regularizers.variation import least_variation

__all__ = [
    "Measurement",
    "Regularizer",
    "anchored",
    "between",
    "chain",
    "corrected",
    "decoded",
    "descend",
    "descended",
    "every",
    "expected_residual",
    "inside",
    "least_variation",
    "masked",
    "palette",
    "palette_of",
    "reference_style",
    "relax",
    "symmetry",
    "tileable",
    "total_variation",
    "two_stages",
]
