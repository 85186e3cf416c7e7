"""Draw loss and PSNR of an autoencoder run.

python training/plot_autoencoder.py --log training/runs/autoencoder/log.jsonl
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def plot(log: Path, out: Path) -> None:
    """The batches' loss on the left; PSNR of batches and measured files on the right."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for axes, key, words in (
        (left, "loss", "batches"),
        (right, "psnr", "batches (augmented, trained)"),
        (right, "held", "held-out augmentations"),
        (right, "unseen", "style never trained on"),
    ):
        points = [(row["minutes"], row[key]) for row in rows if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=words, linewidth=1)
    left.set(xlabel="minutes", ylabel="loss")
    right.set(xlabel="minutes", ylabel="PSNR in dB")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, default=Path("training/runs/autoencoder/log.jsonl"))
    parser.add_argument("--out", type=Path, help="default: loss.png beside the log")
    args = parser.parse_args()
    plot(args.log, args.out or args.log.with_name("loss.png"))
    print(args.out or args.log.with_name("loss.png"))


if __name__ == "__main__":
    main()
