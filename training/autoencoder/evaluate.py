"""PSNR of an autoencoder on held-out augmentations, set by set.

    python -m training.autoencoder.evaluate --vae src/dreamsampler/models/bundled/vae --name shipped
    python -m training.autoencoder.evaluate --vae training/runs/finer/vae --unseen openmoji
    python -m training.autoencoder.evaluate --sheets

Renders new augmentations (seeds that no training run uses), of the 144 concepts as the denoiser
sees them, and of all icons as the autoencoder sees them; `--objects` adds shaded 3D objects. The
figures go to training/evaluation/measured.json under the name; `--styles` says on which sets the
autoencoder was trained: the others are styles that it never saw. `--sheets` writes the small sample
of the same pictures that is committed for `make evaluate-model` (benchmarks/held_out).
"""

import argparse
import random
from pathlib import Path

import numpy as np
import torch

from training.autoencoder.network import build, psnr, reconstruct
from training.autoencoder.render import pictures
from training.data.captions import BACKGROUNDS
from training.data.concepts import icon_names
from training.data.icons import MORE, SETS, glyph, load_set, load_sets
from training.data.objects import picture
from training.data.render import SIZE, affine, backdrop, compose
from training.evaluation.card import remember
from training.pictures import CELL, contact, write_held_out

SEED = 77_000


def concepts(sets: dict, style: str, count: int, seed: int, scale: int) -> np.ndarray:
    """Augmented pictures of the 144 concepts in one style: uint8 [count, 128 s, 128 s, 3]."""
    rng, output = random.Random(seed), []
    words, chances = list(BACKGROUNDS), [weight for _, weight in BACKGROUNDS.values()]
    names = icon_names() * (count // len(icon_names())) + rng.sample(
        icon_names(), count % len(icon_names())
    )
    for name in names:
        word = rng.choices(words, chances)[0]
        graded = word != "white" and rng.random() < 0.12
        paper = backdrop(word, "gradient" if graded else "plain", rng, SIZE * scale)
        output.append(compose(glyph(sets[style], name, scale), paper, affine(rng, 0.2)))
    return np.stack(output)


def rendered(sets: dict, count: int, scale: int) -> dict[str, dict[str, np.ndarray]]:
    """Kind -> style -> `count` pictures of 128 `scale` px."""
    output: dict[str, dict[str, np.ndarray]] = {"concepts": {}, "icons": {}}
    for k, style in enumerate(sets):
        if style in SETS:  # the others name things in their own way
            output["concepts"][style] = concepts(sets, style, count, SEED + k, scale)
        output["icons"][style] = pictures({style: sets[style]}, count, SEED + 100 + k, scale=scale)
    return output


def objects(count: int, side: int) -> np.ndarray:
    """3D objects of seeds below those of the training shards: uint8 [count, side, side, 3]."""
    return np.stack([picture(SEED + k, side)[0] for k in range(count)])


def table(vae, output: dict, trained: list[str]) -> dict[str, dict[str, float]]:
    """Kind -> mean PSNR of each style, of the trained and of the unseen ones, in dB."""
    rows = {}
    for kind, by_style in output.items():
        each = {style: psnr(x, reconstruct(vae, x)) for style, x in by_style.items()}
        row = {style: each[style].mean() for style in each}
        known = [each[style] for style in each if style in trained]
        unseen = [each[style] for style in each if style not in trained]
        for words, parts in (("trained", known), ("never trained", unseen)):
            if parts:
                row[words] = np.concatenate(parts).mean()
        rows[kind] = {k: round(float(v), 2) for k, v in row.items()}
    return rows


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--vae", type=Path, default=Path("src/dreamsampler/models/bundled/vae"))
    parser.add_argument("--name", help="store the figures under this name")
    parser.add_argument("--styles", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--unseen", nargs="*", default=[], choices=list(MORE), help="further sets")
    parser.add_argument("--pictures", type=int, default=288, help="for each kind and style")
    parser.add_argument("--objects", action="store_true", help="3D objects as well")
    parser.add_argument("--out", type=Path, help="folder for sheets of reconstructions")
    parser.add_argument("--sheets", action="store_true", help="write benchmarks/held_out instead")
    return parser.parse_args()


def main() -> None:
    """Print the figures; store them."""
    args = arguments()
    torch.set_num_threads(1)
    sets = load_sets(args.icons) | {s: load_set(args.icons, s) for s in args.unseen}
    if args.sheets:
        for kind, by_style in rendered(sets, 16, CELL // SIZE).items():
            write_held_out(kind, np.concatenate(list(by_style.values())))
        return
    vae = build(args.vae)
    side = vae.config.sample_size
    output = rendered(sets, args.pictures, side // SIZE)
    if args.objects:
        output["objects"] = {"3D": objects(args.pictures, side)}
    rows = table(vae, output, [*args.styles, "3D"])
    for kind, row in rows.items():
        print(f"{kind}: " + ", ".join(f"{words} {v:.2f} dB" for words, v in row.items()))
    if args.name:
        command = f"python -m training.autoencoder.evaluate --vae {args.vae} --styles "
        stored = {"trained on": args.styles, "pictures for each kind and set": args.pictures}
        stored |= {"command": command + " ".join(args.styles), "PSNR in dB": rows}
        remember("autoencoder", args.name, stored)
    if args.out:
        for kind, by_style in output.items():
            cells = np.concatenate([x[:24] for x in by_style.values()])
            rows = {"pictures": cells, "reconstructions": reconstruct(vae, cells)}
            contact(rows, [], args.out / f"autoencoder_{kind}.png")


if __name__ == "__main__":
    main()
