"""Regularizers beyond the paper, on the default edit: what each is for, and what it costs.

Every n-th of the pairs of benchmarks/edit.py is edited with and without each of them, from the same
noise. For each: its own figure without and with it, and what the judge and the background say.

- flattened: edges (total variation a pixel, of 255) and paths that a tracer needs
- mirrored: mean difference of the halves, of 255
- palette: mean distance of a pixel to the nearest color of the palette, of 255
- resembling: how far the statistics of the autoencoder's stages are from those of the reference, as
  a share of them, in percent
- seamless: jump across the border over the mean step between neighbors inside (1: no seam), on the
  same pairs laid on a ground that fades from left to right
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.edit import HERE, Bench, read
from dreamsampler.generators.vector import traced
from dreamsampler.maths import generators
from dreamsampler.methods import anchored_edit
from dreamsampler.models.features import encoder_features
from dreamsampler.objectives import Regularizer, cfg, chain, decoded, palette_of, plain
from dreamsampler.objectives.resembling import Features
from dreamsampler.objectives.words import read_regularizers
from dreamsampler.samplers import finish
from dreamsampler.tasks import PRESETS
from dreamsampler.tasks.edit_run import edit_levels

PALETTE = HERE.parent / "examples" / "apple.png"
COLORS = 6
CASES = {
    "flattened": ("flattened", "edges"),
    "mirrored": ("mirrored", "halves"),
    f"palette(apple.png, {COLORS})": ("palette", "off the palette"),
    "resembling(apple.png)": ("resembling", "off the style"),
    "seamless": ("seamless", "seam"),
}


def edited(bench: Bench, words: str | None) -> Tensor:
    """The default edit of all pairs, (b, 3, h, w) in [0, 1]."""
    prior, chosen = bench.prior, PRESETS["default"]
    bend: Regularizer = chain()
    if words is not None:
        named = read_regularizers(words)
        pictures = named.build(lambda path: read(PALETTE)[None] * 2 - 1, lambda _: sight(bench))
        bend = decoded(pictures, prior.encode, bench.decode)
    target = cfg(prior, bench.target, bench.null, chosen.guidance_scale or 0.0)
    source, by = plain(prior, bench.source), plain(prior, bench.target)
    levels, rng = edit_levels(prior, chosen), generators(0, len(bench.z))
    walk = anchored_edit(target, source, bench.z, levels, rng, by=by, regularize=bend)
    return bench.pictures(finish(walk).z0, whole=False)


def sight(bench: Bench) -> Features:
    """What the model's own autoencoder sees."""
    return encoder_features(bench.prior)


def measured(bench: Bench, name: str, x: Tensor) -> float:
    """A regularizer's own figure, over pictures in [0, 1]."""
    if name == "resembling":
        told = [style_of(sight(bench)(each[None] * 2 - 1)) for each in (*x, read(PALETTE))]
        *rows, wanted = told
        return 100 * sum(distance(row, wanted) for row in rows) / len(rows)
    if name == "flattened":
        down, right = x.diff(dim=-2)[..., :-1], x.diff(dim=-1)[..., :-1, :]
        return 255 * (down.square() + right.square()).sum(1).sqrt().mean().item()
    if name == "mirrored":
        return 255 * (x - x.flip(-1)).abs().mean().item()
    if name == "palette":
        colors = palette_of(read(PALETTE)[None] * 2 - 1, COLORS) / 2 + 0.5
        rows = x.movedim(1, -1).reshape(-1, 3)
        return 255 * torch.cdist(rows, colors).amin(1).mean().item()
    jump = (x[..., 0] - x[..., -1]).abs().mean() + (x[..., 0, :] - x[..., -1, :]).abs().mean()
    inside = x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()
    return (jump / inside).item()


def style_of(layers: list[Tensor]) -> list[Tensor]:
    """Mean and deviation of every channel."""
    return [torch.cat([m.mean((2, 3)), m.std((2, 3), correction=0)], 1) for m in layers]


