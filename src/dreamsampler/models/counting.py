"""A model without networks, that counts the evaluations of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from dreamsampler.maths import Image, Latent, Level
from dreamsampler.models.family import Family, TextCondition, TextInputs
from dreamsampler.models.few_steps import FewSteps
from dreamsampler.models.network import NetworkPrior


@final
class Tally:
    """What a run needed.

    Attributes:
        rows: most rows in one forward of the network.
        images: most pictures encoded or decoded at a time.
        size: height and width of the largest picture that was encoded or decoded, in pixels.
        gradients: whether gradients went through network or decoder.
    """

    def __init__(self) -> None:
        self.rows, self.images, self.gradients = 0, 0, False
        self.size: tuple[int, int] = (0, 0)

    def add_images(self, images: int, height: int, width: int) -> None:
        """Count pictures of a size that were encoded or decoded at a time."""
        self.images = max(self.images, images)
        self.size = max(self.size, (height, width), key=lambda size: size[0] * size[1])


@final
class _Empty(nn.Module):
    """A module of one number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.config = SimpleNamespace(in_channels=channels)
        self.dtype = torch.float32


@final
class _CountingFamily:
    """A family whose output depends on the prompt alone, and that counts its calls."""

    def __init__(self, real: Family, tally: Tally) -> None:
        self.real, self._tally = real, tally
        self.network: Any = _Empty(real.latent_channels)
        self.encoders: dict[str, Any] = {"none": None}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def encode_prompt(self, prompt: str, **call: Any) -> tuple[TextCondition, None]:
        """One number for a prompt; different ones for different prompts."""
        del call
        number = (sum(map(ord, prompt)) % 97) / 97
        return TextCondition(prompt, torch.full((1, 1, 1), number)), None

    def forward(self, z: Latent, level: Level, inputs: TextInputs | Tensor | None) -> Tensor:
        """Something small, different for every prompt, that gradients pass."""
        del level
        self._tally.rows = max(self._tally.rows, len(z))
        self._tally.gradients |= z.requires_grad and torch.is_grad_enabled()
        if inputs is None or isinstance(inputs, Tensor):  # a model of pixels reads no words
            return 0.1 * z
        return 0.1 * z + inputs.embeddings.view(-1, 1, 1, 1)


@final
class _CountingCodec:
    """An autoencoder that averages cells, and counts its pictures."""

    def __init__(self, factor: int, channels: int, tally: Tally) -> None:
        self.factor, self._channels, self._tally = factor, channels, tally
        self.vae: Any = _Empty(3)
        self.dtype = torch.float32

    def encode(self, x: Image) -> Latent:
        """Means of cells."""
        self._tally.add_images(len(x), *x.shape[2:])
        gray = avg_pool2d(x, self.factor).mean(1, keepdim=True)
        return gray.repeat(1, self._channels, 1, 1)

    def decode(self, z: Latent) -> Image:
        """Cells of one color."""
        self._tally.add_images(len(z), *(self.factor * side for side in z.shape[2:]))
        self._tally.gradients |= z.requires_grad and torch.is_grad_enabled()
        return interpolate(z.mean(1, keepdim=True).repeat(1, 3, 1, 1), scale_factor=self.factor)


def counted_family(prior: Any) -> Family | None:
    """The real family of a model without networks; None for a real model."""
    family = getattr(prior, "family", None)
    return family.real if isinstance(family, _CountingFamily) else None


def counting_prior(
    family: Family, factor: int, name: str, few: FewSteps
) -> tuple[NetworkPrior, Tally]:
    """A prior with a family's sizes, schedule and guidance but no network, and its count."""
    tally = Tally()
    counting: Any = _CountingFamily(family, tally)
    codec: Any = _CountingCodec(factor, family.latent_channels, tally)
    prior = NetworkPrior(counting, codec, name=name, owned=True)
    few.apply(prior)
    return prior, tally
