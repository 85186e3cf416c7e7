"""Photographs restored with the model `photo`, beside classical methods, on pictures of yours.

    python -m benchmarks photographs --pictures testsets/CBSD68 --limit 12

Usual test sets are CBSD68, Set5, Set14, Set3C (github.com/cszn/IRCNN, folder testsets). BM3D is a
row where the package bm3d is installed (its license allows research). Noise is the same for every
row, cut off at black and white as a file cuts it. PSNR in dB over the whole picture, mean over
pictures.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from benchmarks.baselines import wiener
from benchmarks.report import header, line
from dreamsampler import Restore, from_pretrained
from dreamsampler.operators import Mask, is_linear
from dreamsampler.operators.spec import as_description
from dreamsampler.regularizers import Measurement
from dreamsampler.tasks.data_consistency import ROUNDING, first_guess

CASES: dict[str, tuple[str, float]] = {
    "noise 15": ("none", 15 / 255),
    "noise 25": ("none", 25 / 255),
    "noise 50": ("none", 50 / 255),
    "blur 1.6, noise 0.01": ("blur(sigma=1.6)", 0.01),
    "blur 3, noise 0.01": ("blur(sigma=3)", 0.01),
    "blur 1.6, noise 0.03": ("blur(sigma=1.6)", 0.03),
    "motion blur, noise 0.01": ("motion_blur(length=15, angle=30)", 0.01),
    "2 x smaller": ("downsample(2)", 0.0),
    "3 x smaller": ("downsample(3)", 0.0),
    "50 % lost": ("lost 0.5", 0.0),
    "80 % lost": ("lost 0.8", 0.0),
    "scratches": ("scratches", 0.0),
}
"""Name -> operator and noise."""
SCRATCHES = 8


def lost(kind: str, size: tuple[int, int], rng: torch.Generator) -> Mask:
    """A mask: a share of all pixels, or lines of 3 pixels."""
    h, w = size
    if kind != "scratches":
        return Mask((torch.rand(1, 1, h, w, generator=rng) >= float(kind.split()[1])).float())
    known = torch.ones(1, 1, h, w)
    rows = torch.arange(h)
    for _ in range(SCRATCHES):
        ends = torch.rand(2, generator=rng) * (w - 4)
        first = (ends[0] + (ends[1] - ends[0]) * rows / (h - 1)).long()
        for k in range(3):
            known[0, 0, rows, first + k] = 0
    return Mask(known)


def classical(data: Measurement) -> dict[str, Callable[[], Tensor]]:
    """Name -> what makes its picture."""
    rows: dict[str, Callable[[], Tensor]] = {"total variation": lambda: first_guess(data)}
    if is_linear(data.op) and not isinstance(data.op, Mask):
        op = data.op
        rows["Wiener"] = lambda: wiener(op, data.y, data.noise)
    if data.y.shape[-2:] != data.size:
        rows["bicubic"] = lambda: functional.interpolate(data.y, data.size, mode="bicubic")
    elif not isinstance(data.op, Mask):
        rows["as measured"] = lambda: data.y
    if type(data.op).__name__ == "LinearComposition" and importlib.util.find_spec("bm3d"):
        rows["BM3D"] = lambda: bm3d(data)
    return rows


def bm3d(data: Measurement) -> Tensor:
    """Color BM3D of the package bm3d, at its default profile."""
    module = importlib.import_module("bm3d")
    found = module.bm3d_rgb(data.y[0].permute(1, 2, 0).double().numpy(), data.noise)
    return torch.from_numpy(np.asarray(found)).float().permute(2, 0, 1)[None]


def psnr(x: Tensor, truth: Tensor) -> float:
    """In dB, of pictures in [0, 1]."""
    return -10 * (x.clamp(0, 1) - truth).square().mean().log10().item()


def opened(path: Path, side: int) -> Tensor:
    """A picture, its middle if it is larger than a side: (1, 3, h, w)."""
    with Image.open(path) as file:
        pixels = torch.from_numpy(np.array(file.convert("RGB"))).permute(2, 0, 1)[None] / 255
    h, w = (min(n, side) // 12 * 12 for n in pixels.shape[2:])
    top, left = (pixels.shape[2] - h) // 2, (pixels.shape[3] - w) // 2
    return pixels[..., top : top + h, left : left + w]


def main(
    pictures: Path,
    limit: int = 12,
    side: int = 512,
    model: str = "photo",
    case: tuple[str, ...] = (),
    method: tuple[str, ...] = (),
) -> None:
    """Measure and print the table.

    Args:
        pictures: folder of photographs.
        limit: how many of them, evenly over the folder.
        side: larger ones are cut to their middle.
        model: that restores.
        case: names of rows; all if left out.
        method: further methods of the task to measure with the model, such as dps and flowdps.
    """
    files = sorted(p for p in pictures.iterdir() if p.suffix.lower() in (".png", ".bmp", ".tif"))
    chosen = files[:: max(1, len(files) // limit)][:limit]
    prior = from_pretrained(model)
    print(f"{len(chosen)} of {len(files)} pictures of {pictures.name}, PSNR in dB")
    print(header("case", "row", "PSNR", "seconds"))
    for name in case or CASES:
        operator, noise = CASES[name]
        scores: dict[str, list[float]] = {}
        seconds: dict[str, float] = {}
        for i, path in enumerate(chosen):
            truth = opened(path, side)
            rng = torch.Generator().manual_seed(i)
            size = (truth.shape[2], truth.shape[3])
            masked = operator.split()[0] in ("lost", "scratches")
            op = lost(operator, size, rng) if masked else as_description(operator).build(size)
            clean = op.A(truth)
            y = (clean + noise * torch.randn(clean.shape, generator=rng)).clamp(0, 1)
            measured = Measurement(op, y, noise or ROUNDING / 255, lambda z: z, lambda x: x)
            rows = classical(measured)
            task = Restore(y[0], op if masked else operator, noise=noise)
            tasks = {model: task} | {f"{model}, {m}": replace(task, method=m) for m in method}
            for row, each in tasks.items():
                rows[row] = lambda each=each: each(prior, progress=False).run.pictures()[0][None]
            for row, make in rows.items():
                before = time.perf_counter()
                scores.setdefault(row, []).append(psnr(make(), truth))
                seconds[row] = seconds.get(row, 0) + time.perf_counter() - before
        for row, found in scores.items():
            mean = sum(found) / len(found)
            print(line(name, row, f"{mean:.2f}", f"{seconds[row] / len(found):.2f}"), flush=True)
