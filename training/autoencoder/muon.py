"""Muon for convolutions: momentum whose matrices are made orthogonal before they are applied.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024): five
Newton-Schulz steps with the quintic's published coefficients; the size of an update matches
AdamW's as in Liu et al., "Muon is scalable for LLM training" (arXiv 2502.16982), eq. 4.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """About U V^T of matrix = U S V^T, without a decomposition: [rows, columns]."""
    x = matrix.to(torch.bfloat16)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    a, b, c = QUINTIC
    for _ in range(steps):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal as [outputs, everything else].

    Args:
        parameters: weights with two or more dimensions.
        lr: as for AdamW: an update's root mean square is 0.2 lr.
        momentum: in [0, 1).
        weight_decay: decoupled.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                average = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(average, group["momentum"])
                flat = orthogonal(ahead.reshape(len(p), -1))
                size = 0.2 * max(flat.shape) ** 0.5
                p.mul_(1 - group["lr"] * group["decay"])
                p.add_(flat.view(p.shape), alpha=-group["lr"] * size)
