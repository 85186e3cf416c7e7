r"""Render every plain icon of the chosen sets, and random vector drawings, for the autoencoder.

    python -m training.autoencoder.render --icons training/runs/icons --count 30000
    python -m training.autoencoder.render --scale 2 --styles noto twemoji fluent fxemoji \
        fluent-color --unseen openmoji --photographs DIR --count 12000 --out training/runs/finer

Writes `autoencoder.npy` (uint8 [n, 128 s, 128 s, 3], s of `--scale`), `autoencoder_held_out.npy`
(other augmentations of the same icons) and, with `--unseen`, `autoencoder_unseen.npy` (sets that
are measured only). Skin tones, flags, clocks, arrows and buttons are left out by name. A fifth of
the training pictures are random drawings (random_drawings.py); the two measured files hold icons
only.
"""

import argparse
import multiprocessing as mp
import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from training.data.captions import TEXTURES
from training.data.icons import MORE, SETS, glyph, load_set
from training.data.random_drawings import shapes
from training.data.render import SIZE, compose, texture, wide_affine

DROP = re.compile(
    r"skin|^flag|light|medium|dark-|woman|man-|-man|keycap|clock|oclock|thirty|button|japanese|"
    r"input-|arrow|square$|circle$|regional"
)


def plain_names(data: dict) -> list[str]:
    """Icon names of one set without the thinned-out families."""
    return [name for name in data["icons"] if not DROP.search(name)]


def any_backdrop(rng: random.Random, side: int = SIZE) -> np.ndarray:
    """White or any color, sometimes a gradient: float [side, side, 3]."""
    color = np.ones(3) if rng.random() < 0.3 else np.array([rng.random() for _ in range(3)])
    paper = np.broadcast_to(color.astype(np.float32), (side, side, 3))
    kind = rng.random()
    if kind < 0.7:
        return paper
    if kind < 0.8:
        shade = rng.choice((-1, 1)) * rng.uniform(0.05, 0.5)
        lines = texture(rng.choice(TEXTURES), rng, side)[..., None].astype(np.float32)
        return np.clip(paper + shade * lines, 0, 1)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.5)
    y, x = np.mgrid[0:side, 0:side] / (side - 1) - 0.5
    return np.clip(paper + ((np.cos(angle) * x + np.sin(angle) * y) * strength)[..., None], 0, 1)


def pictures(
    sets: dict, count: int, seed: int, drawn: float = 0.0, scale: int = 1, photos: tuple = ()
) -> np.ndarray:
    """`count` augmented icons, every icon equally often, among drawings by chance and photographs.

    Args:
        sets: style -> its package.
        count: pictures.
        seed: of everything that is drawn by chance.
        drawn: share of random drawings.
        scale: pixels of a side over 128.
        photos: files of photographs, for one picture in eight.
    """
    rng = random.Random(seed)
    icons = [(style, name) for style in sets for name in plain_names(sets[style])]
    rng.shuffle(icons)
    side = SIZE * scale
    output, used = np.empty((count, side, side, 3), np.uint8), 0
    for row in range(count):
        kind = rng.random()
        if photos and kind > 7 / 8:
            output[row] = crop(rng.choice(photos), side, rng)
            continue
        if kind < drawn:
            output[row] = shapes(rng, side)
            continue
        style, name = icons[used % len(icons)]
        behind = any_backdrop(rng, side)
        output[row] = compose(glyph(sets[style], name, scale), behind, wide_affine(rng))
        used += 1
    return output


def crop(path: Path, side: int, rng: random.Random) -> np.ndarray:
    """A square of a photograph, scaled down until its shorter side is 1 to 1.5 squares: uint8."""
    with Image.open(path) as file:
        photo = file.convert("RGB")
    factor = min(0.75, side * rng.uniform(1, 1.5) / min(photo.size))
    size = [max(side, round(each * factor)) for each in photo.size]
    pixels = np.asarray(photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=4.0))
    y, x = (rng.randint(0, length - side) for length in pixels.shape[:2])
    return pixels[y : y + side, x : x + side]


def write_part(path: Path, rows: slice, *options) -> None:
    """One process's rows of the file, pictures of its own seed."""
    output = np.load(path, mmap_mode="r+")
    for first in range(rows.start, rows.stop, 500):
        last = min(first + 500, rows.stop)
        sets, seed, *rest = options
        output[first:last] = pictures(sets, last - first, seed + 1_000_003 * first, *rest)


def write_all(path: Path, sets: dict, count: int, processes: int, *options) -> None:
    """The training file: `processes` parts side by side, renamed when whole."""
    begun = path.with_suffix(".tmp")
    side = SIZE * options[1]
    np.lib.format.open_memmap(begun, "w+", np.uint8, (count, side, side, 3)).flush()
    edges = [round(count * k / processes) for k in range(processes + 1)]
    parts = [
        (begun, slice(first, last), sets, 7 + 100 * k, *options)
        for k, (first, last) in enumerate(pairwise(edges))
    ]
    with mp.get_context("spawn").Pool(processes) as pool:
        pool.starmap(write_part, parts)
    begun.rename(path)


def main() -> None:
    """Render the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--out", type=Path, default=Path("training/runs/data"))
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--held-out", type=int, default=192, help="pictures in each measured file")
    parser.add_argument("--drawn", type=float, default=0.2, help="share of random drawings")
    every = [*SETS, *MORE]
    parser.add_argument("--styles", nargs="+", default=list(SETS), choices=every)
    parser.add_argument("--unseen", nargs="*", default=[], choices=every, help="measured only")
    parser.add_argument("--scale", type=int, default=1, help="pixels of a side over 128")
    parser.add_argument("--photographs", type=Path, help="folder of JPEG files, one in eight")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    sets = {style: load_set(args.icons, style) for style in args.styles}
    unseen = {style: load_set(args.icons, style) for style in args.unseen}
    photos = tuple(sorted(args.photographs.rglob("*.jpg"))) if args.photographs else ()
    args.out.mkdir(parents=True, exist_ok=True)
    options = (args.drawn, args.scale, photos)
    held_out = pictures(sets, args.held_out, 8, 0.0, args.scale)
    np.save(args.out / "autoencoder_held_out.npy", held_out)
    if unseen:
        strange = pictures(unseen, args.held_out, 9, 0.0, args.scale)
        np.save(args.out / "autoencoder_unseen.npy", strange)
    write_all(args.out / "autoencoder.npy", sets, args.count, args.processes, *options)
    print(f"{args.count} pictures of {sum(len(plain_names(d)) for d in sets.values())} icons")


if __name__ == "__main__":
    main()
