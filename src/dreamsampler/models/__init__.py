"""The only floor that knows networks."""

from dreamsampler.models.mixture import GaussianMixture
from dreamsampler.models.prior import Condition, Prior

__all__ = ["Condition", "GaussianMixture", "Prior"]
