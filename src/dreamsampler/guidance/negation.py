"""Adaptive negation: guidance away from what the estimate shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

from dreamsampler.guidance.guided import cfg
from dreamsampler.maths import Estimate, Image, Latent, Level, Step, Weight
from dreamsampler.models.prior import Condition, Prior

Similarity: TypeAlias = Callable[[Latent, Step, Condition], Tensor]
"""(clean latent, its step, condition) -> (b,), higher where the condition describes the picture;
with gradients to the condition's embeddings, rows independent."""


def denoising_similarity(prior: Prior) -> Similarity:
    """How well a condition describes an estimate, by the prior's own denoising error.

        sim(z0, c) = - mean |eps(z; c) - (z - alpha z0) / sigma|^2

    z is the step's, so no noise is drawn. No image encoder is needed; it costs a network
    evaluation and its gradient.

    Source: ours in this place; the denoising error as the likelihood of a condition is that of Li
    et al., "Your diffusion model is secretly a zero-shot classifier" (arXiv:2303.16203), eq. 5.
    """

    def similarity(z0: Latent, step: Step, condition: Condition) -> Tensor:
        (estimate,) = prior.predict(step.z, step.level, [condition])
        eps = (step.z - step.level.alpha * z0) / step.level.sigma
        return -(estimate.eps - eps).flatten(1).square().mean(1)

    return similarity


def image_similarity(
    show: Callable[[Latent], Image], similarity: Callable[[Image, Condition], Tensor]
) -> Similarity:
    """Similarity of a picture and a condition by an image encoder: the published form.

    Args:
        show: clean latent -> picture.
        similarity: (picture, condition) -> (b,), such as the cosine of CLIP's image embedding and
            the condition's pooled embedding.
    """
    return lambda z0, step, condition: similarity(show(z0), condition)


@final
class Negation:
    """Classifier-free guidance whose null condition is moved away from the present estimate.

        est = est(null) + w (est(c) - est(null))
        null <- null - rho |null| g / |g|,   g = d/dnull sim(z0, null)   after every level

    with |.| root mean square over a row's embedding. It is a denoiser, and `update` is the
    regularizer that moves the null condition, chained after the data step as in the source. Every
    image has a null condition of its own.

    Args:
        null: the negative or empty prompt's; its `embeddings` are moved.
        scale: w; at 1 there is no guidance.
        similarity: sim; `denoising_similarity(prior)` if left out.
        step: rho, the length of one gradient step as a share of the embedding.

    Attributes:
        null: the present null condition.

    Raises:
        ValueError: a condition without embeddings, or a model that is not guided by two prompts.

    Source: Kim et al., "Regularization by texts for latent diffusion inverse solvers"
    (arXiv:2311.15658), adaptive negation. There sim is the cosine of CLIP's image embedding of the
    estimate and the null embedding, and the steps are those of an optimizer.
    """

    def __init__(
        self,
        prior: Prior,
        condition: Condition,
        null: Condition,
        scale: Weight,
        similarity: Similarity | None = None,
        *,
        step: float = 0.02,
        steps: int = 1,
    ) -> None:
        check_movable(prior, condition, null, scale, "adaptive negation")
        self.prior, self.condition, self.scale = prior, condition, scale
        self.null: Any = null
        self.similarity = denoising_similarity(prior) if similarity is None else similarity
        self.step, self.steps = step, steps

    def __call__(self, z: Latent, level: Level) -> Estimate:
        """The guided estimate, away from the present null condition."""
        return cfg(self.prior, self.condition, self.null, self.scale)(z, level)

    def update(self, z0: Latent, step: Step) -> Latent:
        """Move the null condition away from an estimate, and return the estimate as it is."""
        rows = len(z0)
        point: Tensor = self.null.embeddings.detach().float()
        point = point.expand(rows, *point.shape[1:])
        for _ in range(self.steps):
            with torch.enable_grad():
                point = point.detach().requires_grad_()
                likeness = self.similarity(z0, step, replace(self.null, embeddings=point))
                (gradient,) = torch.autograd.grad(likeness.sum(), point)
            length = _size(point.detach()) / _size(gradient).clamp_min(1e-12)
            point = point.detach() - self.step * length * gradient
        self.null = replace(self.null, embeddings=point)
        return z0


def check_movable(
    prior: Prior, condition: Condition, null: Condition, scale: Weight, what: str
) -> None:
    """Raise ValueError if a null prompt has no embeddings to move, or the model does not use it."""
    if not isinstance(getattr(null, "embeddings", None), Tensor):
        raise ValueError(
            f"{what} moves the embeddings of the null prompt, and a condition of "
            f"{type(prior).__name__} has none: leave it out"
        )
    check_two_prompts(prior, condition, null, scale, what)


def check_two_prompts(
    prior: Prior, condition: Condition, null: Condition, scale: Weight, what: str
) -> None:
    """Raise ValueError if a model takes its guidance scale as an input and uses no null prompt."""
    if all(one is not null for one, _ in cfg(prior, condition, null, scale).z0):
        raise ValueError(
            "this model takes its guidance scale as an input and never uses the null prompt, so "
            f"that there is nothing to move: leave {what} out"
        )


def _size(x: Tensor) -> Tensor:
    """Root mean square of every row, (b, 1, 1)."""
    return x.square().mean((1, 2), keepdim=True).sqrt()
