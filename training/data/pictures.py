"""Write examples/*.png, and the pictures of benchmarks/ with their lists.

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
"""Source icon > target words | background word."""
HOLES = """
grinning-face > smiling face with sunglasses | white | eyes
slightly-smiling-face > smiling face with heart eyes | light blue | ellipse
crying-face > nerd face | yellow | eyes
grinning-face > cowboy hat face | light blue | top
face-with-tongue > star struck | white | eyes
angry-face > smiling face with sunglasses | green | ellipse
slightly-smiling-face > face with medical mask | white | lower
grinning-face > smiling face with halo | pink | top
sleeping-face > smiling face with heart eyes | white | eyes
slightly-smiling-face > nerd face | pink | ellipse
crying-face > smiling face with sunglasses | light blue | eyes
grinning-face > smiling face with heart eyes | yellow | ellipse
""".strip().splitlines()
"""Source icon > target words | background word | hole."""
VECTOR = """
cat-face | light blue
fox | white
mouse-face | yellow
nerd-face | light blue
winking-face | white
crying-face | green
strawberry | light blue
taxi | white
""".strip().splitlines()
"""Icon | background word."""


def picture(data: dict, icon: str, word: str, side: int = 128) -> Image.Image:
    """The icon at 84 % of the side over a plain background."""
    drawing = rasterize(data, icon, round(side * 0.84))
    page = Image.new("RGB", (side, side), BACKGROUNDS[word][0])
    page.paste(drawing, ((side - drawing.width) // 2, (side - drawing.height) // 2), drawing)
    return page


def write(image: Image.Image, path: Path) -> None:
    """One file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


def edit_pairs(sets: dict, folder: Path) -> list[dict]:
    """The list of edits and one source picture for each."""
    rows = []
    for number, line in enumerate(PAIRS):
        icon, rest = line.split(" > ")
        target, word = rest.split(" | ")
        source, place = icon.replace("-", " "), f" on a {word} background"
        file = f"edit_pairs/{number:02d}_{icon}.png"
        write(picture(sets["noto"], icon, word), folder / file)
        rows.append({
            "id": number, "source": source, "target": target, "background": word,
            "source_prompt": source + place, "target_prompt": target + place, "image": file,
        })  # fmt: skip
    return rows


def inpaint_pairs(sets: dict, folder: Path) -> list[dict]:
    """Every source in every style, and what is to be painted into it."""
    rows = []
    for line in HOLES:
        icon, rest = line.split(" > ")
        target, word, hole = rest.split(" | ")
        for style, data in sets.items():
            number = len(rows)
            file = f"inpaint_pairs/{number:02d}_{icon}_{style}.png"
            drawn = f"inpaint_pairs/{number:02d}_target.png"
            write(picture(data, icon, word), folder / file)
            write(picture(data, target.replace(" ", "-"), word), folder / drawn)
            rows.append({
                "id": number, "source": icon.replace("-", " "), "target": target, "style": style,
                "background": word, "hole": hole, "image": file, "drawn": drawn,
            })  # fmt: skip
    return rows


def vector_icons(sets: dict, folder: Path) -> list[dict]:
    """Every icon in every style."""
    rows = []
    for line in VECTOR:
        icon, word = line.split(" | ")
        for style, data in sets.items():
            file = f"vector_icons/{len(rows):02d}_{icon}_{style}.png"
            write(picture(data, icon, word), folder / file)
            rows.append({
                "id": len(rows), "concept": icon.replace("-", " "), "style": style,
                "background": word, "image": file,
            })  # fmt: skip
    return rows


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
    for make in (edit_pairs, inpaint_pairs, vector_icons):
        rows = make(sets, args.benchmarks)
        body = ",\n".join("  " + json.dumps(row) for row in rows)
        (args.benchmarks / f"{make.__name__}.json").write_text(f"[\n{body}\n]\n")
        print(f"{make.__name__}: {len(rows)}")


if __name__ == "__main__":
    main()
