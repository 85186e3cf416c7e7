"""Write examples/*.png, and the pictures of benchmarks/ from their lists.

    python -m training.data.pictures --icons training/runs/icons

Drawings centered and upright on a plain background: not what training's augmentation draws. Edit
pairs are Noto's; holes and vector icons come in all three styles. Beside each source of a hole lies
the set's own drawing of the target; the holes are cut by the suite, from the picture's own outline.
"""

import argparse
import json
from pathlib import Path

from PIL import Image

from training.data.captions import BACKGROUNDS
from training.data.icons import load_sets, rasterize
from training.pictures import ICONS

EXAMPLES = (
    ("cat", "cat-face", "light blue", 512),
    ("grin", "grinning-face", "white", 512),
    ("bear", "bear", "white", 384),
    ("apple", "red-apple", "light blue", 384),
    ("tiger", "tiger-face", "yellow", 256),
    ("car", "automobile", "white", 256),
)
"""File name, icon, background word, side in pixels."""
LISTS = {"edit_pairs": 256, "inpaint_pairs": 256, "vector_icons": 128}
"""Lists of benchmarks/ that say what each of their pictures shows -> side in pixels; what is to be
drawn with paths is small, as blurred icons are."""


def picture(data: dict, icon: str, word: str, side: int) -> Image.Image:
    """The icon at 84 % of the side over a plain background."""
    drawing = rasterize(data, icon, round(side * 0.84))
    page = Image.new("RGB", (side, side), BACKGROUNDS[word][0])
    page.paste(drawing, ((side - drawing.width) // 2, (side - drawing.height) // 2), drawing)
    return page


def write(image: Image.Image, path: Path) -> None:
    """One file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


def listed(sets: dict, row: dict, folder: Path, side: int) -> None:
    """The picture of a row, and beside the source of a hole the drawing of its target."""
    drawn = {row["image"]: row.get("source") or row["concept"]}
    if "drawn" in row:
        drawn[row["drawn"]] = row["target"]
    for file, words in drawn.items():
        data = sets[row.get("style", "noto")]
        write(picture(data, words.replace(" ", "-"), row["background"], side), folder / file)


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=ICONS)
    parser.add_argument("--examples", type=Path, default=Path("examples"))
    parser.add_argument("--benchmarks", type=Path, default=Path("benchmarks"))
    args = parser.parse_args()
    sets = load_sets(args.icons)
    for name, icon, word, side in EXAMPLES:
        write(picture(sets["noto"], icon, word, side), args.examples / f"{name}.png")
    for name, side in LISTS.items():
        rows = json.loads((args.benchmarks / f"{name}.json").read_text())
        for row in rows:
            listed(sets, row, args.benchmarks, side)
        print(f"{name}: {len(rows)}")


if __name__ == "__main__":
    main()
