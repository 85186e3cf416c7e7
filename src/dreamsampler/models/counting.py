"""A model without networks, that counts what a run would ask of the real one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from dreamsampler.maths import Image, Latent, Level, Schedule, Target
from dreamsampler.models.family import Family, Guidance, TextCondition, Told
from dreamsampler.models.few_steps import FewSteps
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.prompt import Tokens


@final
class Tally:
    """What was asked.

    Attributes:
        rows: most rows in one forward of the network.
        images: most pictures encoded or decoded at a time.
        size: height and width of the largest picture that was encoded or decoded, in pixels.
        gradients: whether gradients went through network or decoder.
    """

    def __init__(self) -> None:
        self.rows, self.images, self.gradients = 0, 0, False
        self.size: tuple[int, int] = (0, 0)

    def coded(self, images: int, height: int, width: int) -> None:
        """So many pictures of a size were encoded or decoded at a time."""
        self.images = max(self.images, images)
        self.size = max(self.size, (height, width), key=lambda size: size[0] * size[1])


@final
class _Nothing(nn.Module):
    """A module of one number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.config = SimpleNamespace(in_channels=channels)
        self.dtype = torch.float32


@final
class _Told:
    """A family that answers by the prompt alone, and takes down how it was asked."""

    def __init__(self, real: Family, tally: Tally) -> None:
        self.network: Any = _Nothing(real.latent_channels)
        self.stands_for = real
        self.encoders: dict[str, Any] = {"none": None}
        self.schedule: Schedule = real.schedule
        self.target: Target = real.target
        self.latent_channels, self.cells = real.latent_channels, real.cells
        self.native_cells = real.native_cells
        self.guidance: Guidance = real.guidance
        self.default_scale = real.default_scale
        self._tally = tally

    def read(self, prompt: str) -> tuple[TextCondition, Tokens]:
        """One number for a prompt; different ones for different prompts."""
        number = (sum(map(ord, prompt)) % 97) / 97
        ids = torch.zeros(1, 1)
        return TextCondition(prompt, torch.full((1, 1, 1), number)), Tokens(ids, ids, "", 0)

    def ask(self, z: Latent, level: Level, told: Told) -> Tensor:
        """Something small, different for every prompt, that gradients pass."""
        del level
        self._tally.rows = max(self._tally.rows, len(z))
        self._tally.gradients |= z.requires_grad and torch.is_grad_enabled()
        return 0.1 * z + told.embeddings.view(-1, 1, 1, 1)


@final
class _Cells:
    """An autoencoder that averages cells."""

    def __init__(self, factor: int, channels: int, tally: Tally) -> None:
        self.factor, self._channels, self._tally = factor, channels, tally
        self.vae: Any = _Nothing(3)
        self.place = (torch.device("cpu"), torch.float32)

    def encode(self, x: Image) -> Latent:
        """Means of cells."""
        self._tally.coded(len(x), *x.shape[2:])
        gray = avg_pool2d(x, self.factor).mean(1, keepdim=True)
        return gray.repeat(1, self._channels, 1, 1)

    def decode(self, z: Latent) -> Image:
        """Cells of one color."""
        self._tally.coded(len(z), *(self.factor * side for side in z.shape[2:]))
        self._tally.gradients |= z.requires_grad and torch.is_grad_enabled()
        return interpolate(z.mean(1, keepdim=True).repeat(1, 3, 1, 1), scale_factor=self.factor)


def stands_for(prior: Any) -> Any:
    """The family that a model without networks stands for; None for a real model."""
    family = getattr(prior, "family", None)
    return family.stands_for if isinstance(family, _Told) else None


def counting_prior(
    family: Family, factor: int, name: str, few: FewSteps
) -> tuple[NetworkPrior, Tally]:
    """A prior with a family's sizes, schedule and guidance, and no network.

    Args:
        family: the real one; its network is not asked.
        factor: pixels per cell.
        name: of the model.
        few: how it was distilled.

    Returns:
        The prior, whose evaluations count as ever, and what else was asked of it.
    """
    tally = Tally()
    codec: Any = _Cells(factor, family.latent_channels, tally)
    prior = NetworkPrior(_Told(family, tally), codec, name=name, owned=True)
    few.apply(prior)
    return prior, tally
