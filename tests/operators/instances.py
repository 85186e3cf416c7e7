"""A small instance of every operator that is exported."""

import torch

from dreamsampler.operators import (
    ColorMatrix,
    Composition,
    Downsample,
    GaussianBlur,
    Grey,
    Jpeg,
    KernelBlur,
    LinearComposition,
    Mask,
    MotionBlur,
)

MADE = (
    ColorMatrix(torch.tensor([[0.9, 0.2, 0.0], [0.1, 0.7, 0.1], [0.0, 0.0, 0.5]])),
    Composition((Downsample(2), Jpeg(75))),
    Downsample(2),
    GaussianBlur(0.8),
    Grey(),
    Jpeg(40),
    KernelBlur(torch.tensor([[1.0, 3.0], [0.0, 2.0], [-1.0, 4.0]])),
    LinearComposition((GaussianBlur(0.8), Downsample(2))),
    Mask(torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)),
    MotionBlur(3.0, 30.0),
)
INSTANCES = {type(op): op for op in MADE}
"""Class -> operator; an operator without one fails its contract."""
