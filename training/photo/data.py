"""Photographs for training: clothes as people wear and lay them, and wallpapers.

    python -m training.photo.data --clothes DIR --wallpapers DIR

DIR: github.com/alexeygrigorev/clothing-dataset-small (CC0; its folders train and validation; its
test split is never read), and the unpacked Debian packages lomiri-wallpapers-16.04 and -20.04
(CC-BY and CC-BY-SA, by the photographers that they name). Every picture is scaled down until the
traces of its JPEG file are gone. Writes train.npy and validation.npy, each one long row of pixels,
with the sizes of the pictures beside.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

SMALLEST = 72
OUT = Path("training/runs/photo")


def scaled(path: Path, factor: float, longest: int) -> np.ndarray | None:
    """A picture scaled down by `factor`, and further to `longest`: uint8 [h, w, 3]."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    factor = min(factor, longest / max(picture.size))
    size = [round(side * factor) for side in picture.size]
    if min(size) < SMALLEST:
        return None
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=4.0))


def pack(paths: list[tuple[Path, float, int]], out: Path) -> int:
    """Write the pictures to one file; how many there were."""
    pictures = [p for p in (scaled(*each) for each in paths) if p is not None]
    pixels = np.concatenate([p.reshape(-1) for p in pictures])
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out.with_suffix(".npy"), pixels)
    np.save(out.with_name(out.stem + "_sizes.npy"), np.array([p.shape[:2] for p in pictures]))
    return len(pictures)


def main() -> None:
    """Pack the training and the validation pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clothes", type=Path, required=True)
    parser.add_argument("--wallpapers", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    clothes = sorted(args.clothes.glob("train/*/*.jpg"))
    walls = sorted(p for p in args.wallpapers.rglob("*.jpg") if "doc" not in p.parts)
    others = sorted(args.clothes.glob("validation/*/*.jpg"))
    paths = [(p, 0.5, 640) for p in clothes]
    paths += [(p, factor, 1600) for p in walls for factor in (0.5, 0.35, 0.2)]
    print(pack(paths, args.out / "train"), "pictures for training")
    print(pack([(p, 0.5, 640) for p in others[::6]], args.out / "validation"), "held out")


if __name__ == "__main__":
    main()
