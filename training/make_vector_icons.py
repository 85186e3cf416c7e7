"""Write benchmarks/vector_icons.json with its 128-px pictures: 8 things in all three styles.

    python training/make_vector_icons.py --icons training/runs/icons

Centered and upright on a plain background: not what training's augmentation draws.
"""

import argparse
import json
from pathlib import Path

from icons import load_sets
from make_examples import picture

#: icon | background word
ICONS = """
cat-face | light blue
fox | white
mouse-face | yellow
nerd-face | light blue
winking-face | white
crying-face | green
strawberry | light blue
taxi | white
""".strip().splitlines()


def main() -> None:
    """Draw every icon in every style, and list them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--benchmarks", type=Path, default=Path("benchmarks"))
    args = parser.parse_args()
    (args.benchmarks / "vector_icons").mkdir(parents=True, exist_ok=True)
    sets, rows = load_sets(args.icons), []
    for line in ICONS:
        icon, word = line.split(" | ")
        for style, data in sets.items():
            file = f"vector_icons/{len(rows):02d}_{icon}_{style}.png"
            picture(data, icon, word, 128).save(args.benchmarks / file, optimize=True)
            rows.append({
                "id": len(rows), "concept": icon.replace("-", " "), "style": style,
                "background": word, "image": file,
            })  # fmt: skip
    body = ",\n".join("  " + json.dumps(row) for row in rows)
    (args.benchmarks / "vector_icons.json").write_text(f"[\n{body}\n]\n")
    print(f"{len(rows)} icons")


if __name__ == "__main__":
    main()
