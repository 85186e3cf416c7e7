"""Pictures written whole, each with the recipe that made it."""

from __future__ import annotations

import json
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import unescape

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dreamsampler.files import InputError, OutputError, check_writable, one_line, write_whole
from dreamsampler.images.header import checked_path, open_header

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.images.picture import Picture

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
}
"""Suffix to Pillow's format and options; all but JPEG give every pixel back."""

RECIPE = "dreamsampler"
"""Keyword of the recipe's text chunk."""
LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}
"""Most pixels a side, of formats that have a limit."""
_LONGEST_EXIF = 60_000
_DESCRIPTION = 0x010E
_LARGEST_SVG = 1 << 26


def check_output(path: str | Path, reserve: int = 1 << 20) -> None:
    """Refuse an output picture before anything is computed for it.

    Args:
        reserve: bytes that must fit on the disk.

    Raises:
        OutputError: if the suffix names no known format or the place takes no file.
    """
    _format(path)
    check_writable(path, reserve)


def check_fits(path: str | Path, size_hw: tuple[int, int], recipe: int = 0) -> None:
    """Refuse a picture that its format cannot hold, before it is computed.

    Args:
        recipe: characters of its recipe, at least.

    Raises:
        OutputError: too many pixels a side, or a recipe that is too long.
    """
    name, most = _format(path)[0], max(size_hw)
    if most > LONGEST_SIDE.get(name, most):
        raise OutputError(
            f"{path}: {name} holds at most {LONGEST_SIDE[name]} pixels a side, and the result has "
            f"{size_hw[1]}x{size_hw[0]}: write a .png"
        )
    if name == "JPEG" and recipe > _LONGEST_EXIF:
        raise OutputError(
            f"{path}: a JPEG has room for a recipe of {_LONGEST_EXIF} characters, and the options "
            f"alone have {recipe}: write a .png, or leave the metadata out"
        )


def save_picture(
    path: str | Path, rgb: Tensor, like: Picture | None = None, recipe: dict[str, Any] | None = None
) -> Path:
    """Write a picture, in the kind of file that `like` came from; whole or not at all.

    What the format cannot hold after all is written as a PNG beside it, with a warning.

    Alpha, 16 bits (PNG only) and the color profile of `like` are kept. The recipe goes into a PNG
    as the iTXt chunk "dreamsampler", into the other formats as their EXIF description.

    Args:
        path: .png, .jpg, .webp or .tif; an older file of that name is replaced at the end.
        rgb: (3, h, w) in [0, 1].
        like: the picture this one was made from, of the same size.
        recipe: anything JSON can say; none is written if it is empty.

    Returns:
        The file that was written.

    Raises:
        ValueError: if the tensor is no such picture or holds NaN.
        OutputError: if the file cannot be written.
    """
    format_, options = _format(path)
    depth = 16 if like is not None and like.depth == 16 and format_ == "PNG" else 8
    samples = _samples(rgb, like, depth)
    icc = like.icc if like is not None else None
    text = _text(recipe) if recipe else None
    if format_ == "PNG":
        data = _png(samples, icc, text)
    else:
        _warn_losses(path, format_, like)
        try:
            data = _with_exif(samples, format_, {**options, "icc_profile": icc}, text)
        except (OSError, ValueError, struct.error) as error:
            png = Path(f"{path}.png")  # out.webp.png replaces nobody's out.png
            warnings.warn(
                f"{format_} cannot hold the result ({one_line(error)}): it is in {png}",
                stacklevel=2,
            )
            return save_picture(png, rgb, like, recipe)
    write_whole(path, data)
    return Path(path)


def as_pil(rgb: Tensor, like: Picture | None = None) -> Image.Image:
    """A picture, (3, h, w) in [0, 1], as Pillow's, 8 bits; under the transparency of `like`."""
    return Image.fromarray(_samples(rgb, like, 8))


def side_by_side(images: Sequence[Image.Image], most: int = 1600) -> bytes:
    """Pictures in a row as a PNG of at most so many pixels a side, for a notebook."""
    sheet = Image.new("RGBA", (sum(i.width for i in images), max(i.height for i in images)))
    left = 0
    for image in images:
        sheet.paste(image.convert("RGBA"), (left, 0))
        left += image.width
    sheet.thumbnail((most, most))
    return encoded(sheet, "PNG")


