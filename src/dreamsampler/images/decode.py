"""Picture files to upright arrays of samples, whatever their pixel format."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image, ImageCms, ImageFile

from dreamsampler.files import InputError, one_line
from dreamsampler.images.header import SHORTEST_SIDE, open_header, orientation, turned_by_pillow


@final
@dataclass(frozen=True, eq=False)
class Decoded:
    """Samples of a file.

    Args:
        rgb: (h, w, 3), uint8 or uint16, or float32 in [0, 1].
        alpha: (h, w), or None.
        mode: Pillow's name of the file's pixel format.
        icc: profile that the RGB values belong to.
        lossy: whether the file is a JPEG.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    mode: str
    icc: bytes | None
    lossy: bool

    @property
    def depth(self) -> int:
        """Bits per sample, 8 or 16."""
        return 8 if self.rgb.dtype == np.uint8 else 16

    def light(self) -> np.ndarray:
        """The mean of the colors, (h, w), float64 in [0, 1]; 0 where the picture is transparent."""
        top = np.iinfo(self.rgb.dtype).max if self.rgb.dtype.kind == "u" else 1
        light = self.rgb.astype(np.float64).mean(-1) / top
        return light if self.alpha is None else light * self.alpha / top


def decode(path: str | Path, least: int = SHORTEST_SIDE, *, upright: bool = True) -> Decoded:
    """Decode the first picture of a file and turn it upright.

    Args:
        least: pixels that each side must have.
        upright: False to leave pixels as they are stored, whatever EXIF says.

    Raises:
        InputError: if it cannot be decoded, or its values have no known range.
    """
    with open_header(path, least) as image:
        _warn_frames(path, image)
        return decoded(image, path, _deep_png(path, image), upright)


def decoded(
    image: Image.Image, name: str | Path, deep: np.ndarray | None = None, upright: bool = True
) -> Decoded:
    """The samples of Pillow's image, turned upright.

    Args:
        image: may still be lazy.
        name: what errors call it.
        deep: its samples, where more bits are known of them than Pillow keeps.
        upright: False to leave pixels as they are stored.

    Raises:
        InputError: if it cannot be decoded, or its values have no known range.
    """
    mode, kind, turn, turned = image.mode, image.format, orientation(image), turned_by_pillow(image)
    try:
        samples, icc = _samples(name, image, deep)
    except InputError:
        raise
    except Exception as error:  # decoders raise whatever a damaged file makes them trip over
        raise _damaged(name, error) from error
    samples = _upright(samples, turn) if upright else _stored(samples, turned)
    rgb, alpha = samples[..., :3], samples[..., 3] if samples.shape[-1] == 4 else None
    return Decoded(rgb, alpha, mode, icc, lossy=kind in ("JPEG", "MPO"))


def _damaged(name: str | Path, error: Exception) -> InputError:
    return InputError(f"{name} is damaged or cut short ({one_line(error)}): get the file again")


def _warn_frames(path: str | Path, image: Image.Image) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO: a JPEG with its thumbnails
        warnings.warn(f"{path} holds {frames} pictures: the first is used", stacklevel=4)


def load(image: Image.Image) -> None:
    """Decode Pillow's lazy image, without a memory map: in one it misreads a turned TIFF."""
    name = getattr(image, "filename", "")
    try:
        image.filename = ""  # type: ignore[attr-defined]
        image.load()
    finally:
        image.filename = name  # type: ignore[attr-defined]


def _samples(
    path: str | Path, image: Image.Image, deep: np.ndarray | None
) -> tuple[np.ndarray, bytes | None]:
    """Samples (h, w, 3 or 4), and the profile that the RGB values still belong to."""
    icc = image.info.get("icc_profile")
    icc = icc if icc and (icc[16:20] == b"RGB " or image.mode == "CMYK") else None
    key = _color_key(image, 16 if deep is not None else 8)
    if deep is not None:
        samples = deep
    else:
        load(image)
        if image.mode == "CMYK":
            return np.asarray(_from_cmyk(path, image, icc)), None
        if image.mode == "LAB":
            raise InputError(f"{path} holds Lab colors: convert it to RGB first")
        if image.mode.startswith(("I", "F")):
            samples, icc = np.repeat(_ranged(path, np.asarray(image))[..., None], 3, -1), None
        elif key is None and image.has_transparency_data:
            image = image.convert("LA") if image.mode == "La" else image
            samples = np.asarray(image.convert("RGBA"))
        else:
            samples = np.asarray(image.convert("RGB"))
    if key is not None:
        shown = (samples != np.asarray(key)).any(-1, keepdims=True)
        top = np.iinfo(samples.dtype).max
        samples = np.concatenate([samples, (shown * top).astype(samples.dtype)], -1)
    return samples, icc


