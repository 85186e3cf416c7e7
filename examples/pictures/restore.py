"""The picture of docs/restore.md: `python examples/pictures/restore.py` writes restore.png."""

from pathlib import Path

import numpy as np
from PIL import Image

import dreamsampler as ds
from dreamsampler.interfaces.sheet import Cell, draw_grid

SIZE = (256, 256)
Image.fromarray(np.random.default_rng(0).random(SIZE) < 0.5).save("lost.png")  # white is lost
MEASURED = [  # picture, prompt, what is done to it, what the task is given
    ("cat", "cat face", "blur(sigma=5)", "blur(sigma=5)"),
    ("bear", "bear", "blur(sigma=5)", "blur(sigma=?)"),
    ("car", "red car", "motion_blur(20, 30)", "motion_blur(20, 30)"),
    ("apple", "red apple", "downsample(4)", "downsample(4)"),
    ("tiger", "tiger face", "mask(lost.png)", "mask(lost.png)"),
    ("grin", "grinning face", "jpeg(8)", "jpeg(8)"),
]
model = ds.from_pretrained()
measured, restored, truth = [], [], []
for name, prompt, true, operator in MEASURED:
    sharp = Image.open(f"examples/{name}.png").convert("RGB").resize(SIZE)
    ds.Degrade(sharp, true, noise=0.0 if "jpeg" in true else 0.02)().save(f"{name}.png")
    result = ds.Restore(f"{name}.png", operator, prompt=prompt)(model).images[0]
    error = np.asarray(result, float) - np.asarray(sharp, float)
    print(f"{name}, {true}: {20 * np.log10(255 / np.sqrt((error**2).mean())):.1f} dB")
    for row, image in ((measured, Image.open(f"{name}.png")), (restored, result), (truth, sharp)):
        row.append(Cell(image.resize((192, 192))))
rows, columns = ["measured", "restored", "the truth"], [row[3] for row in MEASURED]
sheet = draw_grid(measured + restored + truth, len(MEASURED), columns=columns, rows=rows)
Path("restore.png").write_bytes(sheet)
