"""Render shards of shaded 3D objects, 128 px, from known cameras.

    python -m training.data.objects --out training/runs/objects --shards 3
    python -m training.data.objects --sheet training/runs/objects.png

Each shard is `images_NNN.npy` (uint8 [n, 128, 128, 3]) and `labels_NNN.json`: for each picture its
seed, words, view, background word, gradient and camera. `sample(seed)` makes the same scene again.
Shards that exist are left alone.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dreamsampler.generators.field.camera import SECTOR, Camera, view_word
from dreamsampler.generators.toy.scene import Scene, render
from training.data.captions import BACKGROUNDS, object_caption
from training.data.catalog import Thing, draw

SIZE = 128
TARGET = (0.0, 0.0, 0.78)
FIRST = 10**6
"""Seeds of shard n begin at (n + 1) times this; the seeds below belong to sheets and tests."""


def draw_camera(rng: random.Random) -> dict:
    """Arguments of `Camera.orbit`: front, side and back equally often, a fifth from overhead.

    The others are up to 45 degrees high.
    """
    middle = rng.choice((0, 90, 180, 270))
    if middle in (90, 270) and rng.random() < 0.35:  # front, side and back come equally often
        middle = rng.choice((0, 180))
    azimuth = (middle + rng.uniform(-SECTOR, SECTOR)) % 360
    high = rng.random() < 0.2
    elevation = rng.uniform(62, 88) if high else min(rng.uniform(0, 36), rng.uniform(2, 45))
    distance = rng.uniform(4.4, 5.4)
    return {
        "azimuth": round(azimuth, 2),
        "elevation": round(elevation, 2),
        "distance": round(distance, 2),
        "target": TARGET,
    }


def draw_scene(thing: Thing, rng: random.Random) -> tuple[Scene, str, bool]:
    """The thing before a background of another color; its word, and whether it is a gradient."""
    words = [word for word in BACKGROUNDS if word not in thing.colors]
    word = rng.choices(words, [BACKGROUNDS[w][1] for w in words])[0]
    color = tuple(x / 255 for x in BACKGROUNDS[word][0])
    if word != "white":
        color = tuple(min(max(x + rng.uniform(-0.025, 0.025), 0), 1) for x in color)
    graded = word != "white" and rng.random() < 0.12
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.35)
    gradient = (strength * np.cos(angle), strength * np.sin(angle)) if graded else (0.0, 0.0)
    shadow = rng.choice((0.0, 0.25, 0.4))
    return Scene(thing.parts, color, gradient, shadow), word, graded


def sample(seed: int, side: int = SIZE) -> tuple[Scene, Camera, dict]:
    """The scene, the camera of square pictures and the label that belong to a seed."""
    rng = random.Random(seed)
    thing, orbit = draw(rng), draw_camera(rng)
    scene, word, graded = draw_scene(thing, rng)
    label = {
        "seed": seed,
        "words": thing.words,
        "view": view_word(orbit["azimuth"], orbit["elevation"]),
        "background": word,
        "gradient": graded,
        "camera": orbit,
    }
    return scene, Camera.orbit(**orbit, size=(side, side)), label


def picture(seed: int, side: int = SIZE) -> tuple[np.ndarray, dict]:
    """uint8 [side, side, 3] and the label of a seed."""
    scene, camera, label = sample(seed, side)
    return (render(scene, camera).picture * 255 + 0.5).astype(np.uint8), label


def write_sheet(path: Path, count: int, first: int) -> None:
    """Pictures with a caption each, ten to a line."""
    wide, bar = 10, 26
    page = Image.new("RGB", (wide * SIZE, -(-count // wide) * (SIZE + bar)), "white")
    pen = ImageDraw.Draw(page)
    for i in range(count):
        array, label = picture(first + i)
        x, y = i % wide * SIZE, i // wide * (SIZE + bar)
        page.paste(Image.fromarray(array), (x, y + bar))
        text = object_caption(label, random.Random(i))
        cut = text.rfind(" ", 0, 22) if len(text) > 21 else len(text)
        pen.text((x + 2, y), f"{text[:cut]}\n{text[cut + 1 :][:22]}", fill="black", spacing=0)
    page.save(path)


def main() -> None:
    """Render the missing shards, or a sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("training/runs/objects"))
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--size", type=int, default=4000, help="pictures in a shard")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet and nothing else")
    args = parser.parse_args()
    if args.sheet:
        return write_sheet(args.sheet, 60, 0)
    args.out.mkdir(parents=True, exist_ok=True)
    for shard in range(args.first, args.first + args.shards):
        path = args.out / f"labels_{shard:03d}.json"
        if path.exists():
            continue
        seeds = range(FIRST * (shard + 1), FIRST * (shard + 1) + args.size)
        images, labels = zip(*map(picture, seeds), strict=True)
        np.save(args.out / f"images_{shard:03d}.npy", np.stack(images))
        path.write_text(json.dumps(labels))
        print(f"shard {shard}: {args.size} pictures", flush=True)
    return None


if __name__ == "__main__":
    main()
