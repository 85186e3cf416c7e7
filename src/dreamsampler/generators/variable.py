"""What the loop updates: a latent, or the parameters of a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn

from dreamsampler.cancel import check_canceled
from dreamsampler.maths import Latent


@runtime_checkable
class Variable(Protocol):
    """Something with a clean latent that can be moved towards another one."""

    def latent(self) -> Latent:
        """The present clean latent, without a graph; perhaps from a new camera."""
        ...

    def update(self, target: Latent) -> None:
        """Move towards the target: in closed form, or by a few gradient steps."""
        ...


@final
class LatentVariable:
    """The latent itself: the nearest point to a target is the target.

        psi = z0,   argmin_psi |psi - target|^2 = target

    Args:
        z0: the initial clean latent.

    Example:
        >>> variable = LatentVariable(torch.zeros(1, 3, 2, 2))
        >>> variable.update(torch.ones(1, 3, 2, 2))
        >>> variable.latent().mean().item()
        1.0
    """

    def __init__(self, z0: Latent) -> None:
        self.z0 = z0.detach()

    def latent(self) -> Latent:
        """The latent."""
        return self.z0

    def update(self, target: Latent) -> None:
        """Become the target."""
        self.z0 = target.detach()


@final
class GeneratorVariable:
    """A generator g(psi) with the latent z0 = encode(g(psi)).

        psi <- psi - step d/dpsi [ 1/2 |encode(g(psi)) - target|^2 + penalty() ]

    Args:
        generator: called without arguments, gives a batch of pictures.
        optimizer: owns the generator's parameters.
        encode: picture to latent; the identity for a generator of latents.
        update_steps: optimizer steps of one update.
        penalty: a scalar that is added to the loss, such as a data term on the picture.

    Raises:
        ValueError: fewer than one step.

    Source: Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415), section 3.
    """

    def __init__(
        self,
        generator: nn.Module,
        optimizer: torch.optim.Optimizer,
        encode: Callable[[Tensor], Latent] = lambda x: x,
        *,
        update_steps: int = 1,
        penalty: Callable[[], Tensor] | None = None,
    ) -> None:
        if update_steps < 1:
            raise ValueError(f"update_steps is {update_steps}, but must be at least 1")
        self.generator = generator
        self.optimizer = optimizer
        self.encode = encode
        self.update_steps = update_steps
        self.penalty = penalty
        self._latent: Latent | None = None

    def latent(self) -> Latent:
        """encode(g(psi)); the graph is kept for the update that follows."""
        with torch.enable_grad():
            self._latent = self.encode(self.generator())
        return self._latent.detach()

    def update(self, target: Latent) -> None:
        """Take `update_steps` optimizer steps towards the target."""
        for _ in range(self.update_steps):
            check_canceled()
            with torch.enable_grad():
                z0 = self.encode(self.generator()) if self._latent is None else self._latent
                loss = 0.5 * ((z0 - target.detach()) ** 2).sum()
                if self.penalty is not None:
                    loss = loss + self.penalty()
                self.optimizer.zero_grad()
                loss.backward()
            self.optimizer.step()
            self._latent = None
