"""Examples become files: pictures of the package, spoiled where asked, and toys to walk around."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsampler.interfaces.cli.demo.show import PICTURES
from dreamsampler.interfaces.studio.uploads import harmless
from dreamsampler.tasks import Degrade, MakeScene

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.looks import Example

_MAKING = threading.Lock()


def values_of(example: Example, folder: Path) -> dict[str, Any]:
    """Field -> value, files among them.

    Args:
        example: what was clicked.
        folder: where files are made that are not there yet.
    """
    values = dict(example.values)
    with _MAKING:
        if not example.picture.endswith(".png"):
            scene = folder / f"scene-{example.picture}"
            if not (scene / "transforms.json").exists():
                operator = str(values.get("operator", "none"))
                toy: Any = example.picture
                MakeScene(toy, operator, noise=0.01, views=12, held_out=2, size=48).save(scene)
            return {**values, "scene": sorted(scene.iterdir())}
        picture = PICTURES / example.picture
        if example.degraded is not None:
            operator, noise = example.degraded
            spoiled = folder / harmless(f"{picture.stem}-{operator}-{noise}.png")
            if not spoiled.exists():
                folder.mkdir(parents=True, exist_ok=True)
                _spoil(picture, operator, noise, spoiled)
            picture = spoiled
        if example.hole is not None:
            values["mask_image"] = [_hole(picture, example.hole, folder)]
    return {**values, "image": picture}


def _spoil(picture: Path, operator: str, noise: float, target: Path) -> None:
    """A small copy, degraded: at the size that the bundled model knows."""
    from PIL import Image

    small = target.with_stem(f"{target.stem}-sharp")
    with Image.open(picture) as image:
        side = 128
        image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS).save(small)
    Degrade(small, operator, noise=noise).save(target)


def _hole(picture: Path, hole: tuple[float, float, float, float], folder: Path) -> Path:
    from PIL import Image, ImageDraw

    path = folder / f"hole-{picture.stem}.png"
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(picture) as image:
        mask = Image.new("L", image.size, 0)
    wide, high = mask.size
    left, top, right, bottom = hole
    box = (left * wide, top * high, right * wide, bottom * high)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius=0.12 * wide, fill=255)
    mask.save(path)
    return path
