"""Proximal maps: what else the clean estimate should be."""

from dreamsampler.regularizers.decoded import decoded
from dreamsampler.regularizers.measurement import (
    Measurement,
    data_step,
    descend_residual,
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
    identity,
    inside,
    masked,
    relax,
)
from dreamsampler.regularizers.symmetry import symmetry
from dreamsampler.regularizers.tileable import tileable
from dreamsampler.regularizers.total_variation import total_variation, tv_reconstruction

__all__ = [
    "Measurement",
    "Regularizer",
    "anchored",
    "between",
    "chain",
    "data_step",
    "decoded",
    "descend",
    "descend_residual",
    "every",
    "expected_residual",
    "identity",
    "inside",
    "masked",
    "palette",
    "palette_of",
    "reference_style",
    "relax",
    "symmetry",
    "tileable",
    "total_variation",
    "tv_reconstruction",
    "two_stages",
]