def _color_key(image: Image.Image, bits: int) -> Any:
    """The color that a gray or RGB file calls transparent, in samples of so many bits, or None.

    Pillow leaves it in the units of the file, whatever it does to the samples.
    """
    key = image.info.get("transparency")
    if key is None or isinstance(key, bytes) or image.mode not in ("1", "L", "RGB", "I", "I;16"):
        return None
    if image.mode == "RGB":
        return np.asarray(key) >> (8 if bits == 8 and max(key) > 255 else 0)
    tiles: Any = getattr(image, "tile", [])
    return key * {"L;2": 85, "L;4": 17}.get(str(tiles[0][3]) if tiles else "", 1)


def _deep_png(path: str | Path, image: Image.Image) -> np.ndarray | None:
    """All 16 bits of an RGB or RGBA PNG, of which Pillow keeps 8.

    Pillow takes the first byte of each sample, because PNG is big-endian; of a file that it takes
    to be little-endian it takes the second.
    """
    tiles = getattr(image, "tile", [])
    if image.format != "PNG" or not tiles or tiles[0][3] not in ("RGB;16B", "RGBA;16B"):
        return None
    try:
        image.load()
        with open_header(path) as again:
            assert isinstance(again, ImageFile.ImageFile)
            again.tile = [tile._replace(args=str(tile.args)[:-1] + "L") for tile in again.tile]
            low = np.asarray(again).astype(np.uint16)
        return np.asarray(image).astype(np.uint16) * 256 + low
    except Exception as error:
        raise _damaged(path, error) from error


def _ranged(path: str | Path, grey: np.ndarray) -> np.ndarray:
    """Grey samples of 16 or 32 bits as uint16, or floats in [0, 1]."""
    if grey.dtype.kind == "u":
        return grey.astype(np.uint16)
    top = 1 if grey.dtype.kind == "f" else 65535
    if not np.isfinite(grey).all() or grey.min() < 0 or grey.max() > top:
        raise InputError(
            f"{path} has values from {grey.min():g} to {grey.max():g} but must be from 0 to {top}: "
            "convert it to 8 or 16 bits per sample"
        )
    if top > 1 and 0 < grey.max() < 256:
        raise InputError(
            f"{path} has values up to {grey.max()} in 32 bits per sample, so white may be 255 or "
            f"{top}: convert it to 8 or 16 bits per sample"
        )
    return grey.astype(np.float32 if top == 1 else np.uint16)


def _from_cmyk(path: str | Path, image: Image.Image, icc: bytes | None) -> Image.Image:
    """By the file's own profile to sRGB, else by the plain formula."""
    warnings.warn(f"{path} is CMYK: it is converted to RGB and written as RGB", stacklevel=5)
    if icc:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(icc))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _upright(samples: np.ndarray, turn: int) -> np.ndarray:
    """Undo an EXIF orientation: a transposition for 5 to 8, then flips."""
    if turn > 4:
        samples = samples.transpose(1, 0, 2)
    down = turn in (3, 4, 7, 8)
    right = turn in (2, 3, 6, 7)
    return samples[:: -1 if down else 1, :: -1 if right else 1]


def _stored(samples: np.ndarray, turn: int) -> np.ndarray:
    """The other way round."""
    down, right = turn in (3, 4, 7, 8), turn in (2, 3, 6, 7)
    samples = samples[:: -1 if down else 1, :: -1 if right else 1]
    return samples.transpose(1, 0, 2) if turn > 4 else samples
