"""Text to image, judged: how often the judge names the prompted concept first, or among five.

    python training/evaluate.py --pipeline new=src/dreamsampler/models/bundled --pipeline old=DIR

Every concept of the judge is drawn on a named background; one table, one sheet for each pipeline.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch
from sample import Sampler, sheet

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.judge import Judge


def prompts(judge: Judge, each: int, only: list[str] | None) -> list[tuple[str, int, int]]:
    """(prompt, concept index, background index): `each` backgrounds for every concept."""
    rng, rows = random.Random(0), []
    for index, concept in enumerate(judge.concepts):
        if only and concept not in only:
            continue
        for word in rng.sample(range(len(judge.backgrounds)), each):
            name = judge.backgrounds[word]
            article = "an" if name[0] in "aeiou" else "a"
            rows.append((f"{concept} on {article} {name} background", index, word))
    return rows


def draw(sampler: Sampler, rows: list, scale: float, steps: int) -> torch.Tensor:
    """All prompts in batches, each with its own seed."""
    parts = []
    for start in range(0, len(rows), 16):
        texts = [row[0] for row in rows[start : start + 16]]
        parts.append(sampler(texts, scale, steps, seed=10_000 + start))
    return torch.cat(parts)


def judged(judge: Judge, pictures: torch.Tensor, rows: list) -> dict[str, float]:
    """Percent of concepts in first place and among five, and of backgrounds in first place."""
    wanted = torch.tensor([row[1] for row in rows])
    behind = torch.tensor([row[2] for row in rows])
    best = judge.rank(pictures).topk(5).indices == wanted[:, None]
    backgrounds = judge.rank_backgrounds(pictures).argmax(1) == behind
    found = {"top1": best[:, 0], "top5": best.any(1), "background": backgrounds}
    return {k: 100 * v.float().mean().item() for k, v in found.items()}


def groups(judge: Judge, pictures: torch.Tensor, rows: list) -> dict[str, float]:
    """Top-1 in percent for each group of concepts."""
    import concepts

    right = judge.rank(pictures).argmax(1) == torch.tensor([row[1] for row in rows])
    names = {"interfaces": concepts.FACES, "animal faces": concepts.ANIMAL_FACES}
    names |= {"animals": concepts.ANIMALS, "fruit": concepts.FRUIT, "food": concepts.FOOD}
    names |= {"hearts": concepts.HEARTS, "vehicles": concepts.VEHICLES}
    names |= {"weather, objects": concepts.WEATHER + concepts.OBJECTS + concepts.ODD_FACES}
    found = {}
    for group, icons in names.items():
        titles = {concepts.title(i) for i in icons}
        mine = torch.tensor([judge.concepts[row[1]] in titles for row in rows])
        if mine.any():
            found[group] = round(100 * right[mine].float().mean().item(), 1)
    return found


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipeline", action="append", required=True, help="name=folder; repeat")
    parser.add_argument("--judge", type=Path, default=Path("benchmarks/judge"))
    parser.add_argument("--scales", type=float, nargs="+", default=[2.0, 3.0, 5.0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--each", type=int, default=1, help="backgrounds for every concept")
    parser.add_argument("--only", type=Path, help="JSON list of concept names to keep")
    parser.add_argument("--out", type=Path, default=Path("training/runs/evaluation"))
    return parser.parse_args()


def main() -> None:
    """Print the table, write the sheets."""
    args = arguments()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    judge = Judge.load(args.judge)
    only = json.loads(args.only.read_text()) if args.only else None
    rows = prompts(judge, args.each, only)
    print(f"{len(rows)} prompts, {args.steps} steps\n")
    print("| model | guidance | top-1 % | top-5 % | background % | s/picture |")
    print("|---|---|---|---|---|---|")
    details = {}
    for item in args.pipeline:
        name, folder = item.split("=", 1)
        sampler, pages = Sampler.from_pipeline(Path(folder)), {}
        for scale in args.scales:
            began = time.time()
            pages[f"{scale}"] = draw(sampler, rows, scale, args.steps)
            each = (time.time() - began) / len(rows)
            f = judged(judge, pages[f"{scale}"], rows)
            details[f"{name}, guidance {scale:g}"] = groups(judge, pages[f"{scale}"], rows)
            print(
                f"| {name} | {scale:g} | {f['top1']:.1f} | {f['top5']:.1f} "
                f"| {f['background']:.1f} | {each:.2f} |",
                flush=True,
            )
        sheet(pages, [row[0] for row in rows]).save(args.out / f"{name}.png")
    print("\nTop-1 % by group")
    for name, found in details.items():
        print(f"- {name}: " + ", ".join(f"{k} {v}" for k, v in found.items()))


if __name__ == "__main__":
    main()
