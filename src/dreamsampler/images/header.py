"""What a picture file says about itself before it is decoded; needs neither torch nor numpy."""

from __future__ import annotations

import contextlib
import re
import stat
import struct
import warnings
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dreamsampler.files import InputError, one_line

if TYPE_CHECKING:
    from PIL import Image

SHORTEST_SIDE = 16
"""Pixels; below it there is nothing to see."""
MOST_PIXELS = 64_000_000
"""Pixels; above it a picture is refused before it is decoded."""

FORMATS = (
    "PNG",
    "JPEG",
    "MPO",
    "WEBP",
    "TIFF",
    "GIF",
    "BMP",
    "AVIF",
    "JPEG2000",
    "PPM",
    "TGA",
    "HEIF",
)
_FORMATS = "PNG, JPEG, WebP, TIFF, GIF, BMP or AVIF"
_ORIENTATION = 0x0112
_NOTES, _LONGEST_NOTE = (b"eXIf", b"iTXt", b"tEXt", b"zTXt"), 1 << 20
"""Chunks of a PNG in which Pillow finds EXIF, and most bytes of one."""


class InMemory(Protocol):
    """A picture that needs no file, such as `images.picture.Picture`."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        ...


def check_picture(path: str | Path | InMemory, *, upright: bool = True) -> tuple[int, int]:
    """Refuse what is no usable picture, from its first bytes alone.

    Args:
        path: a picture file, of which nothing is decoded; or a picture in memory.
        upright: whether an EXIF orientation is applied.

    Returns:
        Height and width, in pixels.

    Raises:
        InputError: if the file is missing, empty, a folder, no picture, too small or too large.
    """
    if not isinstance(path, str | Path):
        return path.size
    with open_header(path) as image:
        width, height = image.size
        turned = (orientation(image) if upright else turned_by_pillow(image)) > 4
        return (width, height) if turned else (height, width)


def transparent(path: str | Path | InMemory) -> bool:
    """Whether a picture has an alpha channel or a transparent color, by its header."""
    if not isinstance(path, str | Path):
        return getattr(path, "alpha", None) is not None
    with open_header(path) as image:
        return image.has_transparency_data


def check_mask(path: str | Path | InMemory, size_hw: tuple[int, int]) -> None:
    """Refuse a mask that cannot belong to a picture, from its first bytes alone.

    Raises:
        InputError: if the file is no usable picture, or one of another size.
    """
    check_mask_size(path, check_picture(path), size_hw)


def check_mask_size(
    path: str | Path | InMemory, mask_hw: tuple[int, int], size_hw: tuple[int, int]
) -> None:
    """Refuse a mask of another size than its picture."""
    if mask_hw != size_hw:
        turned = " (it lies on its side: rotate it)" if mask_hw == size_hw[::-1] else ""
        raise InputError(
            f"{_mask(path)} is {mask_hw[1]}x{mask_hw[0]} pixels but the picture is "
            f"{size_hw[1]}x{size_hw[0]}{turned}: draw the mask on the picture itself, or scale it "
            "to that size"
        )


def _mask(path: str | Path | InMemory) -> str:
    return f"mask {path}" if isinstance(path, str | Path) else "mask_image"


def open_header(path: str | Path, least: int = SHORTEST_SIDE) -> Image.Image:
    """Pillow's lazy image of a file that passed every check; close it, or use it in `with`.

    Args:
        least: pixels that each side must have.
    """
    from PIL import Image, UnidentifiedImageError

    path = checked_path(path)
    _init()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        raise _too_large(path, int(pixels[0]) if pixels else MOST_PIXELS) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is {_guess(path)}") from error
    except PermissionError as error:
        raise InputError(f"{path} may not be read: change its permissions") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise InputError(f"{path} is damaged ({one_line(error)}): get the file again") from error
    try:
        check_size(path, *image.size, least)
    except InputError:
        image.close()
        raise
    return image


@cache
def _init() -> None:
    """Make Pillow know its formats, and HEIC where pillow-heif is installed."""
    from PIL import Image

    Image.init()
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener  # pyright: ignore[reportMissingImports]

        register_heif_opener()


def check_size(path: str | Path, width: int, height: int, least: int = SHORTEST_SIDE) -> None:
    """Refuse a picture that is too large or too small.

    Args:
        least: pixels that each side must have.

    Raises:
        InputError: with what to do.
    """
    if width * height > MOST_PIXELS:
        raise _too_large(path, width * height, f"{width}x{height}, ")
    if min(width, height) < least:
        raise InputError(
            f"{path} is {width}x{height} pixels and each side needs at least {least}: "
            "pass a larger picture"
        )


def checked_path(path: str | Path) -> Path:
    """The path, if a file with something in it is there."""
    if re.match(r"[a-z]+://", str(path)):
        raise InputError(f"{path} is an address, but must be a file: download it first")
    path = Path(path)
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"there is no file {path}: check the name and the folder") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({one_line(error)}): check the path") from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path} is a folder, but must be a picture file: name a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is not a plain file: save the picture to a file first")
    if found.st_size == 0:
        raise InputError(f"{path} is empty (0 bytes): get the file again")
    return path


def orientation(image: Image.Image) -> int:
    """EXIF orientation that decoding leaves to undo, 1 to 8; ask for it before the decoding.

    1 where there is none, where it cannot be read, and for TIFF, which Pillow turns itself.
    """
    from PIL import Image

    if image.format == "TIFF":
        return 1
    try:
        value = Image.Image.getexif(image).get(_ORIENTATION)
        if value is None and image.format == "PNG":
            value = _behind_pixels(image).get(_ORIENTATION)
    except Exception:  # a damaged EXIF block must not cost the picture
        return 1
    return value if isinstance(value, int) and value in range(1, 9) else 1


def turned_by_pillow(image: Any) -> int:
    """EXIF orientation that Pillow applies itself, 1 to 8; ask for it before the decoding."""
    value = getattr(image, "tag_v2", {}).get(_ORIENTATION) if image.format == "TIFF" else 1
    return value if isinstance(value, int) and value in range(1, 9) else 1


def _behind_pixels(image: Any) -> Image.Exif:
    """EXIF of a PNG that stands behind its pixels, which Pillow would decode to come to it."""
    from PIL import Image

    file, found, behind = getattr(image, "fp", None), [], False
    if file is None:
        return Image.Exif()
    place = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length, name = struct.unpack(">I4s", head)
        behind = behind or name == b"IDAT"
        whole = name == b"IHDR" or (behind and name in _NOTES and length <= _LONGEST_NOTE)
        if whole:
            found.append(head + file.read(length + 4))
        else:
            file.seek(length + 4, 1)
    file.seek(place)
    no_pixels = b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with Image.open(BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join([*found, no_pixels]))) as notes:
        return Image.Image.getexif(notes)


def _too_large(path: str | Path, pixels: int, size: str = "") -> InputError:
    return InputError(
        f"{path} is {size}{pixels / 1e6:.0f} megapixels and at most {MOST_PIXELS // 10**6} "
        "are taken: scale it down first"
    )


def _guess(path: Path) -> str:
    """What else the file is, from its first bytes, and what to do."""
    with open(path, "rb") as file:
        start = file.read(512)
    what = "that can be read"
    if start[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return "a HEIC picture: save it as JPEG or PNG, or pip install pillow-heif"
    if b"<svg" in start or (start.lstrip().startswith(b"<?xml") and path.suffix == ".svg"):
        what = "of pixels but an SVG drawing"
    elif start.startswith(b"%PDF"):
        what = "but a PDF document"
    elif start.lstrip()[:1] == b"<" or (start.isascii() and 0 not in start):
        what = "but text"
    return f"not a picture {what}: pass a {_FORMATS} file"
