"""Examples as files: pictures of the package, degraded if need be, and rendered toys."""

from __future__ import annotations

import threading
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsampler.interfaces.studio.uploads import safe_name
from dreamsampler.tasks import Degrade, MakeScene

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.specs import Example

PICTURES = Path(str(files("dreamsampler.interfaces.cli.demo")))
SIDE = 128
"""Of pictures that are degraded, in pixels: what the bundled model knows."""
_LOCK = threading.Lock()


def values_of(example: Example, folder: Path) -> dict[str, Any]:
    """Option -> value, files among them; those that are missing are made in a folder."""
    values = dict(example.values)
    folder.mkdir(parents=True, exist_ok=True)
    with _LOCK:
        if not example.picture.endswith(".png"):
            scene = folder / f"scene-{example.picture}"
            if not (scene / "transforms.json").exists():
                operator, toy = str(values.get("operator", "none")), example.picture
                task = MakeScene(toy, operator, noise=0.01, views=12, held_out=2, size=48)  # type: ignore[arg-type]
                task(progress=False).save(scene)
            return {**values, "image": sorted(scene.iterdir())}
        picture = PICTURES / example.picture
        if example.degraded is not None:
            picture = _degraded(picture, *example.degraded, folder)
        if example.hole is not None:
            values["mask_image"] = [_mask(picture, example.hole, folder)]
    return {**values, "image": picture}


def _degraded(picture: Path, operator: str, noise: float, folder: Path) -> Path:
    """A small copy, degraded."""
    from PIL import Image

    path = folder / safe_name(f"{picture.stem}-{operator}-{noise}.png")
    if not path.exists():
        with Image.open(picture) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        Degrade(small, operator, noise=noise)(progress=False).save(path)
    return path


def _mask(picture: Path, hole: tuple[float, float, float, float], folder: Path) -> Path:
    from PIL import Image, ImageDraw

    path = folder / f"hole-{picture.stem}.png"
    with Image.open(picture) as image:
        mask = Image.new("L", image.size, 0)
    wide, high = mask.size
    left, top, right, bottom = hole
    box = (left * wide, top * high, right * wide, bottom * high)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius=0.12 * wide, fill=255)
    mask.save(path)
    return path
