"""One edit, one option of it turned from little to much a row: the picture of docs/parameters.md.

Before each row: its options, with the distance to the source where nothing was to change (dB over
the source's background) and the judge's first name for each picture, from left to right.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.judge import Judge
from benchmarks.metrics import background, preservation, read
from benchmarks.plots import sheet
from benchmarks.protocol import HERE
from benchmarks.records import png
from benchmarks.report import header, line
from dreamsampler import from_pretrained
from dreamsampler.tasks import Edit

GROUND = " on a light blue background"
IMAGE = HERE / "edit_pairs/00_cat-face.png"
ROWS: dict[str, list[dict[str, Any]]] = {
    "strength": [{"strength": s} for s in (0.45, 0.6, 0.75, 0.88, 1.0)],
    "guidance_scale": [{"guidance_scale": g} for g in (1.5, 3.0, 5.0, 9.0, 15.0)],
    "num_inference_steps": [{"num_inference_steps": n} for n in (2, 4, 8, 16, 32)],
    "seed": [{"seed": s} for s in range(5)],
    "prompts, method": [
        {"source_prompt": None},
        {},
        {"method": "flowedit"},
        {"method": "dreamsampler", "source_prompt": None},
        {"regularize": "symmetry"},
    ],
}


@torch.no_grad()
def main(model: str = "iconic", side: int = 116, out: Path = HERE / "runs") -> None:
    """Make every picture, print its figures, write parameters.png.

    Args:
        model: that edits.
        side: of a picture on the sheet, pixels.
        out: folder of the sheet.
    """
    torch.set_num_threads(1)
    prior, judge, source = from_pretrained(model), Judge.load(), read(IMAGE)
    ground, source_prompt = background(source), "cat face" + GROUND
    print(header("option", "background dB", "named first"))
    with TemporaryDirectory() as folder:
        columns = [("source", [IMAGE] * len(ROWS)), *((f"{i + 1}", []) for i in range(5))]
        for name, row in ROWS.items():
            for i, options in enumerate(row):
                task = Edit(
                    IMAGE, "dog face" + GROUND, **{"source_prompt": source_prompt, **options}
                )
                x = task.start(prior).run().pictures()[0]
                kept = preservation(x, source, ground)["background dB"]
                label = ", ".join(f"{k} {v}" for k, v in options.items()) or "source prompt"
                print(line(label, f"{kept:.1f}", judge.top(x[None])[0][0]), flush=True)
                path = Path(folder) / f"{name}-{i}.png"
                path.write_bytes(png(x))
                columns[i + 1][1].append(path)
        sheet(columns, [*ROWS], out / "parameters.png", side)
    print(f"\nsheet: {out / 'parameters.png'}")
