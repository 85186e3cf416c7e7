"""All trained numbers as flat vectors: parameters, EMA, Adam's moments, gradients.

The networks' tensors are views of them, so that processes share them, one fused AdamW call updates
everything, and a checkpoint is four vectors and a step.
"""

import os
from pathlib import Path

import torch

STORED = ("parameters", "ema", "m", "v")


class Flat:
    """The state of a run."""

    def __init__(self, start: torch.Tensor, workers: int = 1, device: str = "cpu") -> None:
        """Parameters and EMA begin at `start`; on a CPU everything is in shared memory."""

        def zeros(n: int) -> torch.Tensor:
            made = torch.zeros(n, device=device)
            return made if made.is_cuda else made.share_memory_()

        size = len(start)
        self.parameters, self.ema, self.m, self.v = (zeros(size) for _ in STORED)
        self.gradients = [zeros(size) for _ in range(workers)]
        self.norms = zeros(workers)
        self.rate = torch.zeros(1).share_memory_()
        self.step = torch.zeros(1, dtype=torch.long).share_memory_()
        self.parameters.copy_(start)
        self.ema.copy_(start)

    def save(self, path: Path) -> None:
        """Write a checkpoint: whole or not at all."""
        state = {name: getattr(self, name).cpu().clone() for name in STORED}
        torch.save(state | {"step": int(self.step.item())}, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        state = torch.load(path, weights_only=True)
        if len(state["parameters"]) != len(self.parameters):
            raise SystemExit(
                f"{path} holds {len(state['parameters'])} parameters, but these networks have "
                f"{len(self.parameters)}: continue with the tokenizer it was begun with, or give "
                "another --run"
            )
        for name in STORED:
            getattr(self, name).copy_(state[name])
        self.step.fill_(state["step"])

    def attach(self, rank: int, every: list[torch.nn.Parameter]) -> None:
        """Make the networks' parameters and this worker's gradients views of the vectors."""
        offset = 0
        for parameter in every:
            part = slice(offset, offset + parameter.numel())
            parameter.data = self.parameters[part].view(parameter.shape)
            parameter.grad = self.gradients[rank][part].view(parameter.shape)
            offset = part.stop

    def optimizer(self, mine: slice, weight_decay: float = 0.01) -> torch.optim.AdamW:
        """AdamW on a slice of the vectors, its moments in the vectors m and v."""
        part = torch.nn.Parameter(self.parameters[mine])
        part.grad = torch.zeros_like(self.parameters[mine])
        made = torch.optim.AdamW(
            [part], 1e-3, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
        )
        step = torch.tensor(float(self.step.item()), device=part.device)
        made.state[part] = {"step": step, "exp_avg": self.m[mine], "exp_avg_sq": self.v[mine]}
        return made

    def update(
        self, rank: int, mine: slice, optimizer: torch.optim.AdamW, barrier, rate: float, ema: float
    ) -> torch.Tensor:
        """Average the gradients, clip to norm 1, AdamW and EMA on a slice; returns the norm."""
        group = optimizer.param_groups[0]
        grad = group["params"][0].grad
        grad.copy_(self.gradients[0][mine])
        for other in self.gradients[1:]:
            grad.add_(other[mine])
        grad.div_(len(self.gradients))
        self.norms[rank] = grad.pow(2).sum()
        barrier()
        norm = self.norms.sum().sqrt()
        grad.div_(norm.clamp(min=1))
        group["lr"] = rate
        optimizer.step()
        self.ema[mine].lerp_(self.parameters[mine], 1 - ema)
        return norm
