"""The exact prior: a Gaussian mixture, whose posterior mean is a formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from dreamsampler.maths import Cosine, Estimate, Image, Latent, Level, Schedule


@final
@dataclass(frozen=True)
class GaussianMixture:
    """The prior whose Tweedie estimate is exact, sum_k pi_k N(mu_k, std^2 I).

        r_k ~ pi_k N(z; alpha mu_k, alpha^2 std^2 + sigma^2)
        E[z0 | z] = sum_k r_k (mu_k + alpha std^2 / (alpha^2 std^2 + sigma^2) (z - alpha mu_k))

    It is the reference of the tests. A condition is the number of a
    component ("2" as a prompt), or None for the whole mixture; encode and decode are the
    identity.

    Args:
        means: (k, *chw), one mean a component.
        std: standard deviation of every component.
        weights: (k,) mixture weights; equal if left out.

    Example:
        >>> prior = GaussianMixture(torch.tensor([[2.0], [-2.0]]), std=0.1)
        >>> level = prior.schedule(0.5)
        >>> whole, = prior.predict(level.alpha * torch.tensor([[2.0]]), level, [None])
        >>> round(whole.z0.item(), 2)
        2.0

    Source: Efron, "Tweedie's formula and selection bias", JASA 2011.
    """

    means: Tensor
    std: float
    schedule: Schedule = field(default_factory=Cosine)
    weights: Tensor | None = None

    factor = 1
    multiple = 1

    @property
    def latent_channels(self) -> int:
        """Channels of a mean, and so of a latent."""
        return self.means.shape[1]

    @property
    def native_size(self) -> int:
        """Side of the means, the only size of this prior."""
        return self.means.shape[-1]

    def condition(self, prompt: str | None) -> int | None:
        """The component of this number; None and "" mean all of them."""
        if not prompt:
            return None
        if not prompt.isdigit() or int(prompt) >= len(self.means):
            raise ValueError(
                f"prompt is {prompt!r}, but this mixture has components 0 to {len(self.means) - 1}"
            )
        return int(prompt)

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[int | None]
    ) -> list[Estimate]:
        """Exact estimates, one per condition."""
        zs = [z] * len(conditions) if isinstance(z, Tensor) else z
        return [
            self._posterior(one, level, condition)
            for one, condition in zip(zs, conditions, strict=True)
        ]

    def _posterior(self, z: Latent, level: Level, condition: int | None) -> Estimate:
        chosen = slice(None) if condition is None else slice(condition, condition + 1)
        means = self.means.to(z)[chosen].flatten(1)
        prior_weights = torch.ones(len(self.means)) if self.weights is None else self.weights
        flat = z.flatten(1)[:, None]
        variance = level.alpha**2 * self.std**2 + level.sigma**2
        distance = ((flat - level.alpha * means) ** 2).sum(-1)
        share = (prior_weights.to(z)[chosen].log() - distance / (2 * variance)).softmax(1)
        shrink = level.alpha * self.std**2 / variance
        z0 = (share[..., None] * (means + shrink * (flat - level.alpha * means))).sum(1)
        # eps by its own formula, so that it stays finite as sigma goes to 0
        spread = level.sigma / variance * (flat - level.alpha * means)
        eps = (share[..., None] * spread).sum(1)
        return Estimate(z0.view_as(z), eps.view_as(z))

    def encode(self, x: Image) -> Latent:
        """The identity: latents are pixels."""
        return x

    def decode(self, z: Latent) -> Image:
        """The identity: latents are pixels."""
        return z
