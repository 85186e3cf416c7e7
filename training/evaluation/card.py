"""Fill the figures of the bundled model's card from what was measured.

    python -m training.evaluation.card --figures training/runs/evaluation/figures.json
    python -m training.evaluation.card

The first form also keeps the rows of a whole `make evaluate-model` in measured.json. The card's
lines between `<!-- figures -->` and `<!-- /figures -->` are written anew from that file.
"""

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = Path(__file__).with_name("measured.json")
"""What was measured; the card and the table read it."""
CARD = ROOT / "src" / "dreamsampler" / "models" / "bundled" / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def remember(key: str, name: str, row: dict, path: Path = MEASURED) -> None:
    """Put a result under key / name of measured.json."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    stored.setdefault(key, {})[name] = row
    path.write_text(json.dumps(stored, indent=1) + "\n")


def tasks(stored: dict) -> str:
    """The table of `make evaluate-model`."""
    lines = ["| figure | target | measured | met |", "|---|---|---|---|"]
    for row in stored["rows"]:
        met = {True: "yes", False: "no", None: "-"}[row["met"]]
        lines.append(f"| {row['figure']} | {row['target']} | {row['measured']} | {met} |")
    return "\n".join(lines) + f"\n\n`make evaluate-model` at {stored['commit']}."


def autoencoders(stored: dict[str, dict]) -> str:
    """PSNR by set, of the autoencoder that ships."""
    kinds = {"concepts": "the 144 concepts", "icons": "all icons", "objects": "3D objects"}
    lines = ["| autoencoder | held-out pictures | noto | twemoji | fluent | openmoji | 3D |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, output in stored.items():
        for kind, row in output["PSNR in dB"].items():
            cells = []
            for style in ("noto", "twemoji", "fluent", "openmoji", "3D"):
                unseen = style in row and style not in output["trained on"] and style != "3D"
                cell = f"{row[style]:.1f}" if style in row else "-"
                cells.append(f"*{cell}*" if unseen else cell)
            lines.append(f"| {name} | {kinds[kind]} | {' | '.join(cells)} |")
    counts = [
        f"{output['pictures for each kind and set']} ({name})" for name, output in stored.items()
    ]
    below = (
        f"PSNR in dB, {' and '.join(counts)} new augmentations each; in italics: never trained on."
    )
    return "\n".join(lines) + f"\n\n{below}"


def filled(card: str, measured: dict) -> str:
    """The card with its figures between the two marks.

    Raises:
        ValueError: a mark is missing.
    """
    if BEGIN not in card or END not in card:
        raise ValueError(f"the card has no {BEGIN} ... {END}: put both marks where figures belong")
    before, rest = card.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    block = [tasks(measured["evaluation"]["shipped"]), autoencoders(measured["autoencoder"])]
    return before + BEGIN + "\n" + "\n\n".join(block) + "\n" + END + after


def main() -> None:
    """Keep and fill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", type=Path, help="figures.json of a whole evaluation")
    args = parser.parse_args()
    if args.figures:
        output = json.loads(args.figures.read_text())
        if output["quick"]:
            parser.error(f"{args.figures} is of a --quick run: the card wants all of it")
        remember("evaluation", "shipped", output)
    CARD.write_text(filled(CARD.read_text(), json.loads(MEASURED.read_text())))
    print(f"{CARD.relative_to(ROOT)}: filled from {MEASURED.name}")


if __name__ == "__main__":
    main()
