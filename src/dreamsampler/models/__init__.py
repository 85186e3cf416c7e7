"""Diffusion models; the only layer that knows networks."""

from dreamsampler.models.alignment import Alignment, align, changed_tokens
from dreamsampler.models.denoiser import from_denoiser
from dreamsampler.models.errors import ModelError, NetworkError, PromptTruncated
from dreamsampler.models.family import TextCondition
from dreamsampler.models.load import Pretrained, from_pretrained
from dreamsampler.models.mixture import GaussianMixture
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.pipe import from_pipe
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.models.prompt import token_weights, word_tokens

__all__ = [
    "Alignment",
    "Condition",
    "GaussianMixture",
    "ModelError",
    "NetworkError",
    "NetworkPrior",
    "Pretrained",
    "Prior",
    "PromptTruncated",
    "TextCondition",
    "align",
    "changed_tokens",
    "from_denoiser",
    "from_pipe",
    "from_pretrained",
    "token_weights",
    "word_tokens",
]
