"""3D objects from text, judged: whether thing, color and view are right.

    python -m training.evaluation.objects --pipeline new=DIR --pipeline old=DIR

The judge is three linear readers (thing, color, view) of the features of `benchmarks/judge.py`,
which knows icons only; they are fitted to rendered pictures, and their own accuracy on other
renderings is printed first. Views are read of toys alone, which have a front.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.judge import Judge
from dreamsampler.generators.field.camera import VIEWS
from training.data.captions import article
from training.data.catalog import COLORS
from training.data.objects import picture
from training.denoiser.sample import Sampler
from training.pictures import as_uint8, contact

SINGLE = ("sphere", "cube", "cone", "cylinder", "torus", "ring", "pyramid", "capsule")
TOYS = ("toy house", "toy car", "toy rocket", "toy duck", "mug", "toy snowman")
THINGS = (*SINGLE, *TOYS, "stack", "pair")


def thing_of(words: str) -> str:
    """'red toy house with a blue roof' -> 'toy house'; 'red cube on a blue cube' -> 'stack'.

    Example:
        >>> [thing_of(w) for w in ("red ball", "blue cone in front of a red cube")]
        ['sphere', 'pair']
    """
    if " in front of " in words:
        return "pair"
    if " on a" in words:
        return "stack"
    name = words.split(" with ")[0].split(" ", 1)[1]
    return "sphere" if name == "ball" else name


def targets(label: dict) -> tuple[int, int, int]:
    """Indices of thing, color and view; -1 where there is none."""
    thing = thing_of(label["words"])
    color = -1 if thing in ("stack", "pair") else list(COLORS).index(label["words"].split(" ")[0])
    view = VIEWS.index(label["view"]) if thing in TOYS else -1
    return THINGS.index(thing), color, view


def rendered(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Pictures [count, 3, 128, 128] in [0, 1] and targets [count, 3] of consecutive seeds."""
    arrays, labels = zip(*(picture(first + i) for i in range(count)), strict=True)
    images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255
    return images, torch.tensor([targets(label) for label in labels])


class Reader:
    """Three softmax regressions on the judge's features."""

    def __init__(self, images: Tensor, labels: Tensor, decay: float = 1e-3) -> None:
        """Fit to labeled pictures."""
        self.judge = Judge.load()
        raw = self.raw(images)
        self.mean, self.std = raw.mean(0), raw.std(0) + 1e-3
        x = (raw - self.mean) / self.std
        self.heads = [
            self.fit(x, labels[:, column], classes, decay)
            for column, classes in enumerate((len(THINGS), len(COLORS), len(VIEWS)))
        ]

    def raw(self, images: Tensor) -> Tensor:
        """Feature maps at 8 and 4 px, pooled to 4 and 2 px, and the middle's colors."""
        rows = []
        for part in images.split(100):
            maps = self.judge.features(part)
            small = torch.nn.functional.adaptive_avg_pool2d(part, 12).flatten(1)
            pooled = [nn.functional.adaptive_avg_pool2d(maps[-2], 4).flatten(1)]
            pooled.append(nn.functional.adaptive_avg_pool2d(maps[-1], 2).flatten(1))
            rows.append(torch.cat([*pooled, small], 1))
        return torch.cat(rows)

    @staticmethod
    def fit(x: Tensor, labels: Tensor, classes: int, decay: float) -> nn.Linear:
        """Softmax regression by L-BFGS on the rows that have a label."""
        x, labels = x[labels >= 0], labels[labels >= 0]
        head = nn.Linear(x.shape[1], classes)
        nn.init.zeros_(head.weight)
        optimizer = torch.optim.LBFGS(head.parameters(), max_iter=60)

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = nn.functional.cross_entropy(head(x), labels)
            value = value + decay * head.weight.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
        return head.requires_grad_(False)

    def accuracy(self, images: Tensor, labels: Tensor) -> list[float]:
        """Percent right of thing, color and view, where there are labels."""
        x = (self.raw(images) - self.mean) / self.std
        output = []
        for column, head in enumerate(self.heads):
            labeled = labels[:, column] >= 0
            right = head(x).argmax(1)[labeled] == labels[labeled, column]
            output.append(100 * right.float().mean().item())
        return output


def prompts() -> tuple[list[str], Tensor]:
    """Every single shape in four colors; every toy in two colors from all four views."""
    rng, rows = random.Random(0), []
    for i, thing in enumerate(SINGLE):
        for color in rng.sample(list(COLORS), 4):
            rows.append((f"{article(color)} {thing}, 3d render", i, list(COLORS).index(color), -1))
    for i, thing in enumerate(TOYS, start=len(SINGLE)):
        for color in rng.sample([c for c in COLORS if c not in ("black", "brown", "orange")], 2):
            for view, word in enumerate(VIEWS):
                rows.append(
                    (f"{article(color)} {thing}, {word}", i, list(COLORS).index(color), view)
                )
    return [row[0] for row in rows], torch.tensor([row[1:] for row in rows])


def main() -> None:
    """Print the table, write a sheet for each pipeline."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipeline", action="append", required=True, help="name=folder; repeat")
    parser.add_argument("--scales", type=float, nargs="+", default=[3.0, 5.0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--pictures", type=int, default=2000, help="renderings to learn from")
    parser.add_argument("--out", type=Path, default=Path("training/runs/evaluation"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    reader = Reader(*rendered(10**8, args.pictures))
    texts, labels = prompts()
    print("| pictures | thing % | color % | view of toys % |\n|---|---|---|---|")
    own = reader.accuracy(*rendered(0, 400))
    print("| other renderings | " + " | ".join(f"{x:.0f}" for x in own) + " |", flush=True)
    for item in args.pipeline:
        name, folder = item.split("=", 1)
        sampler, pages = Sampler.from_pipeline(Path(folder)), {}
        for scale in args.scales:
            batches = [texts[i : i + 16] for i in range(0, len(texts), 16)]
            parts = [sampler(b, scale, args.steps, 16 * i) for i, b in enumerate(batches)]
            pictures = torch.cat(parts)
            pages[f"{scale}"] = as_uint8(pictures)
            figures = reader.accuracy(pictures, labels)
            cells = " | ".join(f"{x:.0f}" for x in figures)
            print(f"| {name}, guidance {scale:g} | {cells} |", flush=True)
        contact(pages, texts, args.out / f"objects_{name}.png")


if __name__ == "__main__":
    main()
