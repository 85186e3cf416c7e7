"""The default preset against the published program on faces with a hole, in one run.

Sources are drawings of faces in three styles (inpaint_pairs.json); the hole is cut from the face's
own outline: its eyes, the top or the lower half of the picture. Both presets run as a person runs
them, one picture at a time, from the files.

Target-likeness: the judge (benchmarks/judge.py) names the target first, or among its first five, of
all its concepts; all but the hole is the source's. Outside: whether every pixel there is the
source's, bit for bit. Edge: mean step of the colors (of 255) across the edge of the hole; what is
painted may rightly have outlines there, so the icon set's own drawing of the target is measured
along the same line. Seam: by how much that step exceeds the mean of the two steps beside it, one
pixel further in and one further out; a picture without a seam has none on average. Time is that of
one core, so that other programs on the machine do not count.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.judge import Judge
from dreamsampler import from_pretrained
from dreamsampler.images.picture import open_picture
from dreamsampler.images.seam import jump
from dreamsampler.tasks.inpaint.task import INPAINT_PRESETS, Inpaint

HERE = Path(__file__).parent
#: hole -> top, bottom, left, right, as shares of the box around the face
BOXES = {
    "eyes": (0.10, 0.62, -0.10, 1.10),
    "ellipse": (0.08, 0.64, -0.04, 1.04),
    "top": (-0.20, 0.44, -0.20, 1.20),
    "lower": (0.42, 1.04, -0.04, 1.04),
}


def hole_of(picture: Tensor, kind: str) -> Tensor:
    """The hole in a picture of a face on a plain background, (1, h, w) of zeros and ones."""
    color = picture[:, :6].flatten(1).median(1).values[:, None, None]
    face = (picture - color).abs().amax(0) > 0.04
    rows, columns = face.any(1).nonzero(), face.any(0).nonzero()
    top, left = int(rows[0]), int(columns[0])
    high, wide = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    first, last, start, stop = BOXES[kind]
    y0, y1 = top + first * high, top + last * high
    x0, x1 = left + start * wide, left + stop * wide
    y, x = torch.meshgrid(*(torch.arange(n) + 0.5 for n in picture.shape[1:]), indexing="ij")
    if kind == "ellipse":
        across, down = (2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0)
        return (across**2 + down**2 <= 1).float()[None]
    return ((y > y0) & (y < y1) & (x > x0) & (x < x1)).float()[None]


class Bench:
    """Pairs, their holes as files, and who is asked about the results."""

    def __init__(self, pairs: list[dict[str, Any]], model: str, folder: Path) -> None:
        self.pairs, self.folder = pairs, folder
        self.prior: Any = from_pretrained(model, device="cpu", dtype="float32")
        self.judge = Judge.load()
        self.x = [open_picture(HERE / pair["image"]).rgb for pair in pairs]
        self.drawn = [open_picture(HERE / pair["drawn"]).rgb for pair in pairs]
        self.holes = [hole_of(x, pair["hole"]) for x, pair in zip(self.x, pairs, strict=True)]
        for pair, hole in zip(pairs, self.holes, strict=True):
            Image.fromarray((hole[0] * 255).byte().numpy()).save(self.mask(pair))
        self.wanted = [self.judge.concepts.index(pair["target"]) for pair in pairs]

    def mask(self, pair: dict[str, Any]) -> Path:
        """The file of a pair's hole."""
        return self.folder / f"{pair['id']:02d}.png"

    def run(self, options: dict[str, Any]) -> tuple[list[Tensor], float, float]:
        """Results, evaluations an image, and seconds of one core an image."""
        results: list[Tensor] = []
        used, start = 0, time.process_time()
        for pair in self.pairs:
            task = Inpaint(HERE / pair["image"], pair["target"], (self.mask(pair),), **options)
            run = task.start(self.prior).run()
            results += run.pictures()
            used += run.evaluations
        count = len(self.pairs)
        return results, used / count, (time.process_time() - start) / count

    def edges(self, pictures: list[Tensor]) -> Tensor:
        """Mean step across the edge of each hole, of 255."""
        return torch.tensor([255 * jump(p, m) for p, m in zip(pictures, self.holes, strict=True)])

    def seams(self, pictures: list[Tensor]) -> Tensor:
        """Excess of the step across the edge of each hole over its neighbors, of 255."""
        pairs = zip(pictures, self.holes, strict=True)
        return torch.tensor([255 * excess(picture, hole) for picture, hole in pairs])

    def figures(self, pictures: list[Tensor]) -> dict[str, float]:
        """Likeness, what happened outside, and the edge."""
        order = self.judge.rank(torch.stack(pictures)).argsort(1, descending=True)
        place = (order == torch.tensor(self.wanted)[:, None]).float().argmax(1)
        rows = zip(pictures, self.x, self.holes, strict=True)
        same = [torch.equal(_bytes(p)[:, m[0] == 0], _bytes(x)[:, m[0] == 0]) for p, x, m in rows]
        edges, seams = self.edges(pictures), self.seams(pictures)
        return {
            "top-1": (place == 0).float().mean().item(),
            "top-5": (place < 5).float().mean().item(),
            "outside": sum(same) / len(same),
            "edge": edges.mean().item(),
            "median": edges.median().item(),
            "seam": seams.mean().item(),
            "worst": seams.max().item(),
        }


