"""Measurement operators: blur, fewer pixels, lost pixels, lost colors, compression.

They act on pictures x, (b, 3, h, w) in [0, 1], of any size and give their measurement y = A x in
the same units; noise is not part of them. All are linear but JPEG. Numbers outside of [0, 1] are
neither refused nor clipped (but by JPEG), since the steps of an algorithm leave that range.
"""

from dreamsampler.operators.blur import GaussianBlur, KernelBlur, MotionBlur
from dreamsampler.operators.color import ColorMatrix, Grey
from dreamsampler.operators.composition import Composition, LinearComposition, compose
from dreamsampler.operators.fit import fit_parameters, guess_parameters
from dreamsampler.operators.fold import Boundary
from dreamsampler.operators.jpeg import Jpeg, Subsampling
from dreamsampler.operators.mask import Mask
from dreamsampler.operators.noise import estimate_noise
from dreamsampler.operators.operator import (
    LinearOperator,
    Operator,
    Proximal,
    Sized,
    input_size,
    is_linear,
    measured,
    prox_l2,
)
from dreamsampler.operators.registry import Parameter, named
from dreamsampler.operators.resample import Downsample, Method
from dreamsampler.operators.spec import Description, as_description, parse

__all__ = [
    "Boundary",
    "ColorMatrix",
    "Composition",
    "Description",
    "Downsample",
    "GaussianBlur",
    "Grey",
    "Jpeg",
    "KernelBlur",
    "LinearComposition",
    "LinearOperator",
    "Mask",
    "Method",
    "MotionBlur",
    "Operator",
    "Parameter",
    "Proximal",
    "Sized",
    "Subsampling",
    "as_description",
    "compose",
    "estimate_noise",
    "fit_parameters",
    "guess_parameters",
    "input_size",
    "is_linear",
    "measured",
    "named",
    "parse",
    "prox_l2",
]
