"""Restoration of measured icons: the task against classical methods and published presets.

Pictures of benchmarks/edit_pairs at 128 px are measured (blurred or scaled down, noise added, cut
to [0, 1], rounded to 8 bits, written as PNG), and the files restored by `Restore` as a user would.
The methods were tuned on other pictures, every fifth from the second (benchmarks/classical.py too);
those are only measured with --tuning. The input of a downsampled picture is its bicubic
enlargement. PSNR and SSIM against the sharp picture; the judge (benchmarks/judge.py, its own
weights) names the concept; "residual" is |y - A x| over what noise and clipping lead to expect, 1
is right for noise; what 8 bits round off is none where a picture is flat, so the sharp pictures are
measured as well.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from benchmarks.classical import CLASSICAL, TUNED
from benchmarks.judge import Judge
from dreamsampler import from_pretrained
from dreamsampler.images.save import save_picture
from dreamsampler.operators import is_linear, parse
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.tasks.restore.task import RESTORE_PRESETS, Restore

HERE = Path(__file__).parent
SIDE = 128
CASES = {
    "blur(sigma=2)": [0.02],
    "blur(sigma=3)": [0.0, 0.02, 0.05],
    "blur(sigma=4)": [0.02],
    "blur(sigma=5)": [0.02],
    "downsample(4)": [0.0, 0.02, 0.05],
}

WORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "": ("", {}),
    "notext": (", no text", {"text": False}),
    "negation": (", negation", {"adaptive_negation": True}),
}
"""What may follow the name of a preset, after a colon: how tables call it, and its options."""


@dataclass
class Column:
    """What one method made of the pictures of one case."""

    pictures: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    evaluations: int = 0


class Bench:
    """Sharp pictures, their prompts, and who restores and judges them."""

    def __init__(self, options: argparse.Namespace) -> None:
        pairs = json.loads((HERE / "edit_pairs.json").read_text())
        kept = [pair for i, pair in enumerate(pairs) if (i in TUNED) == options.tuning]
        self.pairs = kept[options.first :: options.every][: options.limit]
        self.sharp = [_read(HERE / pair["image"]) for pair in self.pairs]
        self.prior = from_pretrained("iconic", device="cpu", dtype="float32")
        self.judge = Judge.load()
        self.named = torch.tensor([self.judge.concepts.index(p["source"]) for p in self.pairs])

    def measure(self, operator: str, noise: float, folder: Path) -> list[Path]:
        """Degraded files, one a picture."""
        op, paths = parse(operator).build((SIDE, SIDE)), []
        for i, x in enumerate(self.sharp):
            rng = torch.Generator().manual_seed(1000 + i)
            clean = op.A(x[None])[0]
            y = clean + noise * torch.randn(clean.shape, generator=rng)
            paths.append(folder / f"{i}.png")
            save_picture(paths[-1], y.clamp(0, 1))
        return paths

    def restored(self, paths: list[Path], operator: str, noise: float, **options: Any) -> Column:
        """The task on every file; `text` says whether it is told what it sees."""
        column, text = Column(), options.pop("text", True)
        for path, pair in zip(paths, self.pairs, strict=True):
            start = time.perf_counter()
            told = {"prompt": pair["source_prompt"]} if text else {}
            run = Restore(path, operator, noise, **told, **options).start(self.prior).run()
            column.pictures.append(run.pictures()[0])
            column.seconds += time.perf_counter() - start
            column.evaluations += run.evaluations
        return column

    def figures(
        self, column: Column, files: list[Tensor], operator: str, noise: float
    ) -> list[str]:
        """One row of the table."""
        pictures, sharp = torch.stack(column.pictures), torch.stack(self.sharp)
        op, least = parse(operator).build((SIDE, SIDE)), 0.29 / 255
        quality = [psnr(a, b) for a, b in zip(pictures, sharp, strict=True)]
        alike = [ssim(a, b) for a, b in zip(pictures, sharp, strict=True)]
        right = (self.judge.rank(pictures).argmax(1) == self.named).float().mean()
        left = [
            Measurement(op, y[None], max(noise, least), _none, _none).residual_ratio(x[None])
            for x, y in zip(pictures, files, strict=True)
        ]
        n = len(pictures)
        return [
            f"{np.mean(quality):.2f}",
            f"{np.mean(alike):.3f}",
            f"{right:.0%}",
            f"{np.mean(left):.3f}",
            f"{column.evaluations / n:.0f}",
            f"{column.seconds / n:.1f}",
        ]


def _none(x: Tensor) -> Tensor:
    return x


def _read(path: Path) -> Tensor:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, for pictures in [0, 1]."""
    return -10 * float((a - b).square().mean().clamp_min(1e-10).log10())


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity of two pictures (3, h, w) in [0, 1], mean over colors and windows.

        (2 m_a m_b + c1) (2 s_ab + c2) / ((m_a^2 + m_b^2 + c1) (s_a^2 + s_b^2 + c2))

    with Gaussian windows of 11 x 11, deviation 1.5, that lie inside; c1 = 0.01^2, c2 = 0.03^2.

    Source: Wang et al., "Image quality assessment", IEEE Trans. Image Processing 13 (2004), eq. 13.
    """
    taps = torch.exp(-0.5 * (torch.arange(-5, 6) / 1.5) ** 2)
    window = (taps[:, None] * taps / taps.sum() ** 2)[None, None]

    def mean(x: Tensor) -> Tensor:
        return functional.conv2d(x[:, None], window)

    m_a, m_b = mean(a), mean(b)
    v_a, v_b = mean(a * a) - m_a**2, mean(b * b) - m_b**2
    both = mean(a * b) - m_a * m_b
    top = (2 * m_a * m_b + 1e-4) * (2 * both + 9e-4)
    return float((top / ((m_a**2 + m_b**2 + 1e-4) * (v_a + v_b + 9e-4))).mean())


def columns(
    bench: Bench, paths: list[Path], operator: str, noise: float, presets: list[str]
) -> dict[str, Column]:
    """Method -> what it made of the files."""
    files, found = [_read_file(path) for path in paths], {}
    y, op = torch.stack(files), parse(operator).build((SIDE, SIDE))
    assert is_linear(op)
    for name, method in CLASSICAL.items():
        start = time.perf_counter()
        column = Column(list(method(op, y, noise).clamp(0, 1)))
        column.seconds = time.perf_counter() - start
        found["input" if name == "bicubic" else name] = column
    for preset in presets:
        name, _, words = preset.partition(":")
        options: dict[str, Any] = {"preset": name, **WORDS[words][1]}
        label = f"{name}{WORDS[words][0]}"
        found[label] = bench.restored(paths, operator, noise, **options)
    return found


def _read_file(path: Path) -> Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def sheet(bench: Bench, found: dict[str, Column], path: Path) -> None:
    """Sharp pictures and results, a row a picture."""
    image = Image.new("RGB", (SIDE * (len(found) + 1), SIDE * len(bench.sharp) + 16), "white")
    pen = ImageDraw.Draw(image)
    shown = {"sharp": bench.sharp, **{name: column.pictures for name, column in found.items()}}
    for k, (name, pictures) in enumerate(shown.items()):
        pen.text((k * SIDE + 3, 2), name, fill="black")
        for j, picture in enumerate(pictures):
            pixels = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            image.paste(Image.fromarray(pixels), (k * SIDE, 16 + j * SIDE))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def arguments_of(arguments: list[str] | None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tuning", action="store_true", help="the 12 pictures for tuning instead of the 48"
    )
    parser.add_argument("--every", type=int, default=4, help="every n-th of the 48 pictures")
    parser.add_argument("--first", type=int, default=0, help="the picture to begin with")
    parser.add_argument("--limit", type=int, default=None, help="at most so many")
    parser.add_argument("--operator", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--noise", type=float, nargs="*", help="only these")
    known = [f"{p}:{more}".rstrip(":") for p in RESTORE_PRESETS for more in WORDS]
    parser.add_argument(
        "--presets", nargs="*", default=["default", "default:notext"], choices=known, metavar="P"
    )
    parser.add_argument("--out", type=Path, default=HERE / "runs" / "restore")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure every case, print a table each, write a sheet each."""
    options = arguments_of(arguments)
    torch.set_num_threads(1)
    bench = Bench(options)
    for operator in options.operator:
        for noise in CASES[operator]:
            if options.noise is not None and noise not in options.noise:
                continue
            with tempfile.TemporaryDirectory() as folder, torch.no_grad():
                paths = bench.measure(operator, noise, Path(folder))
                files = [_read_file(path) for path in paths]
                found = columns(bench, paths, operator, noise, options.presets)
            print(f"\n{operator}, noise {noise:g}, {len(paths)} pictures\n")
            print("| method | PSNR | SSIM | top-1 | residual | evaluations | s |")
            print("|---|---|---|---|---|---|---|")
            for name, column in {**found, "the sharp pictures": Column(bench.sharp)}.items():
                row = bench.figures(column, files, operator, noise)
                print(f"| {name} | {' | '.join(row)} |", flush=True)
            plain = "".join(c if c.isalnum() else "-" for c in f"{operator}-{noise:g}")
            sheet(bench, found, options.out / f"{plain}.png")
    print(f"\nsheets: {options.out}")


if __name__ == "__main__":
    main()
