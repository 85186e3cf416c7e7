"""A generator of your own, in one file: two colors in the place of a latent."""

import torch
from torch import nn

from dreamsampler import GaussianMixture, GeneratorVariable
from dreamsampler.guidance import conditional
from dreamsampler.maths import generators
from dreamsampler.methods.edit.sds import sds
from dreamsampler.samplers import random_levels


class Ramp(nn.Module):
    """A picture that changes evenly from left to right, between two colors."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.ends = nn.Parameter(torch.zeros(2, 3))
        self.register_buffer("position", torch.linspace(0, 1, width))

    def forward(self) -> torch.Tensor:
        row = torch.lerp(self.ends[0, :, None], self.ends[1, :, None], self.position)
        return row[None, :, None, :].expand(1, 3, len(self.position), -1)


red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
model = GaussianMixture(torch.cat([red, -red]), std=0.3)  # red pictures, or cyan ones
ramp = Ramp()
variable = GeneratorVariable(ramp, torch.optim.Adam(ramp.parameters(), lr=0.1), model.encode)
levels = random_levels(model.schedule, 60, torch.Generator().manual_seed(0))
for _ in sds(conditional(model, 0), variable, levels, generators(0, images=1), step=1.0):
    pass
print("ends of the ramp:", ramp.ends.tolist())
assert (ramp() - red).abs().mean() < 0.2
