"""Write the mean features of each concept's own drawings, which results are compared with.

    python -m training.judge.drawings --icons training/runs/icons

All sets that the judge was trained on, each on several plain backgrounds; a set counts once.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.judge import DRAWINGS, Judge
from training.data.concepts import icon_names, title
from training.data.icons import load_sets
from training.data.pictures import picture
from training.pictures import ICONS

GROUNDS = ("white", "light blue", "yellow", "green")


def means(judge: Judge, sets: dict) -> dict[str, torch.Tensor]:
    """Concept -> mean feature of its drawings."""
    found = {}
    for name in icon_names():
        drawn = [
            torch.from_numpy(np.array(picture(data, name, ground, 128))).permute(2, 0, 1) / 255
            for data in sets.values()
            for ground in GROUNDS
        ]
        found[title(name)] = judge.pooled(torch.stack(drawn)).mean(0)
    return found


def main() -> None:
    """Write the file beside the judge's weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=ICONS)
    args = parser.parse_args()
    found = means(Judge.load(), load_sets(args.icons))
    save_file({name: mean.half() for name, mean in found.items()}, DRAWINGS)
    print(f"{len(found)} concepts")


if __name__ == "__main__":
    main()
