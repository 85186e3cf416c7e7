"""The only floor that knows networks."""

from dreamsampler.models.errors import ModelError, NetworkError, PromptTruncated
from dreamsampler.models.load import Pretrained, from_pipe, from_pretrained
from dreamsampler.models.mixture import GaussianMixture
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.models.stable_diffusion import StableDiffusion, TextCondition

__all__ = [
    "Condition",
    "GaussianMixture",
    "ModelError",
    "NetworkError",
    "Pretrained",
    "Prior",
    "PromptTruncated",
    "StableDiffusion",
    "TextCondition",
    "from_pipe",
    "from_pretrained",
]
