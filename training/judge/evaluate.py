"""How good is the judge? Accuracy on held-out augmentations, on unseen styles and unseen concepts.

    python -m training.judge.evaluate --judge benchmarks/judge

A concept that was never trained has no name the judge could choose, so what is asked there is
whether its *features* know it again: the nearest neighbor, among all unseen concepts, of a picture
in another augmentation, and in another set's drawing. Needs the icon packages; writes `accuracy`
into the judge's judge.json.
"""

import argparse
import json
import random
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.judge import Judge
from training.data.concepts import icon_names
from training.data.icons import SETS, load_sets
from training.judge.data import Labeled, blur, damage, portraits, render, strangers

HELD_OUT, UNSEEN = 999_999, 999_998


def accuracy(
    judge: Judge, data: Labeled, change: Callable[[Tensor], Tensor] | None = None
) -> dict[str, float]:
    """Top-1 and top-5 of the concept, top-1 of the background, in percent."""
    images, concepts, behind = data
    what, backdrops = [], []
    for part in images.split(200):
        x = part.float() / 255
        x = change(x) if change else x
        what.append(judge.rank(x))
        backdrops.append(judge.rank_backgrounds(x))
    right = torch.cat(what).topk(5).indices == concepts[:, None]
    output = {
        "top1": right[:, 0],
        "top5": right.any(1),
        "background": torch.cat(backdrops).argmax(1) == behind,
    }
    return {k: round(100 * v.float().mean().item(), 1) for k, v in output.items()}


def retrieval(queries: Tensor, gallery: Tensor) -> dict[str, float]:
    """How often a query's own row is the nearest, or among five, of a gallery of unit vectors."""
    best = (queries @ gallery.T).topk(5).indices == torch.arange(len(queries))[:, None]
    output = {"top1": best[:, 0], "top5": best.any(1)}
    return {k: 100 * v.float().mean().item() for k, v in output.items()}


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Column means, rounded."""
    return {k: round(sum(row[k] for row in rows) / len(rows), 1) for k in rows[0]}


def feature_rows(judge: Judge, sets: dict, names: list[str]) -> tuple[dict, dict]:
    """Retrieval under another augmentation, and in another set's drawing."""
    first, second = (
        {
            style: judge.embed(portraits(sets, names, style, 10 * seed + k).float() / 255)
            for k, style in enumerate(sets)
        }
        for seed in (1, 2)
    )
    same = mean([retrieval(first[style], second[style]) for style in sets])
    other = mean([retrieval(first[a], second[b]) for a, b in permutations(sets, 2)])
    return same, other


def report(judge: Judge, sets: dict, styles: list[str], count: int) -> dict[str, dict[str, float]]:
    """All rows, for a judge that was trained on `styles`."""
    torch.manual_seed(1)
    random.seed(1)
    data = render(sets, count, HELD_OUT, styles)
    rows = {
        "held-out augmentations": accuracy(judge, data),
        "the same, blurred (sigma 1.5 px at 64)": accuracy(judge, data, lambda x: blur(x, 1.5)),
        "the same, damaged": accuracy(judge, data, damage),
    }
    for style in sorted(set(SETS) - set(styles)):
        unseen = render(sets, count, UNSEEN, [style])
        rows[f"style never seen: {style}"] = accuracy(judge, unseen)
    for words, names in (("trained", icon_names()), ("never trained", strangers(sets))):
        same, other = feature_rows(judge, sets, names)
        about = f"features, {len(names)} concepts {words}"
        rows[f"{about}: the same drawing, augmented"] = same
        rows[f"{about}: another set's drawing"] = other
    return rows


def write(folder: Path, sets: dict, count: int) -> dict[str, dict[str, float]]:
    """Measure the judge in `folder` and put the rows into its judge.json."""
    path = folder / "judge.json"
    config = json.loads(path.read_text())
    config["accuracy"] = report(Judge.load(folder), sets, config["styles"], count)
    path.write_text(json.dumps(config, indent=1) + "\n")
    return config["accuracy"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--judge", type=Path, default=Path("benchmarks/judge"))
    parser.add_argument("--held-out", type=int, default=2016, help="held-out pictures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| pictures | top-1 % | top-5 % | background % |\n|---|---|---|---|")
    for words, row in write(args.judge, load_sets(args.icons), args.held_out).items():
        print(f"| {words} | {row['top1']} | {row['top5']} | {row.get('background', '-')} |")


if __name__ == "__main__":
    main()
