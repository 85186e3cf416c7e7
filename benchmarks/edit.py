"""The default preset against the published program, on pairs of icons, in one run.

Target-likeness: the judge (benchmarks/judge.py, its own weights) names the target first, or among
its first five, of all its concepts. Fidelity: PSNR over the source's background (pixels within 0.04
of the border's median color, eroded by two), and the judge's structure distance to the source.
Every method sees the same pictures, prompts and network (bfloat16 UNet, batched); the published
program's evaluations are counted as it makes them (4 per step).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from benchmarks.judge import Judge
from dreamsampler import from_pretrained
from dreamsampler.guidance import cfg, conditional
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.maths import Latent, Step, generators
from dreamsampler.methods import anchored_edit, dreamsampler, flow_edit
from dreamsampler.models import TextCondition
from dreamsampler.samplers import finish
from dreamsampler.tasks import PRESETS
from dreamsampler.tasks.edit.run import edit_levels

HERE = Path(__file__).parent
SIDE = 128


class Bench:
    """Pairs, pictures and the prior they are edited with."""

    def __init__(self, model: str, limit: int | None, every: int, first: int = 0) -> None:
        self.pairs = json.loads((HERE / "edit_pairs.json").read_text())[first::every][:limit]
        self.prior: Any = from_pretrained(model, device="cpu", dtype="float32")
        self.prior.network.to(torch.bfloat16, memory_format=torch.channels_last)
        self.judge = Judge.load()
        self.x = torch.stack([read(HERE / pair["image"]) for pair in self.pairs])
        self.z = torch.cat([self.prior.encode(row[None] * 2 - 1) for row in self.x])
        self.fit = Fit.to((SIDE, SIDE), SIDE, 8)
        self.target = self.together([pair["target_prompt"] for pair in self.pairs])
        self.source = self.together([pair["source_prompt"] for pair in self.pairs])
        self.null = self.prior.condition("")
        self.origin = self.decode(self.z)
        self.ground = background(self.x)
        wanted = [self.judge.concepts.index(pair["target"]) for pair in self.pairs]
        self.wanted = torch.tensor(wanted)

    def together(self, prompts: list[str]) -> TextCondition:
        """One condition whose rows are the prompts of the pairs."""
        rows = [self.prior.condition(prompt).embeddings for prompt in prompts]
        return TextCondition(" | ".join(prompts), torch.cat(rows))

    def decode(self, z: Latent) -> Tensor:
        """Pictures in [-1, 1], one at a time to save memory."""
        return torch.cat([self.prior.decode(row[None]) for row in z]).clamp(-1, 1)

    def pictures(self, z: Latent, whole: bool) -> Tensor:
        """Pictures in [0, 1], put together as the task does, or plainly decoded."""
        decoded = self.decode(z)
        if whole:
            return decoded / 2 + 0.5
        rows = zip(self.x, decoded.split(1), self.origin.split(1), strict=True)
        return torch.stack([assemble(x, edited, origin, self.fit) for x, edited, origin in rows])

    def figures(self, pictures: Tensor) -> dict[str, float]:
        """Likeness and fidelity."""
        order = self.judge.rank(pictures).argsort(1, descending=True)
        place = (order == self.wanted[:, None]).float().argmax(1)
        error = ((pictures - self.x) ** 2 * self.ground).sum((1, 2, 3))
        mse = error / (3 * self.ground.sum((1, 2, 3))).clamp_min(1)
        return {
            "top-1": (place == 0).float().mean().item(),
            "top-5": (place < 5).float().mean().item(),
            "background dB": (-10 * mse.clamp_min(1e-6).log10()).mean().item(),
            "structure": self.judge.distance(pictures, self.x).mean().item(),
        }


def read(path: Path) -> Tensor:
    """A picture at the side of the pairs, (3, h, w) in [0, 1]."""
    with Image.open(path) as image:
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255


def background(x: Tensor) -> Tensor:
    """Where pictures show the color of their border, eroded by two: (b, 1, h, w) of 0 and 1."""
    border = torch.cat([x[:, :, :6].flatten(2), x[:, :, -6:].flatten(2)], 2)
    color = border.median(2).values[:, :, None, None]
    near = ((x - color).abs().amax(1, keepdim=True) < 0.04).float()
    return -functional.max_pool2d(-near, 5, 1, 2)


def methods(bench: Bench, gammas: list[float]) -> dict[str, tuple[Callable[[], Step], bool, int]]:
    """Name -> (run, plainly decoded, evaluations of the published program or 0)."""
    prior, z = bench.prior, bench.z
    rng = lambda: generators(0, len(z))  # noqa: E731

    def published(gamma: float, steps: int = 200) -> Callable[[], Step]:
        return lambda: finish(dreamsampler(prior, z, bench.target, bench.null, steps, gamma))

    def default() -> Step:
        chosen = PRESETS["default"]
        target = cfg(prior, bench.target, bench.null, chosen.guidance_scale or 0.0)
        source, by = conditional(prior, bench.source), conditional(prior, bench.target)
        levels = edit_levels(prior, chosen)
        return finish(anchored_edit(target, source, z, levels, rng(), by=by))

    def flowedit() -> Step:
        chosen = PRESETS["flowedit"]
        target = cfg(prior, bench.target, bench.null, chosen.guidance_scale or 0.0)
        source = cfg(prior, bench.source, bench.null, chosen.source_guidance_scale or 0.0)
        levels = edit_levels(prior, chosen)
        return finish(flow_edit(target, source, z, levels, rng()))

    table = {f"paper, gamma {g:g}": (published(g), True, 800) for g in gammas}
    return table | {"flowedit": (flowedit, False, 0), "default": (default, False, 0)}


def sheet(bench: Bench, results: dict[str, Tensor], path: Path) -> None:
    """Source and results, a row a pair."""
    side, left = 96, 190
    image = Image.new("RGB", (left + side * (len(results) + 1), side * len(bench.x) + 16), "white")
    pen = ImageDraw.Draw(image)
    for k, (name, pictures) in enumerate({"source": bench.x, **results}.items()):
        pen.text((left + k * side + 3, 2), name, fill="black")
        for j, picture in enumerate(pictures):
            pixels = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            small = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
            image.paste(small, (left + k * side, 16 + j * side))
    for j, pair in enumerate(bench.pairs):
        pen.text((4, 16 + j * side + 36), f"{pair['source']}\n-> {pair['target']}", fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    """Measure every method, print the table, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--limit", type=int, default=None, help="only the first pairs")
    parser.add_argument("--every", type=int, default=1, help="every n-th pair")
    parser.add_argument("--first", type=int, default=0, help="the pair to begin with")
    parser.add_argument("--gammas", type=float, nargs="*", default=[0.2])
    parser.add_argument("--out", type=Path, default=HERE / "runs" / "edit.png")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    bench = Bench(options.model, options.limit, options.every, options.first)
    results = {}
    print(f"{len(bench.pairs)} pairs\n")
    print("| method | top-1 | top-5 | background dB | structure | evaluations | s an image |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, (run, whole, counted) in methods(bench, options.gammas).items():
        before, start = bench.prior.evaluations, time.perf_counter()
        last = run()
        took = (time.perf_counter() - start) / len(bench.x)
        used = (bench.prior.evaluations - before) / len(bench.x)
        results[name] = bench.pictures(last.z0, whole)
        row = bench.figures(results[name])
        spent = f"{used:.0f}" + (f" (published: {counted})" if counted else "")
        cells = f"{row['top-1']:.0%} | {row['top-5']:.0%} | {row['background dB']:.1f}"
        print(f"| {name} | {cells} | {row['structure']:.3f} | {spent} | {took:.1f} |", flush=True)
    sheet(bench, results, options.out)
    print(f"\nsheet: {options.out}")


if __name__ == "__main__":
    main()
