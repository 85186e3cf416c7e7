"""A model of your own, in one file: a rectified flow on pixels, with a number as its prompt."""

from collections.abc import Sequence

import torch
from torch import nn

from dreamsampler import Edit, Estimate, Level, Prior, RectifiedFlow
from dreamsampler.maths import Image, Latent, to_estimate


class TinyFlow:
    """What the house asks of a model: four numbers, a schedule and four functions."""

    latent_channels, factor, multiple, native_size = 3, 1, 1, 8

    def __init__(self, network: nn.Module, shift: float = 3.0) -> None:
        self.network, self.schedule = network, RectifiedFlow(shift)

    def condition(self, prompt: str | None) -> torch.Tensor:
        return torch.tensor([float(prompt or 0)])

    def predict(
        self, z: Latent | Sequence[Latent], level: Level, conditions: Sequence[torch.Tensor]
    ) -> list[Estimate]:
        zs = [z] * len(conditions) if isinstance(z, torch.Tensor) else list(z)
        told = torch.cat([c.expand(len(x)) for c, x in zip(conditions, zs, strict=True)])
        time = torch.full_like(told, level.t)
        output = self.network(torch.cat(zs), time, told)
        parts = output.split([len(x) for x in zs])
        return [to_estimate(o, x, level, "flow") for o, x in zip(parts, zs, strict=True)]

    def encode(self, x: Image) -> Latent:
        return x

    def decode(self, z: Latent) -> Image:
        return z


class Network(nn.Module):
    """Yours goes here: (z, time, prompt) -> velocity."""

    def forward(self, z: torch.Tensor, time: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return z * time.view(-1, 1, 1, 1) - told.view(-1, 1, 1, 1)


flow = TinyFlow(Network())
assert isinstance(flow, Prior)
asked = [flow.condition("1"), flow.condition(None)]
one, none = flow.predict(torch.zeros(2, 3, 8, 8), flow.schedule(0.5), asked)
assert (one.z0 - none.z0).mean() > 0  # a larger number, a lighter picture
run = Edit("examples/cat.png", prompt="1", source_prompt="0").start(flow).run()  # any task runs
print("an edit:", tuple(run.pictures()[0].shape), "in", run.total, "steps")
