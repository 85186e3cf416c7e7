"""The pictures of docs/parameters.md: one edit, one option of it turned from little to much a row.

    python -m benchmarks.strip --out docs/images

Under each picture: how far it is from the source where nothing was to change (dB over the source's
background, as in benchmarks/edit.py), and the judge's first name for it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.edit import HERE, background, read
from benchmarks.judge import Judge
from dreamsampler import from_pretrained
from dreamsampler.tasks import Edit

PAIR = ("edit_pairs/00_cat-face.png", "dog face on a light blue background", "cat face")
GROUND = " on a light blue background"
ROWS: dict[str, list[dict[str, Any]]] = {
    "strength": [{"strength": s} for s in (0.45, 0.6, 0.75, 0.88, 1.0)],
    "guidance_scale": [{"guidance_scale": g} for g in (1.5, 3.0, 5.0, 9.0, 15.0)],
    "num_inference_steps": [{"num_inference_steps": n} for n in (2, 4, 8, 16, 32)],
    "seed": [{"seed": s} for s in range(5)],
}
SOURCES: list[tuple[str, dict[str, Any]]] = [
    ("no source prompt", {"source_prompt": None}),
    ("source prompt", {}),
    ("preset flowedit", {"preset": "flowedit"}),
    ("preset paper", {"preset": "paper", "source_prompt": None}),
    ("mirrored", {"regularize": "symmetry"}),
]


def cells() -> list[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """(row, [(label, options)])."""
    rows = [
        (name, [(f"{value}", {name: value}) for each in row for value in each.values()])
        for name, row in ROWS.items()
    ]
    return [*rows, ("what is told", SOURCES)]


def edited(prior: Any, options: dict[str, Any]) -> Tensor:
    """One edit, (3, h, w) in [0, 1]."""
    image, prompt, source = PAIR
    task = Edit(HERE / image, prompt, **{"source_prompt": source + GROUND, **options})
    return task.start(prior).run().pictures()[0]


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    """Make every cell, print its figures, write the strip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--side", type=int, default=116)
    parser.add_argument("--out", type=Path, default=HERE / "runs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    prior, judge = from_pretrained(options.model), Judge.load()
    source = read(HERE / PAIR[0])[None]
    ground, side, left = background(source), options.side, 150
    rows = cells()
    image = Image.new("RGB", (left + 6 * (side + 8), len(rows) * (side + 38)), "white")
    pen, font = ImageDraw.Draw(image), _font(12)
    for j, (name, row) in enumerate(rows):
        top = j * (side + 38)
        pen.text((6, top + side // 2 - 8), name, fill="black", font=_font(13))
        shown = [("source", source[0])]
        shown += [(label, edited(prior, own)) for label, own in row]
        for k, (label, picture) in enumerate(shown):
            x = picture[None]
            error = ((x - source) ** 2 * ground).sum() / (3 * ground.sum())
            kept = -10 * error.clamp_min(1e-6).log10().item()
            named = judge.concepts[int(judge.rank(x).argmax())]
            print(f"{name} | {label} | {kept:.1f} dB | {named}", flush=True)
            place = left + k * (side + 8)
            image.paste(_small(picture, side), (place, top))
            pen.text((place, top + side + 1), label, fill="black", font=font)
            told = named if k == 0 else f"{kept:.0f} dB, {named}"
            pen.text((place, top + side + 15), told, fill="dimgray", font=font)
    options.out.mkdir(parents=True, exist_ok=True)
    image.save(options.out / "parameters.png", optimize=True)


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _small(picture: Tensor, side: int) -> Image.Image:
    rows = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return Image.fromarray(rows).resize((side, side), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
