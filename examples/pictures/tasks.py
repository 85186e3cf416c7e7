"""The picture of README.md: `python examples/pictures/tasks.py` writes tasks.png."""

from pathlib import Path

import numpy as np
from PIL import Image

import dreamsampler as ds
from dreamsampler.interfaces.sheet import Cell, draw_grid, shown

model = ds.from_pretrained()
bear, apple, grin = (
    Image.open(f"examples/{n}.png").convert("RGB") for n in ("bear", "apple", "grin")
)
eyes = Image.open("examples/grin-eyes.png").convert("L")
shaded = Image.composite(Image.blend(grin, Image.new("RGB", grin.size), 0.4), grin, eyes)
for name in ("tiger", "cat"):
    Image.open(f"examples/{name}.png").convert("RGB").resize((128, 128)).save(f"{name}.png")
Image.fromarray(np.random.default_rng(0).random((128, 128)) < 0.5).save("lost.png")
ds.Degrade("tiger.png", "mask(lost.png)", noise=0.02)().save("measured.png")
ds.Degrade("cat.png", "blur(sigma=3)", noise=0.02)().save("blurred.png")
views = Path("examples/car-views")

koala = ds.Edit(bear, prompt="koala", source_prompt="bear")(model)
peach = ds.Edit(apple, prompt="peach", source_prompt="red apple", seed=1)(model)
cool = ds.Inpaint(grin, "smiling face with sunglasses", mask_image=eyes)(model)
tiger = ds.Restore("measured.png", "mask(lost.png)", prompt="tiger face")(model)
cat = ds.Vectorize("blurred.png", "blur(sigma=3)", prompt="cat face")(model)
(drawing,) = cat.save("cat.svg")
car = ds.Reconstruct(views, "blur(sigma=2)", prompt="a yellow toy car", turntable=0)(model)
COLUMNS = [
    ("edit", bear, "bear", koala.images[0], "koala"),
    ("edit", apple, "red apple", peach.images[0], "peach"),
    ("inpaint", shaded, "a masked region", cool.images[0], "sunglasses"),
    ("restore", "measured.png", "half the pixels lost", tiger.images[0], "restored"),
    (
        "vectorize",
        "blurred.png",
        "blurred, noisy",
        shown(drawing),
        f"SVG, {cat.report['paths']} paths",
    ),
    (
        "reconstruct",
        views / "view_003.png",
        "1 of 12 blurred views",
        car.images[1],
        "3D: an unseen view",
    ),
]


def cell(picture: Image.Image | Path | str, label: str) -> Cell:
    """A picture at the size of the sheet."""
    image = picture if isinstance(picture, Image.Image) else Image.open(picture)
    return Cell(image.convert("RGB").resize((192, 192), Image.Resampling.LANCZOS), label)


cells = [cell(column[1], column[2]) for column in COLUMNS]
cells += [cell(column[3], column[4]) for column in COLUMNS]
tasks = [column[0] for column in COLUMNS]
Path("tasks.png").write_bytes(draw_grid(cells, len(COLUMNS), columns=tasks))
