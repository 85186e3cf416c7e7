"""The only floor that knows networks."""

from dreamsampler.models.alignment import Alignment, align
from dreamsampler.models.errors import ModelError, NetworkError, PromptTruncated
from dreamsampler.models.family import TextCondition
from dreamsampler.models.load import Pretrained, from_pipe, from_pretrained
from dreamsampler.models.mixture import GaussianMixture
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.prior import Condition, Prior
from dreamsampler.models.tokens import word_tokens

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
    "from_pipe",
    "from_pretrained",
    "word_tokens",
]
