"""Denoisers made of prompts and their weights, masks and measurements."""

from dreamsampler.guidance.attention_mask import (
    attention_mask,
    largest,
    quantile_mask,
    token_attention,
)
from dreamsampler.guidance.difference_mask import difference_mask
from dreamsampler.guidance.evidence import log_evidence
from dreamsampler.guidance.guided import (
    Guided,
    cfg,
    cfg_pp,
    conditional,
    delta,
    gamma,
    per_step,
    predict_batch,
    second_order,
)
from dreamsampler.guidance.negation import Negation, denoising_similarity, image_similarity
from dreamsampler.guidance.posterior import posterior
from dreamsampler.guidance.rectified import rectified_cfg_pp
from dreamsampler.guidance.regional import regional, shares

__all__ = [
    "Guided",
    "Negation",
    "attention_mask",
    "cfg",
    "cfg_pp",
    "conditional",
    "delta",
    "denoising_similarity",
    "difference_mask",
    "gamma",
    "image_similarity",
    "largest",
    "log_evidence",
    "per_step",
    "posterior",
    "predict_batch",
    "quantile_mask",
    "rectified_cfg_pp",
    "regional",
    "second_order",
    "shares",
    "token_attention",
]
