"""The picture of docs/reconstruct.md: `python examples/pictures/reconstruct.py` writes it."""

from pathlib import Path

from PIL import Image

import dreamsampler as ds
from dreamsampler.interfaces.sheet import Cell, draw_grid

views, model = Path("examples/car-views"), ds.from_pretrained()
rows = {
    "four of twelve views": sorted(views.glob("view_*.png"))[::3],
    "unseen views: truth": sorted(views.glob("held_out_*.png")),
}
for label, beta in (("without the model", 0.0), ("with the model", 1.0)):
    task = ds.Reconstruct(views, "blur(sigma=2)", prompt="a yellow toy car", beta=beta, turntable=0)
    out = task(model)
    out.save(f"car-{beta:g}")
    print(label, out.report)
    rows[label] = sorted(Path(f"car-{beta:g}").glob("view_*.png"))
cells = [Cell(Image.open(each).resize((192, 192))) for row in rows.values() for each in row[:4]]
Path("reconstruct.png").write_bytes(draw_grid(cells, across=4, rows=list(rows)))
