"""Regularizers beyond the paper, on the default edit: what each is for, and what it costs.

Every n-th of the pairs of benchmarks/edit.py is edited with and without each of them, from the same
noise (a pair's seed is its number). For each: its own figure (benchmarks/regularizer_figures.py)
without and with it, what the judge says, and by how much the background changes, with the 95 %
bootstrap interval over pairs. `seamless` is measured on the same pairs laid on a ground that fades
from left to right. Five pairs at a time; a run that was stopped goes on where it ended (remove its
folder when the edit itself was changed; another model has its own).

A regularizer of your own takes part with `--own FILE`: a Python file with `regularizer`, a map
(x, now) -> x of pictures in [-1, 1], and, if it has a figure, `figure`, pictures (b, 3, h, w) in
[0, 1] -> b numbers.
"""

from __future__ import annotations

import argparse
import json
import runpy
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.edit import HERE, Bench, read
from benchmarks.regularizer_figures import COLORS, REFERENCE, own_figures, paths, sight, told
from benchmarks.suites.bootstrap import bootstrap, difference
from benchmarks.suites.records import png
from benchmarks.suites.run import identity
from dreamsampler import from_pretrained
from dreamsampler.files import write_whole
from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import generators
from dreamsampler.methods import anchored_edit
from dreamsampler.regularizers import Regularizer, chain, decoded
from dreamsampler.regularizers.parse import read_regularizers
from dreamsampler.samplers import finish
from dreamsampler.tasks import PRESETS
from dreamsampler.tasks.edit.run import edit_levels

BATCH = 5
Record = dict[str, float]
Figures = Callable[[Bench, Tensor], list[float]]


@dataclass(frozen=True)
class Case:
    """A regularizer as it is measured.

    Args:
        name: safe as a file's name; what the column of the sheet is called.
        words: what the table calls it.
        build: the map of pictures, of a bench.
        figures: its own figures of pictures, one a picture; None if it has none.
        faded: on a ground that fades from left to right.
    """

    name: str
    words: str
    build: Callable[[Bench], Regularizer]
    figures: Figures | None = None
    faded: bool = False

    def measures(self) -> dict[str, Figures]:
        """What is measured of its pictures besides likeness and background."""
        own = {} if self.figures is None else {"own": self.figures}
        return own | ({"paths": lambda _, x: paths(x)} if self.name == "flattened" else {})


def cases() -> list[Case]:
    """Those that have a name."""
    words = {
        "flattened": "flattened",
        "mirrored": "mirrored",
        "palette": f"palette(apple.png, {COLORS})",
        "resembling": "resembling(apple.png)",
        "seamless": "seamless",
    }
    return [_named(name, each) for name, each in words.items()]


def _named(name: str, words: str) -> Case:
    def build(bench: Bench) -> Regularizer:
        opened = lambda _: read(REFERENCE)[None] * 2 - 1  # noqa: E731
        return read_regularizers(words).build(opened, lambda _: sight(bench))

    figures = lambda bench, x: own_figures(bench, name, x)  # noqa: E731
    return Case(name, words, build, figures, faded=name == "seamless")


def own_case(path: Path) -> Case:
    """A regularizer from a file of the user's.

    Raises:
        SystemExit: the file holds none.
    """
    held = runpy.run_path(str(path))
    if not callable(held.get("regularizer")):
        raise SystemExit(f"{path} holds no `regularizer`: a map (x, now) -> x of pictures")
    figure = held.get("figure")
    figures = None if figure is None else lambda _, x: torch.as_tensor(figure(x)).tolist()
    mark = sha256(path.read_bytes()).hexdigest()[:12]  # another text is another regularizer
    return Case(f"{path.stem}-{mark}", path.stem, lambda _: held["regularizer"], figures)


def edited(bench: Bench, seeds: list[int], pictures: Regularizer | None) -> Tensor:
    """The default edit of all pairs, (b, 3, h, w) in [0, 1]."""
    prior, chosen = bench.prior, PRESETS["default"]
    bend = chain() if pictures is None else decoded(pictures, prior.encode, bench.decode)
    target = cfg(prior, bench.target, bench.null, chosen.guidance_scale or 0.0)
    source, by = conditional(prior, bench.source), conditional(prior, bench.target)
    rng = [generators(seed, images=1)[0] for seed in seeds]
    levels = edit_levels(prior, chosen)
    walk = anchored_edit(target, source, bench.z, levels, rng, by=by, regularize=bend)
    return bench.pictures(finish(walk).z0, whole=False)


def fade(bench: Bench) -> None:
    """Lay the pairs on a ground that gets darker from left to right, so that a seam shows."""
    share = torch.linspace(0.25, 0.0, bench.x.shape[-1])
    bench.x = bench.x * (1 - share)
    bench.z = torch.cat([bench.prior.encode(row[None] * 2 - 1) for row in bench.x])
    bench.origin = bench.decode(bench.z)


class Folder:
    """Records and pictures of a run: FOLDER/MODEL/NAME/PAIR.json and .png, each model's its own."""

    def __init__(self, path: Path, model: dict[str, Any]) -> None:
        self.path = path / str(model["weights"])

    def has(self, name: str, pairs: list[int]) -> bool:
        """Whether all of them are measured."""
        return all((self.path / name / f"{pair:02d}.json").exists() for pair in pairs)

    def write(self, name: str, pairs: list[int], pictures: Tensor, records: list[Record]) -> None:
        """The picture first, so that a record always has one."""
        (self.path / name).mkdir(parents=True, exist_ok=True)
        for pair, picture, record in zip(pairs, pictures, records, strict=True):
            write_whole(self.path / name / f"{pair:02d}.png", png(picture))
            write_whole(self.path / name / f"{pair:02d}.json", json.dumps(record).encode())

    def read(self, name: str, pair: int) -> Record:
        """One record."""
        return json.loads((self.path / name / f"{pair:02d}.json").read_text(encoding="utf-8"))

    def picture(self, name: str, pair: int) -> Image.Image:
        """One picture."""
        with Image.open(self.path / name / f"{pair:02d}.png") as image:
            return image.convert("RGB")


