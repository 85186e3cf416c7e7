"""Render shards of augmented 128-px pictures with their labels.

    python -m training.data.render --icons training/runs/icons --out training/runs/data --shards 10

Each shard is `images_NNN.npy` (uint8 [n, 128, 128, 3]) and `labels_NNN.json` (what captions can
say: icon, style, background and its kind, size, place). Shards that exist are left alone.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

from training.data.captions import BACKGROUNDS, PLACES, TEXTURES
from training.data.concepts import icon_names, weights
from training.data.icons import GLYPH, SETS, load_glyphs, premultiply
from training.data.styles import OUTLINED, TRAINED

SIZE = 128


def affine(
    rng: random.Random,
    flips: float,
    scale: float | None = None,
    at: tuple[float, float] | None = None,
) -> tuple[float, ...]:
    """Output-to-glyph affine map: small scale, rotation, shift, sometimes a mirror.

    Args:
        rng: draws what is not given.
        flips: share of mirrored drawings.
        scale: of the drawing, whose full size is 140 px; usually 0.76 to 0.92.
        at: shift of its middle, pixels to the right and down; usually within 5.
    """
    scale = rng.uniform(0.76, 0.92) if scale is None else scale
    angle = np.deg2rad(rng.gauss(0, 3))
    dx, dy = (rng.uniform(-5, 5), rng.uniform(-5, 5)) if at is None else at
    return to_glyph(scale, angle, dx, dy, -1 if rng.random() < flips else 1)


def wide_affine(rng: random.Random) -> tuple[float, ...]:
    """`affine` with wider changes of scale, angle and place than the denoiser sees."""
    scale, angle = rng.uniform(0.62, 0.98), np.deg2rad(rng.gauss(0, 6))
    dx, dy = rng.uniform(-9, 9), rng.uniform(-9, 9)
    mirror = -1 if rng.random() < 0.35 else 1
    return to_glyph(scale, angle, dx, dy, mirror)


def to_glyph(scale: float, angle: float, dx: float, dy: float, mirror: int) -> tuple[float, ...]:
    """The affine map from pixels to those of the glyph."""
    c, s = np.cos(angle) / scale, np.sin(angle) / scale
    x0, y0, mid = SIZE / 2 + dx, SIZE / 2 + dy, GLYPH / 2
    return (mirror * c, mirror * s, mid - mirror * (c * x0 + s * y0), -s, c, mid + s * x0 - c * y0)


def layout(rng: random.Random) -> tuple[float, tuple[float, float], bool, tuple[int, int]] | None:
    """Scale, shift, whether small, and place of a drawing that is not just in the middle; or None.

    A small drawing may be anywhere; a middle-sized one is out of the middle.
    """
    kind = rng.random()
    if kind >= 0.22:
        return None
    small = kind < 0.15
    scale = rng.uniform(0.36, 0.54) if small else rng.uniform(0.56, 0.7)
    places = [*PLACES, (0, 0), (0, 0)] if small else [*PLACES]
    place = rng.choice(places)
    free = SIZE / 2 - 70 * scale - 3

    def shift(sign: int) -> float:
        return sign * free * rng.uniform(0.75, 1.0) if sign else rng.uniform(-4, 4)

    return scale, (shift(place[0]), shift(place[1])), small, place


def texture(kind: str, rng: random.Random, side: int = SIZE) -> np.ndarray:
    """Where the second shade of a texture lies: float [side, side], 0 or 1, edges a pixel soft."""
    y, x = np.mgrid[0:side, 0:side] + 0.5
    period = rng.uniform(12, 26) * side / SIZE
    angle = rng.choice((0, np.pi / 2, np.pi / 4, -np.pi / 4)) if kind == "striped" else 0.0
    u = (np.cos(angle) * x + np.sin(angle) * y + rng.uniform(0, period)) / period
    v = (np.cos(angle) * y - np.sin(angle) * x + rng.uniform(0, period)) / period
    if kind == "dotted":
        off = np.hypot((u % 1) - 0.5, (v % 1) - 0.5)
        return np.clip((0.27 - off) * period + 0.5, 0, 1)

    def wave(phase: np.ndarray) -> np.ndarray:  # a square wave in -1 .. 1
        return np.clip((np.abs(2 * (phase % 1) - 1) - 0.5) * period, -1, 1)

    return (wave(u) if kind == "striped" else wave(u / 2) * wave(v / 2)) / 2 + 0.5


def backdrop(word: str, ground: str, rng: random.Random, side: int = SIZE) -> np.ndarray:
    """A plain, softly graded or textured background near the named color: [side, side, 3]."""
    color = np.array(BACKGROUNDS[word][0], np.float32) / 255
    if word != "white":
        color = np.clip(color + np.array([rng.uniform(-0.025, 0.025) for _ in range(3)]), 0, 1)
    plain = np.broadcast_to(color.astype(np.float32), (side, side, 3))
    if ground == "plain":
        return plain
    if ground == "gradient":
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.35)
        y, x = np.mgrid[0:side, 0:side] / (side - 1) - 0.5
        return np.clip(
            plain + ((np.cos(angle) * x + np.sin(angle) * y) * strength)[..., None], 0, 1
        )
    away = 1.0 if color.mean() < 0.35 or (color.mean() < 0.6 and rng.random() < 0.5) else -1.0
    shade = away * rng.uniform(0.07, 0.16) * (1 if word != "white" else 0.8)
    return np.clip(plain + shade * texture(ground, rng, side)[..., None].astype(np.float32), 0, 1)


def compose(drawing: np.ndarray, behind: np.ndarray, matrix: tuple[float, ...]) -> np.ndarray:
    """The drawing, moved by `matrix`, over a background: uint8 [side, side, 3].

    Args:
        drawing: float [160 s, 160 s, 4], premultiplied.
        behind: float [128 s, 128 s, 3].
        matrix: the affine map from pixels to those of the glyph, at s = 1.
    """
    side = len(behind)
    scale = side / SIZE
    matrix = tuple(entry * (scale if k in (2, 5) else 1) for k, entry in enumerate(matrix))
    planes = [Image.fromarray(drawing[..., k]) for k in range(4)]
    if abs(matrix[0]) + abs(matrix[1]) > 1.7:  # shrunk a lot: halve it first, or edges get rough
        planes = [plane.reduce(2) for plane in planes]
        matrix = tuple(entry / 2 for entry in matrix)
    moved = [
        np.asarray(
            plane.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        )
        for plane in planes
    ]
    moved = np.clip(np.stack(moved, -1), 0, 1)
    picture = moved[..., :3] + behind * (1 - moved[..., 3:])
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def draw_order(count: int, rng: random.Random) -> list[str]:
    """`count` icon names with the given frequencies, low-variance, shuffled."""
    names, each = icon_names(), np.array(weights())
    edges = np.floor(np.cumsum(each) / each.sum() * count + rng.random()).astype(int)
    order = [names[i] for i in np.searchsorted(edges, np.arange(count), side="right") % len(names)]
    rng.shuffle(order)
    return order


def draw_ground(word: str, rng: random.Random) -> str:
    """Plain mostly; a gradient (never of white) or a texture now and then."""
    kind = rng.random()
    if kind < 0.1 and word != "white":
        return "gradient"
    return rng.choice(TEXTURES) if kind > 0.9 else "plain"


def style_word(style: str) -> str:
    """What a caption may call it: an old set's name, outlined, or nothing."""
    if style == "streamline" or style.endswith(" outlined"):
        return OUTLINED
    return style if style in SETS else ""


