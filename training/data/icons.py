"""Read the three icon sets (iconify packages from npm) and rasterize their drawings."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from training.data.concepts import icon_names

#: style word used in captions -> start of the package file's name
SETS = {
    "noto": "iconify-json-noto-",
    "twemoji": "iconify-json-twemoji-",
    "fluent": "iconify-json-fluent-emoji-flat-",
}
#: sets that nothing is trained on, to look at edits of a style that the model never saw
UNSEEN = {"openmoji": "iconify-json-openmoji-", "fxemoji": "iconify-json-fxemoji-"}
GLYPH = 160
MARGIN = 10


def load_set(folder: Path, style: str) -> dict:
    """The icons.json of one set, read from the .tgz file that `npm pack` left in `folder`."""
    start = (SETS | UNSEEN)[style]
    output = sorted(Path(folder).glob(start + "*.tgz"))
    if not output:
        raise SystemExit(f"no {start}*.tgz in {folder}: run `npm pack` first (see README.md)")
    with tarfile.open(output[-1]) as archive:
        return json.load(archive.extractfile("package/icons.json"))


def load_sets(folder: Path) -> dict[str, dict]:
    """All three sets, keyed by style word."""
    return {style: load_set(folder, style) for style in SETS}


def svg_of(data: dict, name: str) -> str:
    """A stand-alone SVG document of one icon."""
    icon = data["icons"][name]
    width = icon.get("width", data.get("width", 16))
    height = icon.get("height", data.get("height", 16))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
    )


def rasterize(data: dict, name: str, size: int) -> Image.Image:
    """One icon as an RGBA image that fits into `size` x `size` pixels."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg_of(data, name), width=size, height=size))
    return Image.open(io.BytesIO(png)).convert("RGBA")


def drawing(data: dict, name: str) -> np.ndarray:
    """One icon, centered on a transparent 160-px square: uint8 [160, 160, 4], straight alpha."""
    picture = rasterize(data, name, GLYPH - 2 * MARGIN)
    square = Image.new("RGBA", (GLYPH, GLYPH))
    square.paste(picture, ((GLYPH - picture.width) // 2, (GLYPH - picture.height) // 2))
    return np.asarray(square)


def glyph(data: dict, name: str) -> np.ndarray:
    """One icon as `drawing`, but float [160, 160, 4] with premultiplied alpha."""
    return premultiply(drawing(data, name))


def premultiply(straight: np.ndarray) -> np.ndarray:
    """uint8 RGBA -> float32 RGBA in [0, 1], colors times alpha."""
    rgba = straight.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


def load_glyphs(source: Path) -> dict[tuple[str, str], np.ndarray]:
    """(style, icon) -> `glyph` of every concept, from a folder of packages or a packed file."""
    if source.suffix == ".npz":
        return {tuple(key.split(" ")): premultiply(rgba) for key, rgba in np.load(source).items()}
    sets = load_sets(source)
    return {(s, name): glyph(sets[s], name) for s in sets for name in icon_names()}


def pack_drawings(folder: Path, out: Path) -> None:
    """The drawings of all concepts in one file, for `load_glyphs`."""
    sets = load_sets(folder)
    packed = {f"{s} {name}": drawing(sets[s], name) for s in sets for name in icon_names()}
    np.savez_compressed(out, **packed)
