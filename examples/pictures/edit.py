"""The picture of docs/edit.md: `python examples/pictures/edit.py` writes edit.png."""

from pathlib import Path

from PIL import Image

import dreamsampler as ds
from dreamsampler.interfaces.sheet import Cell, draw_grid

cat, grin = Image.open("examples/cat.png"), Image.open("examples/grin.png")
dog = {"prompt": "dog face", "source_prompt": "cat face"}
cool = {"prompt": "smiling face with sunglasses", "source_prompt": "grinning face"}
EDITS = [
    ("only a prompt", cat, {"prompt": "dog face"}),
    ("and a source prompt", cat, dog),
    ("another seed", cat, dog | {"seed": 3}),
    ("symmetry", cat, dog | {"seed": 3, "regularize": "symmetry"}),
    ("sunglasses", grin, cool),
    ("under a mask", grin, cool | {"mask_image": "examples/grin-eyes.png"}),
    ("strength 0.5", grin, cool | {"strength": 0.5}),
    ("colors of an apple", grin, cool | {"regularize": "palette(examples/apple.png, colors=6)"}),
]
model = ds.from_pretrained()
cells = []
for i, (label, image, options) in enumerate(EDITS):
    if i % 4 == 0:
        cells.append(Cell(image, "source"))
    cells.append(Cell(ds.Edit(image, **options)(model).images[0], label))
Path("edit.png").write_bytes(draw_grid(cells, across=5))
