"""Examples as files: pictures of the package, degraded if need be, and rendered toys."""

from __future__ import annotations

import io
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsampler.interfaces.studio.failures import Refused
from dreamsampler.interfaces.studio.specs import TABS, Example
from dreamsampler.tasks import Degrade, MakeScene

if TYPE_CHECKING:
    from PIL.Image import Image

    from dreamsampler.interfaces.studio.uploads import Upload, Uploads

PICTURES = Path(str(files("dreamsampler.interfaces.cli.demo")))
SIDE = 128
"""Of pictures that are degraded, in pixels: what the bundled model knows."""


def example_of(task: str, label: str) -> Example:
    """An example by its label; Refused."""
    for spec in TABS:
        for example in spec.examples:
            if (spec.name, example.label) == (task, label):
                return example
    raise Refused(f"{task} has no example {label!r}", field="label")


def picture_of(name: str) -> Path:
    """A picture of the package by its name; Refused."""
    known = {each.picture for spec in TABS for each in spec.examples if "." in each.picture}
    if name not in known:
        raise Refused("there is no such picture", 404)
    return PICTURES / name


def filled(example: Example, owner: str, uploads: Uploads) -> tuple[dict[str, Any], list[Upload]]:
    """Option -> value, files by their ids; and those files, which become the owner's."""
    values = dict(example.values)
    with tempfile.TemporaryDirectory(prefix="dreamsampler-example-") as folder:
        if not example.picture.endswith(".png"):
            operator, toy = str(values.get("operator", "none")), example.picture
            task = MakeScene(toy, operator, noise=0.01, views=12, held_out=2, size=48)  # type: ignore[arg-type]
            made = Path(folder) / "scene"
            task(progress=False).save(made)
            sent = [(path.name, path) for path in sorted(made.iterdir())]
            found = [uploads.add(owner, sent)]
        else:
            path = picture_of(example.picture)
            found = [uploads.add(owner, [_degraded(path, example)])]
    if example.hole is not None:
        found.append(uploads.add(owner, [("hole.png", _mask(path, example.hole))]))
        values["mask_image"] = [found[1].id]
    return {**values, "image": found[0].id}, found


def _degraded(path: Path, example: Example) -> tuple[str, Any]:
    """Name and bytes of an example's picture; of one to restore, a small copy, degraded."""
    if example.degraded is None:
        return path.name, path
    from PIL import Image

    operator, noise = example.degraded
    with Image.open(path) as image:
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    image = Degrade(small, operator, noise=noise)(progress=False).images[0]
    return f"{path.stem}-degraded.png", _png(image)


def _mask(path: Path, hole: tuple[float, float, float, float]) -> io.BytesIO:
    from PIL import Image, ImageDraw

    with Image.open(path) as image:
        mask = Image.new("L", image.size, 0)
    wide, high = mask.size
    left, top, right, bottom = hole
    box = (left * wide, top * high, right * wide, bottom * high)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius=0.12 * wide, fill=255)
    return _png(mask)


def _png(image: Image) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    return file
