"""Render every plain icon of the three sets, and simple shapes, for the autoencoder.

    python training/render_all.py --icons training/runs/icons --count 30000

Writes `autoencoder.npy` (uint8 [n, 128, 128, 3]) and `autoencoder_held.npy`. Skin tones, flags,
clocks, arrows and buttons are left out by name. One picture in fifteen shows random shapes,
gradients and textures, so that the autoencoder learns more than icons.
"""

import argparse
import random
import re
from pathlib import Path

import numpy as np
from icons import SETS, glyph, load_sets
from PIL import Image, ImageDraw
from render import SIZE, compose
from train_judge import wide_affine

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
    if rng.random() < 0.75:
        return paper
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.5)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) - 0.5
    return np.clip(paper + ((np.cos(angle) * x + np.sin(angle) * y) * strength)[..., None], 0, 1)


def shapes(rng: random.Random) -> np.ndarray:
    """Ellipses, boxes, triangles and lines over a gradient, half of them textured: uint8."""
    page = Image.fromarray((any_backdrop(rng) * 255).astype(np.uint8)).resize((256, 256))
    draw = ImageDraw.Draw(page)
    for _ in range(rng.randint(1, 8)):
        color = tuple(rng.randrange(256) for _ in range(3))
        x, y = rng.randint(-20, 255), rng.randint(-20, 255)
        box = [x, y, x + rng.randint(10, 160), y + rng.randint(10, 160)]
        points = [(rng.randrange(256), rng.randrange(256)) for _ in range(3)]
        kind = rng.randrange(4)
        if kind == 0:
            draw.ellipse(box, fill=color)
        elif kind == 1:
            draw.rectangle(box, fill=color)
        elif kind == 2:
            draw.polygon(points, fill=color)
        else:
            draw.line(points, fill=color, width=rng.randint(2, 20))
    picture = np.asarray(page.resize((SIZE, SIZE), Image.Resampling.LANCZOS)).astype(np.float32)
    if rng.random() < 0.5:
        side = 2 ** rng.randint(2, 5)
        cells = np.random.default_rng(rng.randrange(2**31)).uniform(0, 255, (side, side, 3))
        cells = Image.fromarray(cells.astype(np.uint8)).resize((SIZE, SIZE))
        picture += (np.asarray(cells).astype(np.float32) - 128) * rng.uniform(0.1, 0.6)
    return np.clip(picture, 0, 255).astype(np.uint8)


def pictures(sets: dict, count: int, seed: int) -> np.ndarray:
    """`count` augmented icons (and some shapes), every icon equally often."""
    rng = random.Random(seed)
    icons = [(style, name) for style in sets for name in plain_names(sets[style])]
    rng.shuffle(icons)
    found = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for row in range(count):
        if rng.random() < 1 / 15:
            found[row] = shapes(rng)
        else:
            style, name = icons[row % len(icons)]
            found[row] = compose(glyph(sets[style], name), any_backdrop(rng), wide_affine(rng))
    return found


def main() -> None:
    """Render both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--out", type=Path, default=Path("training/runs/data"))
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--held", type=int, default=192)
    parser.add_argument("--styles", nargs="+", default=list(SETS), choices=list(SETS))
    args = parser.parse_args()
    sets = {style: data for style, data in load_sets(args.icons).items() if style in args.styles}
    args.out.mkdir(parents=True, exist_ok=True)
    np.save(args.out / "autoencoder.npy", pictures(sets, args.count, 7))
    np.save(args.out / "autoencoder_held.npy", pictures(sets, args.held, 8))
    print(f"{args.count} pictures of {sum(len(plain_names(d)) for d in sets.values())} icons")


if __name__ == "__main__":
    main()
