"""Write examples/*.png, and benchmarks/edit_pairs.json with its 128-px source pictures.

    python training/make_examples.py --icons training/runs/icons

Noto drawings, centered and upright on a plain background: not what training's augmentation draws.
"""

import argparse
import json
from pathlib import Path

from captions import BACKGROUNDS
from icons import load_set, rasterize
from PIL import Image

#: file name, icon, background word, side in pixels
EXAMPLES = (
    ("cat", "cat-face", "light blue", 512),
    ("grin", "grinning-face", "white", 512),
    ("bear", "bear", "white", 384),
    ("apple", "red-apple", "light blue", 384),
    ("tiger", "tiger-face", "yellow", 256),
    ("car", "automobile", "white", 256),
)

#: source icon, target words, background word
PAIRS = """
cat-face > dog face | light blue
dog-face > cat face | white
cat-face > tiger face | white
cat-face > fox | green
dog-face > wolf | light blue
bear > panda | white
bear > polar bear | light blue
panda > bear | green
bear > koala | yellow
tiger-face > lion | white
lion > tiger face | light blue
fox > wolf | white
wolf > fox | yellow
rabbit-face > mouse face | light blue
mouse-face > hamster | white
hamster > bear | light blue
pig-face > cow face | white
cow-face > horse face | green
koala > mouse face | pink
monkey-face > bear | white
frog > pig face | yellow
penguin > owl | light blue
grinning-face > smiling face with sunglasses | white
slightly-smiling-face > smiling face with sunglasses | light blue
grinning-face > crying face | light blue
slightly-smiling-face > smiling face with heart eyes | white
grinning-face > nerd face | pink
neutral-face > angry face | white
slightly-smiling-face > cowboy hat face | white
crying-face > grinning face | white
smiling-face-with-sunglasses > smiling face with heart eyes | light blue
winking-face > face with tongue | white
slightly-frowning-face > slightly smiling face | green
grinning-face > smiling face with halo | light blue
angry-face > smiling face with horns | white
sleeping-face > crying face | white
nerd-face > smiling face with sunglasses | yellow
red-apple > green apple | white
green-apple > red apple | light blue
red-apple > tomato | light blue
tomato > red apple | white
red-apple > peach | white
lemon > tangerine | light blue
tangerine > red apple | white
peach > tangerine | light blue
strawberry > cherries | white
pear > green apple | pink
lemon > mango | white
red-heart > blue heart | white
blue-heart > red heart | light blue
yellow-heart > green heart | white
green-heart > purple heart | yellow
purple-heart > orange heart | white
red-heart > black heart | light blue
automobile > taxi | white
taxi > police car | light blue
bus > fire engine | white
automobile > racing car | light blue
soccer-ball > basketball | white
doughnut > cookie | light blue
""".strip().splitlines()


def picture(data: dict, icon: str, word: str, side: int) -> Image.Image:
    """The icon at 84 % of the side over a plain background."""
    drawing = rasterize(data, icon, round(side * 0.84))
    page = Image.new("RGB", (side, side), BACKGROUNDS[word][0])
    page.paste(drawing, ((side - drawing.width) // 2, (side - drawing.height) // 2), drawing)
    return page


def write_examples(data: dict, folder: Path) -> None:
    """The pictures of README and tests."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, icon, word, side in EXAMPLES:
        picture(data, icon, word, side).save(folder / f"{name}.png", optimize=True)


def write_pairs(data: dict, folder: Path) -> int:
    """The list of edits and one source picture for each."""
    (folder / "edit_pairs").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, line in enumerate(PAIRS):
        icon, rest = line.split(" > ")
        target, word = rest.split(" | ")
        source, place = icon.replace("-", " "), f" on a {word} background"
        file = f"edit_pairs/{number:02d}_{icon}.png"
        picture(data, icon, word, 128).save(folder / file, optimize=True)
        rows.append({
            "id": number, "source": source, "target": target, "background": word,
            "source_prompt": source + place, "target_prompt": target + place, "image": file,
        })  # fmt: skip
    body = ",\n".join("  " + json.dumps(row) for row in rows)
    (folder / "edit_pairs.json").write_text(f"[\n{body}\n]\n")
    return len(rows)


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--examples", type=Path, default=Path("examples"))
    parser.add_argument("--benchmarks", type=Path, default=Path("benchmarks"))
    args = parser.parse_args()
    data = load_set(args.icons, "noto")
    write_examples(data, args.examples)
    print(f"{len(EXAMPLES)} examples, {write_pairs(data, args.benchmarks)} edit pairs")


if __name__ == "__main__":
    main()
