"""Exact worlds: mixtures whose estimates, samples and moments are known in closed form."""

import torch

from dreamsampler.maths import Cosine, VariancePreserving
from dreamsampler.models import GaussianMixture

MEANS = torch.tensor([[2.0, 0.0], [-2.0, 1.0], [0.0, -3.0]], dtype=torch.float64)


def mixture(schedule=None, std=0.2):
    """Three components in the plane."""
    return GaussianMixture(MEANS, std, schedule or Cosine())


def gaussian(schedule=None, std=1.0):
    """Two overlapping components: smooth enough to fit convergence orders on."""
    means = torch.tensor([[1.0, 0.0], [-1.0, 0.5]], dtype=torch.float64)
    return GaussianMixture(means, std, schedule or Cosine())


def table(size=1000, start=0.00085, end=0.012):
    """Stable Diffusion's scaled-linear table, in float64."""
    betas = torch.linspace(start**0.5, end**0.5, size, dtype=torch.float64) ** 2
    return VariancePreserving(tuple((1 - betas).cumprod(0).tolist()))


def normal(*shape, seed=0):
    """Seeded float64 noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
