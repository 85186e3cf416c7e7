"""A model of your own, in one file: a rectified flow on pixels, with a number as its prompt."""

from collections.abc import Sequence

import torch
from torch import nn

from dreamsampler import Edit, Estimate, Level, Prior, RectifiedFlow
from dreamsampler.maths import Image, Latent, to_estimate


class TinyFlow:
    """What a model has to have: four numbers, a schedule and four functions."""

    latent_channels, factor, multiple, native_size = 3, 1, 1, 8

    def __init__(self, network: nn.Module, shift: float = 3.0) -> None:
        self.network, self.schedule = network, RectifiedFlow(shift)

    def condition(self, prompt: str | None) -> torch.Tensor:
        return torch.tensor([float(prompt or 0)])

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[torch.Tensor]
    ) -> list[Estimate]:
        zs = [z] * len(conditions) if isinstance(z, torch.Tensor) else list(z)
        numbers = torch.cat([c.expand(len(x)) for c, x in zip(conditions, zs, strict=True)])
        time = torch.full_like(numbers, level.t)
        output = self.network(torch.cat(zs), time, numbers)
        parts = output.split([len(x) for x in zs])
        return [to_estimate(o, x, level, "flow") for o, x in zip(parts, zs, strict=True)]

    def encode(self, x: Image) -> Latent:
        return x

    def decode(self, z: Latent) -> Image:
        return z


class Network(nn.Module):
    """Put yours here: (z, time, prompt) -> velocity."""

    def forward(self, z: torch.Tensor, time: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return z * time.view(-1, 1, 1, 1) - numbers.view(-1, 1, 1, 1)


flow = TinyFlow(Network())
assert isinstance(flow, Prior)
conditions = [flow.condition("1"), flow.condition(None)]
one, none = flow.predict(torch.zeros(2, 3, 8, 8), flow.schedule(0.5), conditions)
assert (one.z0 - none.z0).mean() > 0  # a larger number, a lighter picture
out = Edit("examples/cat.png", prompt="1", source_prompt="0")(flow)  # every task takes it
print("an edit:", out)