def distance(seen: list[Tensor], wanted: list[Tensor]) -> float:
    """Root mean square over layers of |seen - wanted| / |wanted|."""
    pairs = zip(seen, wanted, strict=True)
    shares = torch.stack([((a - b).norm() / b.norm()) ** 2 for a, b in pairs])
    return float(shares.mean().sqrt())


def paths(x: Tensor) -> float:
    """Paths that a tracer makes of a picture, in the mean."""
    return sum(traced(row, 4096).paths for row in x) / len(x)


def faded(bench: Bench) -> None:
    """Lay the pairs on a ground that gets darker from left to right, so that a seam shows."""
    share = torch.linspace(0.25, 0.0, bench.x.shape[-1])
    bench.x = bench.x * (1 - share)
    bench.z = torch.cat([bench.prior.encode(row[None] * 2 - 1) for row in bench.x])
    bench.origin = bench.decode(bench.z)


def row(bench: Bench, name: str, words: str, free: Tensor) -> tuple[Tensor, str]:
    """One line of the table, and the pictures."""
    start = time.perf_counter()
    made = edited(bench, words)
    took = (time.perf_counter() - start) / len(made)
    before, after = measured(bench, name, free), measured(bench, name, made)
    told = f"{before:.2f} to {after:.2f}"
    if name == "flattened":
        told += f"; {paths(free):.0f} to {paths(made):.0f} paths"
    old, new = bench.figures(free), bench.figures(made)
    cells = [f"{old[k]:.0%} to {new[k]:.0%}" for k in ("top-1", "top-5")]
    ground = f"{old['background dB']:.1f} to {new['background dB']:.1f}"
    return made, f"| `{words}` | {told} | {' | '.join(cells)} | {ground} | {took:.1f} |"


def sheet(columns: dict[str, list[Tensor]], path: Path, side: int = 128) -> None:
    """Pictures in rows under their titles."""
    font: Any = ImageFont.load_default(13)
    count = len(next(iter(columns.values())))
    image = Image.new("RGB", ((side + 8) * len(columns), count * (side + 8) + 22), "white")
    pen = ImageDraw.Draw(image)
    for k, (title, pictures) in enumerate(columns.items()):
        pen.text((k * (side + 8) + 3, 3), title, fill="black", font=font)
        for j, picture in enumerate(pictures):
            rows = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            small = Image.fromarray(rows).resize((side, side), Image.Resampling.LANCZOS)
            image.paste(small, (k * (side + 8) + 4, 22 + j * (side + 8)))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--limit", type=int, default=None, help="only the first pairs")
    parser.add_argument("--every", type=int, default=3, help="every n-th pair")
    parser.add_argument("--first", type=int, default=0, help="the pair to begin with")
    parser.add_argument("--shown", type=int, nargs="*", default=[0, 1, 2, 3])
    parser.add_argument("--out", type=Path, default=HERE / "runs" / "regularizers.png")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    bench = Bench(options.model, options.limit, options.every, options.first)
    start = time.perf_counter()
    free = edited(bench, None)
    print(f"{len(free)} pairs, {(time.perf_counter() - start) / len(free):.1f} s an edit without\n")
    print("| regularizer | its own figure | top-1 | top-5 | background dB | s an edit |")
    print("|---|---|---|---|---|---|", flush=True)
    kept = {"source": bench.x, "no regularizer": free}
    for words, (name, _) in CASES.items():
        if name == "seamless":
            faded(bench)
            free = edited(bench, None)
        made, line = row(bench, name, words, free)
        print(line, flush=True)
        if name == "seamless":
            kept |= {"a fading ground": free.repeat(1, 1, 2, 2)}
            made = made.repeat(1, 1, 2, 2)
        kept[name] = made
    sheet({k: [v[i] for i in options.shown if i < len(v)] for k, v in kept.items()}, options.out)
    print(f"\nsheet: {options.out}")


if __name__ == "__main__":
    main()