def encoded(image: Image.Image, format_: str, options: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a Pillow image in a format, with Pillow's options for it."""
    file = BytesIO()
    image.save(file, format_, **(options or {}))
    return file.getvalue()


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The recipe that a picture or an SVG file written here carries.

    Raises:
        InputError: if the file is no picture or carries none.

    What should be a mapping in it is one, if need be empty.
    """
    text = _svg_text(path) if Path(path).suffix.lower() == ".svg" else _picture_text(path)
    try:
        recipe = json.loads(text)
    except (ValueError, RecursionError):
        recipe = None
    if not isinstance(recipe, dict):
        raise InputError(
            f"{path} carries no recipe: pass a picture that dreamsampler wrote and no other "
            "program has saved again"
        )
    odd = [n for n in ("options", "model", "input", "versions") if n in recipe]
    return recipe | {name: {} for name in odd if not isinstance(recipe[name], dict)}


def _picture_text(path: str | Path) -> str:
    with open_header(path, least=1) as image:  # small files are written too
        text = image.info.get(RECIPE)
        try:
            return str(image.getexif().get(_DESCRIPTION, "")) if text is None else str(text)
        except Exception:  # a damaged EXIF block holds no recipe
            return ""


def _svg_text(path: str | Path) -> str:
    """What stands in our `<metadata>`; found in the text, so that no XML of a stranger is built."""
    file = checked_path(path)
    if file.stat().st_size > _LARGEST_SVG:
        raise InputError(f"{path} has more than {_LARGEST_SVG:,} bytes: no SVG from here has")
    text = file.read_bytes().decode("utf-8", "replace")
    begin, end = f'<metadata id="{RECIPE}">', "</metadata>"
    return unescape(text.partition(begin)[2].partition(end)[0])


def _format(path: str | Path) -> tuple[str, dict[str, Any]]:
    suffix, stem = Path(path).suffix.lower(), Path(path).stem
    if suffix not in FORMATS:
        raise OutputError(
            f"{path} ends in {suffix or 'no suffix'} but must end in one of {', '.join(FORMATS)}: "
            f"name the output such as {stem or 'out'}.png"
        )
    return FORMATS[suffix]


def _text(recipe: dict[str, Any]) -> str:
    """JSON that UTF-8 can hold even where a prompt came from broken bytes."""
    return json.dumps(recipe, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _samples(rgb: Tensor, like: Picture | None, depth: int) -> np.ndarray:
    """(h, w, 3 or 4), uint8 or uint16."""
    if rgb.ndim != 3 or rgb.shape[0] != 3:
        raise ValueError(f"the picture is {tuple(rgb.shape)} but must be (3, h, w)")
    rgb = rgb.detach().float().cpu()
    if not rgb.isfinite().all():
        raise ValueError(
            "the picture holds NaN or infinite values: the model broke down; try dtype float32"
        )
    planes = [rgb]
    if like is not None and like.alpha is not None:
        if like.size != tuple(rgb.shape[1:]):
            raise ValueError(
                f"the picture is {tuple(rgb.shape[1:])} (height, width) and the one it was made "
                f"from is {like.size}: scale it back first"
            )
        planes.append(like.alpha)
    numbers = np.concatenate([plane.numpy() for plane in planes]).transpose(1, 2, 0)
    top, kind = (65535, np.uint16) if depth == 16 else (255, np.uint8)
    return np.ascontiguousarray(np.rint(numbers.clip(0, 1) * np.float32(top)).astype(kind))


def _warn_losses(path: str | Path, format_: str, like: Picture | None) -> None:
    if like is not None and like.depth == 16:
        warnings.warn(f"{path}: {format_} is written at 8 bits, only PNG keeps 16", stacklevel=3)
    if like is not None and like.alpha is not None:
        warn_alpha(path)


def warn_alpha(path: str | Path) -> None:
    """Warn of a transparent picture that becomes a JPEG."""
    if _format(path)[0] == "JPEG":
        warnings.warn(f"{path}: JPEG has no transparency, white is laid under it", stacklevel=3)


def _with_exif(
    samples: np.ndarray, format_: str, options: dict[str, Any], text: str | None
) -> bytes:
    image = Image.fromarray(samples)
    if format_ == "JPEG" and image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if text is not None:
        exif = Image.Exif()
        exif[_DESCRIPTION] = json.dumps(json.loads(text))  # EXIF text is ASCII
        options = {**options, "exif": exif}
    return encoded(image, format_, options)


def _png(samples: np.ndarray, icc: bytes | None, text: str | None) -> bytes:
    info = PngInfo()
    if text is not None:
        info.add_itxt(RECIPE, text)
    if samples.dtype == np.uint16:
        return _deep_png(samples, icc, info)
    return encoded(Image.fromarray(samples), "PNG", {"pnginfo": info, "icc_profile": icc})


def _deep_png(samples: np.ndarray, icc: bytes | None, info: PngInfo) -> bytes:
    """A PNG of 16 bits per sample, which Pillow cannot write for colors; rows filtered by Up."""
    height, width, channels = samples.shape
    rows = np.frombuffer(samples.astype(">u2").tobytes(), np.uint8).reshape(height, -1)
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)
    filtered[0, 1:], filtered[1:, 1:] = rows[0], rows[1:] - rows[:-1]
    color = {3: 2, 4: 6}[channels]
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0))]
    if icc:
        parts.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    parts += [(chunk[0], chunk[1]) for chunk in info.chunks]
    parts += [(b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
