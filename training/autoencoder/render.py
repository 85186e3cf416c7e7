"""Render every plain icon of the chosen sets, and random vector drawings, for the autoencoder.

    python -m training.autoencoder.render --icons training/runs/icons --count 30000

Writes `autoencoder.npy` (uint8 [n, 128, 128, 3]), `autoencoder_held_out.npy` (other augmentations
of the same icons) and, with `--styles`, `autoencoder_unseen.npy` (the sets that are left out). Skin
tones, flags, clocks, arrows and buttons are left out by name. A fifth of the training pictures are
random drawings (random_drawings.py); the two measured files hold icons only.
"""

import argparse
import multiprocessing as mp
import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np

from training.data.captions import TEXTURES
from training.data.icons import SETS, glyph, load_sets
from training.data.random_drawings import shapes
from training.data.render import SIZE, compose, texture, wide_affine

DROP = re.compile(
    r"skin|^flag|light|medium|dark-|woman|man-|-man|keycap|clock|oclock|thirty|button|japanese|"
    r"input-|arrow|square$|circle$|regional"
)


def plain_names(data: dict) -> list[str]:
    """Icon names of one set without the thinned-out families."""
    return [name for name in data["icons"] if not DROP.search(name)]


def any_backdrop(rng: random.Random) -> np.ndarray:
    """White or any color, sometimes a gradient: float [128, 128, 3]."""
    color = np.ones(3) if rng.random() < 0.3 else np.array([rng.random() for _ in range(3)])
    paper = np.broadcast_to(color.astype(np.float32), (SIZE, SIZE, 3))
    kind = rng.random()
    if kind < 0.7:
        return paper
    if kind < 0.8:
        shade = rng.choice((-1, 1)) * rng.uniform(0.05, 0.5)
        lines = texture(rng.choice(TEXTURES), rng)[..., None].astype(np.float32)
        return np.clip(paper + shade * lines, 0, 1)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.5)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) - 0.5
    return np.clip(paper + ((np.cos(angle) * x + np.sin(angle) * y) * strength)[..., None], 0, 1)


def pictures(sets: dict, count: int, seed: int, drawn: float = 0.0) -> np.ndarray:
    """`count` augmented icons, every icon equally often; a share of random drawings among them."""
    rng = random.Random(seed)
    icons = [(style, name) for style in sets for name in plain_names(sets[style])]
    rng.shuffle(icons)
    output, used = np.empty((count, SIZE, SIZE, 3), np.uint8), 0
    for row in range(count):
        if rng.random() < drawn:
            output[row] = shapes(rng)
            continue
        style, name = icons[used % len(icons)]
        output[row] = compose(glyph(sets[style], name), any_backdrop(rng), wide_affine(rng))
        used += 1
    return output


def write_part(path: Path, rows: slice, sets: dict, seed: int, drawn: float) -> None:
    """One process's rows of the file, pictures of its own seed."""
    np.load(path, mmap_mode="r+")[rows] = pictures(sets, rows.stop - rows.start, seed, drawn)


def write_all(path: Path, sets: dict, count: int, drawn: float, processes: int) -> None:
    """The training file: `processes` parts side by side, renamed when whole."""
    begun = path.with_suffix(".tmp")
    np.lib.format.open_memmap(begun, "w+", np.uint8, (count, SIZE, SIZE, 3)).flush()
    edges = [round(count * k / processes) for k in range(processes + 1)]
    parts = [
        (begun, slice(first, last), sets, 7 + 100 * k, drawn)
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
    parser.add_argument("--styles", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    every = load_sets(args.icons)
    sets = {style: every[style] for style in args.styles}
    unseen = {style: data for style, data in every.items() if style not in args.styles}
    args.out.mkdir(parents=True, exist_ok=True)
    np.save(args.out / "autoencoder_held_out.npy", pictures(sets, args.held_out, 8))
    if unseen:
        np.save(args.out / "autoencoder_unseen.npy", pictures(unseen, args.held_out, 9))
    write_all(args.out / "autoencoder.npy", sets, args.count, args.drawn, args.processes)
    print(f"{args.count} pictures of {sum(len(plain_names(d)) for d in sets.values())} icons")


if __name__ == "__main__":
    main()
