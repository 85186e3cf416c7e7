"""The held-out pictures that are committed, so that a model is measured without icon packages."""

from pathlib import Path

import numpy as np
from PIL import Image

HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out"
COLUMNS = 12


def read_sheet(kind: str) -> np.ndarray:
    """The committed pictures, `concepts` or `icons`: uint8 [48, 128, 128, 3]."""
    with Image.open(HELD_OUT / f"{kind}.webp") as page:
        pixels = np.asarray(page.convert("RGB"))
    cells = pixels.reshape(-1, 128, COLUMNS, 128, 3).transpose(0, 2, 1, 3, 4)
    return cells.reshape(-1, 128, 128, 3)
