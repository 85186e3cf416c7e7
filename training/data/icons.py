"""Read the three icon sets (iconify packages from npm) and rasterize their drawings."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from training.data import styles

#: style word used in captions -> start of the package file's name
SETS = {
    "noto": "iconify-json-noto-[0-9]",
    "twemoji": "iconify-json-twemoji-",
    "fluent": "iconify-json-fluent-emoji-flat-",
}
#: the set that nothing is trained on, to look at edits of another style
UNSEEN = {"openmoji": "iconify-json-openmoji-"}
#: further sets, which name some icons in their own way (styles.py)
FURTHER = {
    "fluent-color": "iconify-json-fluent-emoji-[0-9]",
    "noto-v1": "iconify-json-noto-v1-",
    "fxemoji": "iconify-json-fxemoji-",
    "streamline": "iconify-json-streamline-emojis-",
}
MORE = UNSEEN | FURTHER
GLYPH = 160
MARGIN = 10


def load_set(folder: Path, style: str) -> dict:
    """The icons.json of one set, read from the .tgz file that `npm pack` left in `folder`."""
    start = (SETS | MORE)[style]
    output = sorted(Path(folder).glob(start + "*.tgz"))
    if not output:
        raise SystemExit(f"no {start}*.tgz in {folder}: run `npm pack` first (see README.md)")
    with tarfile.open(output[-1]) as archive:
        return json.load(archive.extractfile("package/icons.json"))


def load_sets(folder: Path) -> dict[str, dict]:
    """All three sets, keyed by style word."""
    return {style: load_set(folder, style) for style in SETS}


def svg_of(data: dict, name: str, body: str | None = None) -> str:
    """A stand-alone SVG document of one icon, or of another body in its place."""
    icon = data["icons"][name]
    body = icon["body"] if body is None else body
    width = icon.get("width", data.get("width", 16))
    height = icon.get("height", data.get("height", 16))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">{body}</svg>'
    )


def rasterize(data: dict, name: str, size: int, body: str | None = None) -> Image.Image:
    """One icon as an RGBA image that fits into `size` x `size` pixels."""
    import resvg_py

    svg = svg_of(data, name, body)
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    return Image.open(io.BytesIO(png)).convert("RGBA")


def drawing(data: dict, name: str, scale: int = 1, body: str | None = None) -> np.ndarray:
    """One icon, centered on a transparent square of 160 `scale` px: uint8 RGBA, straight alpha."""
    side = GLYPH * scale
    picture = rasterize(data, name, side - 2 * MARGIN * scale, body)
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return np.asarray(square)


def glyph(data: dict, name: str, scale: int = 1) -> np.ndarray:
    """One icon as `drawing`, but float with premultiplied alpha."""
    return premultiply(drawing(data, name, scale))


def premultiply(straight: np.ndarray) -> np.ndarray:
    """uint8 RGBA -> float32 RGBA in [0, 1], colors times alpha."""
    rgba = straight.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


def load_glyphs(source: Path, further: bool = False) -> dict[tuple[str, str], list[np.ndarray]]:
    """(style, concept) -> drawings (uint8 RGBA), from a folder of packages or a packed file.

    Args:
        source: the folder or the file.
        further: the sets and variants of styles.py, not the three that name all concepts.
    """
    output: dict[tuple[str, str], list[np.ndarray]] = {}
    if source.suffix == ".npz":
        for key, rgba in np.load(source).items():
            style, name, _ = key.split(" ")
            output.setdefault((style, name), []).append(rgba)
        return output
    for style in styles.TRAINED if further else SETS:
        data = load_set(source, style)
        _, lined, plain = styles.TRAINED[style] if further else (1.0, False, False)
        for concept, names in styles.names_of(style, data).items():
            output[style, concept] = [drawing(data, name) for name in names]
            for suits, change in ((lined, styles.outlined), (plain, styles.flat)):
                if suits:
                    kind = f"{style} {change.__name__}"
                    changed = [drawing(data, name, 1, change(data, name)) for name in names]
                    output[kind, concept] = changed
    return output


def pack_drawings(folder: Path, out: Path) -> None:
    """The drawings of all concepts in one file, for `load_glyphs`."""
    packed = {
        f"{style} {name} {k}": rgba
        for (style, name), drawings in load_glyphs(folder).items()
        for k, rgba in enumerate(drawings)
    }
    np.savez_compressed(out, **packed)
