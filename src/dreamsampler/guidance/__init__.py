"""What a denoiser is made of: prompts and their weights, masks, measurements."""

from dreamsampler.guidance.attention_mask import (
    attention_mask,
    largest,
    quantile_mask,
    token_attention,
)
from dreamsampler.guidance.difference_mask import difference_mask
from dreamsampler.guidance.guided import (
    Guided,
    cfg,
    cfg_pp,
    conditional,
    delta,
    gamma,
    per_step,
    second_order,
    together,
)
from dreamsampler.guidance.negation import Negation, likelihood, pictured
from dreamsampler.guidance.posterior import posterior
from dreamsampler.guidance.regional import regional, shares

__all__ = [
    "Guided",
    "Negation",
    "attention_mask",
    "cfg",
    "cfg_pp",
    "conditional",
    "delta",
    "difference_mask",
    "gamma",
    "largest",
    "likelihood",
    "per_step",
    "pictured",
    "posterior",
    "quantile_mask",
    "regional",
    "second_order",
    "shares",
    "together",
    "token_attention",
]
