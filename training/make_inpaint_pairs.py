"""Write benchmarks/inpaint_pairs.json with its 128-px source pictures, in all three styles.

    python training/make_inpaint_pairs.py --icons training/runs/icons

Beside each source lies the set's own drawing of the target, which shows how much of an edge a true
picture has where the hole's will be. The holes are not stored: benchmarks/inpaint.py cuts them from
the picture's own outline.
"""

import argparse
import json
from pathlib import Path

from icons import load_sets
from make_examples import picture

#: source icon > target words | background word | hole
PAIRS = """
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


def main() -> None:
    """Draw every source in every style, and list what is to be painted into it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--benchmarks", type=Path, default=Path("benchmarks"))
    args = parser.parse_args()
    (args.benchmarks / "inpaint_pairs").mkdir(parents=True, exist_ok=True)
    sets, rows = load_sets(args.icons), []
    for line in PAIRS:
        icon, rest = line.split(" > ")
        target, word, hole = rest.split(" | ")
        for style, data in sets.items():
            number = len(rows)
            file = f"inpaint_pairs/{number:02d}_{icon}_{style}.png"
            drawn = f"inpaint_pairs/{number:02d}_target.png"
            picture(data, icon, word, 128).save(args.benchmarks / file, optimize=True)
            wanted = picture(data, target.replace(" ", "-"), word, 128)
            wanted.save(args.benchmarks / drawn, optimize=True)
            rows.append({
                "id": number, "source": icon.replace("-", " "), "target": target, "style": style,
                "background": word, "hole": hole, "image": file,
                "drawn": drawn,
            })  # fmt: skip
    body = ",\n".join("  " + json.dumps(row) for row in rows)
    (args.benchmarks / "inpaint_pairs.json").write_text(f"[\n{body}\n]\n")
    print(f"{len(rows)} pairs")


if __name__ == "__main__":
    main()
