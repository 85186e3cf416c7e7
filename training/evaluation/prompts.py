"""The prompts of `make evaluate-model`: 200 to measure with, 48 others to choose the guidance with.

    python -m training.evaluation.prompts

Concepts, backgrounds, styles and templates are drawn by chance (captions.py, a fixed seed), every
concept at least once; no prompt was kept or dropped for its result. The list is committed, so that
figures stay comparable when captions.py grows.
"""

import argparse
import json
import random
from pathlib import Path

from training.data.captions import BACKGROUNDS, caption
from training.data.concepts import icon_names, title
from training.data.icons import SETS

LIST = Path(__file__).with_name("prompts.json")


def row(icon: str, rng: random.Random) -> dict:
    """One prompt, with what it names (None: not named)."""
    word = rng.choice(list(BACKGROUNDS))
    text = caption(icon, rng.choice(list(SETS)), word, "plain", rng)
    named = f"{word} background" in text
    return {"prompt": text, "concept": title(icon), "background": word if named else None}


def rows(icons: list[str], taken: set[str], rng: random.Random) -> list[dict]:
    """One prompt for each icon, none of them twice; what is taken grows."""
    output = []
    for icon in icons:
        while (one := row(icon, rng))["prompt"] in taken:
            pass
        taken.add(one["prompt"])
        output.append(one)
    return output


def draw(seed: int = 2026, measured: int = 200, chosen: int = 48) -> dict[str, list[dict]]:
    """Both lists; they share no prompt."""
    rng, names, taken = random.Random(seed), icon_names(), set()
    icons = names + rng.sample(names, measured - len(names))
    first = rows(icons, taken, rng)
    return {"measure": first, "choose": rows(rng.sample(names, chosen), taken, rng)}


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=LIST)
    args = parser.parse_args()
    output = draw()
    lines = [
        f" {json.dumps(name)}: [\n" + ",\n".join("  " + json.dumps(row) for row in part) + "\n ]"
        for name, part in output.items()
    ]
    args.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{args.out}: " + ", ".join(f"{len(part)} to {name}" for name, part in output.items()))


if __name__ == "__main__":
    main()
