"""The picture of docs/vectorize.md: `python examples/pictures/vectorize.py` writes it."""

from pathlib import Path

from PIL import Image

import dreamsampler as ds
from dreamsampler.interfaces.sheet import Cell, draw_grid, shown

cat = Image.open("examples/cat.png").convert("RGB").resize((128, 128))
ds.Degrade(cat, "blur(sigma=3)", noise=0.02)().save("blurred.png")
DRAWN = [
    ("data only", "blurred.png", {"operator": "blur(sigma=3)", "beta": 0.0}),
    ("with the model", "blurred.png", {"operator": "blur(sigma=3)", "prompt": "cat face"}),
    ("from a sharp picture", cat, {}),
    ("from a prompt", None, {"prompt": "fox on a light blue background"}),
    ("an SVG file edited", "examples/apple.svg", {"prompt": "green apple"}),
]
model = ds.from_pretrained()
cells = [Cell(Image.open("blurred.png").resize((192, 192)), "blurred and noisy")]
for i, (label, image, options) in enumerate(DRAWN):
    out = ds.Vectorize(image, **options)(model)
    (path,) = out.save(f"{i}.svg")
    cells.append(Cell(shown(path), f"{label}, {out.report['paths']} paths"))
Path("vectorize.png").write_bytes(draw_grid(cells, across=3))