def excess(picture: Tensor, hole: Tensor) -> float:
    """Mean of: step across the edge, less half the sum of the steps on both sides of it."""
    found: list[Tensor] = []
    for axis in (0, 1):
        crossing = hole[0].diff(dim=axis) != 0
        steps = picture.diff(dim=axis + 1).abs().mean(0)
        count = steps.shape[axis]
        middle, before, after = (steps.narrow(axis, i, count - 2) for i in (1, 0, 2))
        found.append((middle - (before + after) / 2)[crossing.narrow(axis, 1, count - 2)])
    return torch.cat(found).mean().item()


def _bytes(picture: Tensor) -> Tensor:
    return (picture * 255).round().byte()


def sheet(bench: Bench, results: dict[str, list[Tensor]], path: Path) -> None:
    """Source, hole and results, a row a pair."""
    side, left = 128, 190
    holes = [x * (1 - m) + 0.5 * m for x, m in zip(bench.x, bench.holes, strict=True)]
    columns = {"source": bench.x, "hole": holes, **results, "drawn by the set": bench.drawn}
    image = Image.new("RGB", (left + side * len(columns), side * len(bench.x) + 16), "white")
    pen = ImageDraw.Draw(image)
    for k, (name, pictures) in enumerate(columns.items()):
        pen.text((left + k * side + 3, 2), name, fill="black")
        for j, picture in enumerate(pictures):
            pixels = _bytes(picture.permute(1, 2, 0)).numpy().astype(np.uint8)
            small = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
            image.paste(small, (left + k * side, 16 + j * side))
    for j, pair in enumerate(bench.pairs):
        words = f"{pair['source']}, {pair['style']}\n-> {pair['target']}"
        pen.text((4, 16 + j * side + 36), words, fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def report(bench: Bench, presets: list[str], steps: int | None) -> dict[str, list[Tensor]]:
    """The table, line by line as it is measured; the results."""
    print(f"{len(bench.pairs)} pictures\n")
    print("| picture | top-1 | top-5 | outside | edge (median) | seam (largest) | evaluations "
          "| s of a core an image |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name, pictures in (("source", bench.x), ("drawing of the target", bench.drawn)):
        _line(name, bench.figures(pictures), "", "")
    results: dict[str, list[Tensor]] = {}
    for preset in presets:
        own = {"num_inference_steps": steps} if steps and preset == "default" else {}
        results[preset], used, took = bench.run({"preset": preset, **own})
        _line(preset, bench.figures(results[preset]), f"{used:.0f}", f"{took:.1f}")
    return results


def _line(name: str, row: dict[str, float], used: str, took: str) -> None:
    cells = f"{row['top-1']:.0%} | {row['top-5']:.0%} | {row['outside']:.0%} bit for bit"
    edge = f"{row['edge']:.2f} ({row['median']:.2f}) | {row['seam']:.2f} ({row['worst']:.2f})"
    print(f"| {name} | {cells} | {edge} | {used} | {took} |", flush=True)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    """Measure the presets, print the table, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--every", type=int, default=7, help="every n-th pair")
    parser.add_argument("--first", type=int, default=0, help="the pair to begin with")
    parser.add_argument("--presets", nargs="+", default=list(INPAINT_PRESETS))
    parser.add_argument("--steps", type=int, default=None, help="levels of the default preset")
    parser.add_argument("--out", type=Path, default=HERE / "runs" / "inpaint.png")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    pairs = json.loads((HERE / "inpaint_pairs.json").read_text())[options.first :: options.every]
    with TemporaryDirectory() as folder:
        bench = Bench(pairs, options.model, Path(folder))
        results = report(bench, options.presets, options.steps)
        sheet(bench, results, options.out)
    print(f"\nsheet: {options.out}")


if __name__ == "__main__":
    main()
