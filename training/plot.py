"""Draw the loss of a training log.

python training/plot.py --log training/runs/denoiser/log.txt --out training/runs/loss.png
"""

import argparse
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

LINE = re.compile(r"step (\d+) loss ([\d.]+) norm ([\d.]+) lr (\S+) .*quarter of t (.*)$")


def read(log: Path) -> dict[int, list[float]]:
    """Step -> loss, then the losses of the four quarters of t; a repeated step counts once."""
    found = {}
    for line in log.read_text().splitlines():
        if match := LINE.search(line):
            quarters = [float(x) for x in match[5].split()]
            found[int(match[1])] = [float(match[2]), *quarters]
    return dict(sorted(found.items()))


def draw(log: Path, out: Path) -> int:
    """Write the picture; returns how many reports it shows."""
    rows = read(log)
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for column, words in enumerate(["all", "t < 250", "t < 500", "t < 750", "t < 1000"]):
        values = [row[column] for row in rows.values()]
        axes.plot(list(rows), values, label=words, linewidth=2 if column == 0 else 1)
    axes.set(xlabel="step", ylabel="v-MSE", yscale="log", title=log.parent.name)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
    return len(rows)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, default=Path("training/runs/denoiser/log.txt"))
    parser.add_argument("--out", type=Path, default=Path("training/runs/loss.png"))
    args = parser.parse_args()
    print(f"{args.out}: {draw(args.log, args.out)} points")


if __name__ == "__main__":
    main()
