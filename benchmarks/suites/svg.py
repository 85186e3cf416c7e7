"""SVG files beside resvg: as it draws them (35 dB at 100 and 256 px), or named in the warning.

Files are those of every feature, and drawings of icon sets in a folder, as npm packs them:
`npm pack @iconify-json/mdi @iconify-json/lucide @iconify-json/tabler @iconify-json/noto
@iconify-json/twemoji @iconify-json/fluent-emoji-flat flag-icons devicon`.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tarfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d

from benchmarks.metrics import psnr
from benchmarks.report import header, line
from benchmarks.suites.svg_features import DRAWN, NAMED, PLACES, file
from dreamsampler.files import InputError
from dreamsampler.generators.vector import from_svg, rasterize

LEAST = 35
"""dB to resvg that a file has which is drawn without a warning."""
FINER, EQUAL = 8, 45
"""How much larger both programs draw where that is missed, and the dB that they have there."""
OUTCOMES = ("drawn", "rounded", "warned", "refused", "silent")
"""At least 35 dB; less, since resvg misses it as well; in a warning; by an error; none of them."""


def main(icons: Path | None = None, every: int = 40, sizes: tuple[int, ...] = (100, 256)) -> None:
    """Compare the files, and print how many are drawn, named, refused or silently wrong.

    "Rounded" are those of which resvg's picture is not 35 dB from resvg's own finer one either.

    Args:
        icons: folder of the packages; the files of every feature alone if left out.
        every: of each package that many drawings, by chance but always the same.
        sizes: of the canvas in pixels.

    Raises:
        RuntimeError: a file is drawn otherwise than by resvg, without a warning.
    """
    snippets = {**DRAWN, **{name: body for name, (body, _) in NAMED.items()}}
    sets = {"features": [(f"{n}, {p}", file(b, p)) for n, b in snippets.items() for p in PLACES]}
    for path in sorted(icons.glob("*.tgz")) if icons else ():
        sets[path.name.rsplit("-", 1)[0]] = list(_drawings(path, every))
    counts, wrong = Counter[tuple[str, str]](), 0
    print(header("files", "", *OUTCOMES, "least dB"))
    for name, files in sets.items():
        least = float("inf")
        for title, text in files:
            outcome, worst = _outcome(text, sizes, f"{name}: {title}")
            counts[name, outcome] += 1
            least = min(least, worst) if outcome in ("drawn", "rounded") else least
        wrong += counts[name, "silent"]
        numbers = (counts[name, each] for each in OUTCOMES)
        print(line(name, len(files), *numbers, f"{least:.1f}"), flush=True)
    total = (sum(counts[name, each] for name in sets) for each in OUTCOMES)
    print(line("all", sum(map(len, sets.values())), *total, ""))
    if wrong:
        raise RuntimeError(f"{wrong} files are drawn otherwise without a warning: see above")


@final
@dataclass(frozen=True)
class Beside:
    """Our picture beside resvg's.

    Attributes:
        likeness: PSNR of both at one size on white, dB.
        rounded: whether resvg's antialiasing is why that is low: its picture is less than 35 dB
            from the mean of its own picture of eight times the size, ours of that size at least 45.
        named: our warnings.
    """

    likeness: float
    rounded: bool
    named: str

    @property
    def alike(self) -> bool:
        """Whether it is drawn as resvg draws it, but for the rounding of edges."""
        return self.likeness >= LEAST or self.rounded


def compared(text: str, size: int) -> Beside:
    """Both programs draw a file.

    resvg samples each pixel in 4 x 4 places and draws curves as few chords, so that edges are up to
    1/8 of a pixel off. It is itself 25 to 35 dB from a right picture of some icons of 100 px.

    Raises:
        InputError: what cannot be read.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ours, theirs = _both(text, size)
    likeness, named = psnr(ours, theirs), "; ".join(str(each.message) for each in said)
    rounded = False
    if likeness < LEAST and not named:
        large = _both(text, FINER * size)
        finer, right = (avg_pool2d(each, FINER, ceil_mode=True) for each in large)
        rounded = psnr(theirs, right) < LEAST and psnr(finer, right) >= EQUAL
    return Beside(likeness, rounded, named)


def _both(text: str, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Our picture and resvg's, (3, h, w)."""
    import resvg_py

    scene = from_svg(text, size)
    w, h = scene.width, scene.height
    for width, height in ((w, h), (w, None), (None, h)):  # with both, a pixel is missing at times
        data = resvg_py.svg_to_bytes(
            svg_string=text,
            background="#fff",
            languages=["en"],
            dpi=96,
            width=width,
            height=height,
        )
        image = Image.open(io.BytesIO(bytes(data))).convert("RGB")
        if image.size == (w, h):
            break
    pixels = np.array(image, dtype=np.float32) / 255
    ours = rasterize(scene, torch.ones(3)).clamp(0, 1)
    return ours, torch.from_numpy(pixels).permute(2, 0, 1)


def _outcome(text: str, sizes: tuple[int, ...], title: str) -> tuple[str, float]:
    try:
        found = [compared(text, size) for size in sizes]
    except InputError as error:
        print(f"{title}: refused: {error}", file=sys.stderr)
        return "refused", 0.0
    worst = min(each.likeness for each in found)
    if any(each.named for each in found):
        return "warned", worst
    if worst >= LEAST:
        return "drawn", worst
    alike = all(each.alike for each in found)
    print(
        f"{title}: {worst:.1f} dB{', by the rounding of resvg' if alike else ''}", file=sys.stderr
    )
    return "rounded" if alike else "silent", worst


def _drawings(path: Path, count: int) -> Iterator[tuple[str, str]]:
    """Some drawings of a package: SVG files, or the bodies in an icons.json."""
    with tarfile.open(path) as pack:
        names = pack.getnames()
        if "package/icons.json" in names:
            found = json.load(pack.extractfile("package/icons.json") or io.BytesIO())
            sides = {"width": found.get("width", 16), "height": found.get("height", 16)}
            for name in _some(found["icons"], count):
                icon = {"left": 0, "top": 0, **sides, **found["icons"][name]}
                box = " ".join(str(icon[each]) for each in ("left", "top", "width", "height"))
                yield (
                    name,
                    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{icon["body"]}</svg>',
                )
            return
        for name in _some([each for each in names if each.endswith(".svg")], count):
            member = pack.extractfile(name)
            yield name, (member.read() if member else b"").decode()


def _some(names: list[str] | dict[str, object], count: int) -> list[str]:
    return random.Random(0).sample(sorted(names), min(count, len(names)))
