"""The picture of docs/inpaint.md: `python examples/pictures/inpaint.py` writes inpaint.png."""

from pathlib import Path

from PIL import Image

import dreamsampler as ds
from dreamsampler.interfaces.sheet import Cell, draw_grid

grin = Image.open("examples/grin.png").convert("RGB")
eyes = Image.open("examples/grin-eyes.png").convert("L")
shaded = Image.composite(Image.blend(grin, Image.new("RGB", grin.size), 0.4), grin, eyes)
halves = []  # a mask for each eye
for half in ((0, 0, 256, 512), (256, 0, 512, 512)):
    halves.append(Image.new("L", eyes.size))
    halves[-1].paste(eyes.crop(half), half)
cut = Image.open("examples/cat.png").convert("RGB").crop((0, 0, 330, 512))
PAINTED = [
    ("sunglasses", grin, "smiling face with sunglasses", {"mask_image": eyes}),
    ("hearts", grin, "smiling face with heart-eyes", {"mask_image": eyes}),
    ("glasses", grin, "nerd face", {"mask_image": eyes}),
    ("a prompt for each eye", grin, ["star-struck", "nerd face"], {"mask_image": halves}),
    ("widened", cut, "cat face on a light blue background", {"expand": (0, 0, 182, 0)}),
]
model = ds.from_pretrained()
cells = [Cell(shaded, "the hole is shaded")]
for label, image, prompt, options in PAINTED:
    if image is cut:
        cells.append(Cell(cut, "a cut picture"))
    cells.append(Cell(ds.Inpaint(image, prompt, **options)(model).images[0], label))
Path("inpaint.png").write_bytes(draw_grid(cells, across=4))