def measure(bench: Bench, pairs: list[int], some: list[Case], folder: Folder) -> None:
    """Some regularizers on some pairs, of one ground: what they make beside the edit without."""
    ground = "faded" if some[0].faded else "free"
    if ground == "faded":
        fade(bench)
    free = edited(bench, pairs, None)
    before = told(bench, free)
    folder.write(ground, pairs, free, before)
    folder.write(f"source of {ground}", pairs, bench.x, [{}] * len(pairs))
    for case in some:
        start = time.process_time()
        made = edited(bench, pairs, case.build(bench))
        spent = (time.process_time() - start) / len(pairs)
        records = [
            {f"{k} without": v for k, v in a.items()} | b | {"seconds": spent}
            for a, b in zip(before, told(bench, made), strict=True)
        ]
        for name, figures in case.measures().items():
            for record, a, b in zip(
                records, figures(bench, free), figures(bench, made), strict=True
            ):
                record |= {f"{name} without": a, name: b}
        folder.write(case.name, pairs, made, records)


def line(case: Case, records: list[Record]) -> str:
    """One line of the table."""

    def change(name: str, digits: int) -> str:
        a, b = (bootstrap([r[key] for r in records]).mean for key in (f"{name} without", name))
        return f"{a:.{digits}f} to {b:.{digits}f}"

    own = change("own", 1) if "own" in records[0] else "-"
    if "paths" in records[0]:
        own += f"; {change('paths', 0)} paths"
    apart = difference(
        [r["background"] for r in records], [r["background without"] for r in records]
    )
    ground = f"{change('background', 1)} ({apart.mean:+.1f} [{apart.low:+.1f}, {apart.high:+.1f}])"
    seconds = bootstrap([r["seconds"] for r in records]).mean
    cells = [own, change("top-1", 0), change("top-5", 0), ground, f"{seconds:.1f}"]
    return f"| `{case.words}` | {' | '.join(cells)} |"


def sheet(folder: Folder, shown: list[int], all_cases: list[Case], path: Path) -> None:
    """Pictures in rows under their titles; tiles four times each."""
    columns = [("source of free", "source"), ("free", "no regularizer")]
    columns += [(case.name, case.words.split("(")[0]) for case in all_cases if not case.faded]
    if any(case.faded for case in all_cases):
        columns += [("faded", "a fading ground")]
        columns += [(case.name, case.words) for case in all_cases if case.faded]
    tiled, side = {"faded", *(c.name for c in all_cases if c.faded)}, 128
    font: Any = ImageFont.load_default(13)
    image = Image.new("RGB", ((side + 8) * len(columns), len(shown) * (side + 8) + 22), "white")
    pen = ImageDraw.Draw(image)
    for k, (name, title) in enumerate(columns):
        pen.text((k * (side + 8) + 3, 3), title, fill="black", font=font)
        for j, pair in enumerate(shown):
            picture = folder.picture(name, pair)
            if name in tiled:
                picture = Image.fromarray(np.tile(np.array(picture), (2, 2, 1)))
            small = picture.resize((side, side), Image.Resampling.LANCZOS)
            image.paste(small, (k * (side + 8) + 4, 22 + j * (side + 8)))
    path.mkdir(parents=True, exist_ok=True)
    image.save(path / "regularizers.png", optimize=True)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--limit", type=int, default=None, help="only so many pairs")
    parser.add_argument("--every", type=int, default=3, help="every n-th pair")
    parser.add_argument("--first", type=int, default=0, help="the pair to begin with")
    parser.add_argument("--own", type=Path, nargs="*", default=[], help="files of your own")
    parser.add_argument("--only", nargs="*", help="names of those to measure; default: all")
    parser.add_argument(
        "--shown", type=int, nargs="*", default=[0, 12, 24, 36], help="on the sheet"
    )
    parser.add_argument("--folder", type=Path, default=HERE / "runs" / "regularizers")
    parser.add_argument("--out", type=Path, default=HERE / "runs", help="of the sheet")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    wanted = [c for c in cases() if options.only is None or c.name in options.only]
    wanted += [own_case(path) for path in options.own]
    count = len(json.loads((HERE / "edit_pairs.json").read_text(encoding="utf-8")))
    pairs = list(range(count))[options.first :: options.every][: options.limit]
    folder = Folder(options.folder, identity(from_pretrained(options.model)))
    for start in range(0, len(pairs), BATCH):
        some = pairs[start : start + BATCH]
        for faded in (False, True):
            open_ = [c for c in wanted if c.faded is faded and not folder.has(c.name, some)]
            if open_:
                bench = Bench(options.model, len(some), options.every, some[0])
                measure(bench, some, open_, folder)
    print(f"{len(pairs)} pairs, without to with\n")
    print("| regularizer | its own figure | top-1 % | top-5 % | background dB | s a core |")
    print("|---|---|---|---|---|---|", flush=True)
    for case in wanted:
        print(line(case, [folder.read(case.name, pair) for pair in pairs]), flush=True)
    shown = [pair for pair in options.shown if pair in pairs]
    if shown:
        sheet(folder, shown, wanted, options.out)
        print(f"\nsheet: {options.out / 'regularizers.png'}")


if __name__ == "__main__":
    main()