def render_shard(glyphs: dict, count: int, seed: int, flips: float) -> tuple[np.ndarray, list]:
    """Pictures of one shard, and the arguments of their captions."""
    rng = random.Random(seed)
    words, chances = list(BACKGROUNDS), [w for _, w in BACKGROUNDS.values()]
    often = {style: TRAINED[style.split(" ")[0]][0] for style, _ in glyphs}
    often = {s: w * (0.4 if " " in s else 1.0) for s, w in often.items()}  # variants are rarer
    images, labels = np.empty((count, SIZE, SIZE, 3), np.uint8), []
    for row, icon in enumerate(draw_order(count, rng)):
        drawn = [each for each in often if (each, icon) in glyphs]
        style = rng.choices(drawn, [often[each] for each in drawn])[0]
        word = rng.choices(words, chances)[0]
        ground, output = draw_ground(word, rng), layout(rng)
        label = {"icon": icon, "style": style_word(style), "background": word, "ground": ground}
        matrix = affine(rng, flips)
        if output is not None:
            scale, at, label["small"], label["place"] = output
            matrix = affine(rng, flips, scale, at)
        drawing = premultiply(rng.choice(glyphs[style, icon]))
        images[row] = compose(drawing, backdrop(word, ground, rng), matrix)
        labels.append(label)
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
    parser.add_argument("--further", action="store_true", help="all sets and variants of styles.py")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    glyphs = load_glyphs(args.icons, args.further)
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
