"""A small judge of pictures, independent of the bundled model: own weights, own training run.

It names the concept (and the background color) of an icon and gives feature maps for a structure
distance. Trained by training/judge/train.py; this file needs only torch and safetensors.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).parent / "judge"
WEIGHTS = HERE / "judge.safetensors"
DRAWINGS = HERE / "drawings.safetensors"
"""Concept -> mean feature of its drawings, by training/judge/drawings.py."""
SIDE = 64


class Block(nn.Module):
    """A residual block that halves the resolution."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outside)
        self.skip = nn.Conv2d(inside, outside, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[b, inside, h, w] -> [b, outside, h / 2, w / 2]."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.skip(F.avg_pool2d(x, 2)))


class ImageEncoder(nn.Module):
    """64-px pictures to two unit vectors: what it shows, what is behind it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 40, 5, 2, 2, bias=False), nn.BatchNorm2d(40))
        channels = (40, 80, 160, 256)
        self.blocks = nn.ModuleList(Block(a, b) for a, b in pairwise(channels))
        self.subject = nn.Linear(2 * channels[-1], width)
        self.backdrop = nn.Linear(2 * channels[-1], width)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Feature maps at 32, 16, 8 and 4 px."""
        x = F.relu(self.stem(x * 2 - 1))
        output = [x]
        for block in self.blocks:
            x = block(x)
            output.append(x)
        return output

    def pooled(self, x: Tensor) -> Tensor:
        """[b, 3, 64, 64] in [0, 1] -> mean and maximum of the last maps, [b, 512]."""
        top = self.maps(x)[-1]
        return torch.cat([top.mean((2, 3)), top.amax((2, 3))], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[b, 3, 64, 64] in [0, 1] -> two [b, width]."""
        pooled = self.pooled(x)
        return F.normalize(self.subject(pooled), dim=1), F.normalize(self.backdrop(pooled), dim=1)


class TextEncoder(nn.Module):
    """A bag of words to a unit vector."""

    def __init__(self, words: list[str], width: int) -> None:
        super().__init__()
        self.index = {word: i for i, word in enumerate(words)}
        self.words = nn.Embedding(len(words), width)
        self.mix = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, texts: list[str]) -> Tensor:
        """[n, width]; unknown words are left out."""
        rows = []
        for text in texts:
            known = [self.index[word] for word in text.split() if word in self.index]
            rows.append(self.words.weight[known].sum(0))
        bag = torch.stack(rows)
        return F.normalize(bag + self.mix(bag), dim=1)


class DualEncoder(nn.Module):
    """Both encoders and their temperature."""

    def __init__(self, concepts: list[str], backgrounds: list[str], width: int = 128) -> None:
        super().__init__()
        words = sorted({word for text in [*concepts, *backgrounds] for word in text.split()})
        self.image, self.text = ImageEncoder(width), TextEncoder(words, width)
        self.temperature = nn.Parameter(torch.tensor(2.7))

    def logits(self, images: Tensor, concepts: list[str], backgrounds: list[str]):
        """Scaled cosines: [b, concepts] and [b, backgrounds]."""
        subject, backdrop = self.image(images)
        scale = self.temperature.exp()
        return (
            scale * subject @ self.text(concepts).T,
            scale * backdrop @ self.text(backgrounds).T,
        )


class Judge:
    """`Judge.load().rank(images)`: one logit for each concept."""

    def __init__(self, network: DualEncoder, concepts: list[str], backgrounds: list[str]) -> None:
        self.network = network.eval().requires_grad_(False)
        self.concepts, self.backgrounds = concepts, backgrounds
        self._drawings: dict[str, Tensor] | None = None

    @classmethod
    def load(cls, folder: Path | str = HERE) -> Judge:
        """The judge in `folder` (judge.json, judge.safetensors), float32 on the CPU."""
        config = json.loads((Path(folder) / "judge.json").read_text())
        network = DualEncoder(config["concepts"], config["backgrounds"], config["width"])
        weights = load_file(Path(folder) / "judge.safetensors")
        shapes = network.state_dict()
        network.load_state_dict({k: v.to(shapes[k].dtype) for k, v in weights.items()})
        return cls(network, config["concepts"], config["backgrounds"])

    def prepare(self, images: Tensor) -> Tensor:
        """Any square size, [0, 1] -> 64 px."""
        if images.dim() != 4 or images.shape[1] != 3:
            raise ValueError(f"images must be of shape [b, 3, h, w], not {tuple(images.shape)}")
        images = images.float().clamp(0, 1)
        if images.shape[-2:] != (SIDE, SIDE):
            images = F.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
        return images

    @torch.no_grad()
    def rank(self, images: Tensor) -> Tensor:
        """Logits of every concept in `concepts`, [b, n]."""
        return self.network.logits(self.prepare(images), self.concepts, self.backgrounds)[0]

    @torch.no_grad()
    def rank_backgrounds(self, images: Tensor) -> Tensor:
        """Logits of every color word in `backgrounds`, [b, n]."""
        return self.network.logits(self.prepare(images), self.concepts, self.backgrounds)[1]

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """What each picture shows, as a unit vector in the space of the names: [b, width]."""
        return torch.cat([self.network.image(x)[0] for x in self.prepare(images).split(200)])

    @torch.no_grad()
    def features(self, images: Tensor) -> list[Tensor]:
        """Feature maps at 32, 16, 8 and 4 px, unit length along the channels."""
        return [F.normalize(m, dim=1) for m in self.network.image.maps(self.prepare(images))]

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Structure distance of picture pairs: mean squared feature difference, [b], in [0, 4]."""
        pairs = zip(self.features(a), self.features(b), strict=True)
        return torch.stack([(x - y).pow(2).sum(1).mean((1, 2)) for x, y in pairs]).mean(0)

    @torch.no_grad()
    def pooled(self, images: Tensor) -> Tensor:
        """What the network sees last of each picture, as a unit vector: [b, 512]."""
        return F.normalize(self.network.image.pooled(self.prepare(images)), dim=1)

    def drawing_distance(self, images: Tensor, concept: str) -> Tensor:
        """Kernel distance of each picture to real drawings of a concept, [b], in [0, 4].

            |f(x) - mean of f(drawings)|^2

        which is the squared maximum mean discrepancy under the linear kernel of unit features.
        Real drawings of the sets lie at 0.19, those of another concept at 1.38.

        Source: Gretton et al., "A kernel two-sample test", JMLR 13 (2012), eq. 4.
        """
        if self._drawings is None:
            self._drawings = load_file(DRAWINGS)
        return (self.pooled(images) - self._drawings[concept].float()).square().sum(1)

    def top(self, images: Tensor, count: int = 1) -> list[list[str]]:
        """Names of the best `count` concepts of each picture."""
        best = self.rank(images).topk(count).indices.tolist()
        return [[self.concepts[i] for i in row] for row in best]
