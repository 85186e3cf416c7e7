"""Render shards of augmented 128-px pictures with their labels.

    python training/render.py --icons training/runs/icons --out training/runs/data --shards 10

Each shard is `images_NNN.npy` (uint8 [n, 128, 128, 3]) and `labels_NNN.json` (icon, style,
background word, gradient). Shards that exist are left alone.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from captions import BACKGROUNDS
from concepts import icon_names, weights
from icons import GLYPH, SETS, load_glyphs
from PIL import Image

SIZE = 128


def affine(rng: random.Random, flips: float) -> tuple[float, ...]:
    """Output-to-glyph affine map: small scale, rotation, shift, sometimes a mirror."""
    scale = rng.uniform(0.76, 0.92)
    angle = np.deg2rad(rng.gauss(0, 3))
    dx, dy = rng.uniform(-5, 5), rng.uniform(-5, 5)
    mirror = -1 if rng.random() < flips else 1
    c, s = np.cos(angle) / scale, np.sin(angle) / scale
    x0, y0, mid = SIZE / 2 + dx, SIZE / 2 + dy, GLYPH / 2
    return (mirror * c, mirror * s, mid - mirror * (c * x0 + s * y0), -s, c, mid + s * x0 - c * y0)


def backdrop(word: str, gradient: bool, rng: random.Random) -> np.ndarray:
    """A plain or softly graded background near the named color, float [128, 128, 3]."""
    color = np.array(BACKGROUNDS[word][0], np.float32) / 255
    if word != "white":
        color = np.clip(color + np.array([rng.uniform(-0.025, 0.025) for _ in range(3)]), 0, 1)
    plain = np.broadcast_to(color.astype(np.float32), (SIZE, SIZE, 3))
    if not gradient:
        return plain
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.35)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) - 0.5
    return np.clip(plain + ((np.cos(angle) * x + np.sin(angle) * y) * strength)[..., None], 0, 1)


def compose(drawing: np.ndarray, behind: np.ndarray, matrix: tuple[float, ...]) -> np.ndarray:
    """The drawing, moved by `matrix`, over a background: uint8 [128, 128, 3]."""
    planes = [
        np.asarray(
            Image.fromarray(drawing[..., k]).transform(
                (SIZE, SIZE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
            )
        )
        for k in range(4)
    ]
    moved = np.clip(np.stack(planes, -1), 0, 1)
    picture = moved[..., :3] + behind * (1 - moved[..., 3:])
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def draw_order(count: int, rng: random.Random) -> list[str]:
    """`count` icon names with the wanted frequencies, low-variance, shuffled."""
    names, each = icon_names(), np.array(weights())
    edges = np.floor(np.cumsum(each) / each.sum() * count + rng.random()).astype(int)
    order = [names[i] for i in np.searchsorted(edges, np.arange(count), side="right") % len(names)]
    rng.shuffle(order)
    return order


def render_shard(glyphs: dict, count: int, seed: int, flips: float) -> tuple[np.ndarray, list]:
    """Pictures and labels of one shard."""
    rng = random.Random(seed)
    words, chances = list(BACKGROUNDS), [w for _, w in BACKGROUNDS.values()]
    images, labels = np.empty((count, SIZE, SIZE, 3), np.uint8), []
    for row, icon in enumerate(draw_order(count, rng)):
        style = rng.choice(list(SETS))
        word = rng.choices(words, chances)[0]
        gradient = word != "white" and rng.random() < 0.12
        behind = backdrop(word, gradient, rng)
        images[row] = compose(glyphs[style, icon], behind, affine(rng, flips))
        labels.append([icon, style, word, gradient])
    return images, labels


def main() -> None:
    """Render the missing shards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    icons = Path("training/runs/icons")
    parser.add_argument("--icons", type=Path, default=icons, help="packages, or icons.py's file")
    parser.add_argument("--out", type=Path, default=Path("training/runs/data"))
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--size", type=int, default=4000, help="pictures in a shard")
    parser.add_argument("--flips", type=float, default=0.2, help="share of mirrored pictures")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    glyphs = load_glyphs(args.icons)
    print(f"{len(icon_names())} concepts, {len(glyphs)} drawings", flush=True)
    for shard in range(args.first, args.first + args.shards):
        path = args.out / f"labels_{shard:03d}.json"
        if path.exists():
            continue
        images, labels = render_shard(glyphs, args.size, 1000 + shard, args.flips)
        np.save(args.out / f"images_{shard:03d}.npy", images)
        path.write_text(json.dumps(labels))
        print(f"shard {shard}: {args.size} pictures", flush=True)


if __name__ == "__main__":
    main()
