"""Size by header = size decoded, and what is shown is upright: every format, turn and reader."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from dreamsampler.images.header import FORMATS, check_picture
from dreamsampler.images.memory import picture_of
from dreamsampler.images.picture import open_mask, open_picture
from dreamsampler.operators.mask import read_mask

WHITE = np.zeros((20, 32), np.uint8)
WHITE[2:8, 3:12] = 255
GRAY = Image.fromarray(WHITE)
RGB = GRAY.convert("RGB")
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{}"/></rdf:RDF></x:xmpmeta>'
)
MODES = {
    "L": GRAY,
    "P": RGB.quantize(4),
    "1": GRAY.convert("1"),
    "RGB": RGB,
    "RGBA": RGB.convert("RGBA"),
    "CMYK": RGB.convert("CMYK"),
    "I;16": Image.fromarray(WHITE.astype(np.uint16) * 257),
}
LATER = {"save_all": True}
TURNED = {
    "PNG": (RGB, {}),
    "PNG palette": (MODES["P"], {}),
    "JPEG": (RGB, {"quality": 95}),
    "MPO": (RGB, LATER),
    "WEBP": (RGB, {"lossless": True}),
    "WEBP animated": (RGB, {"lossless": True, **LATER}),
    "AVIF": (RGB, {"quality": 100}),
    **{f"TIFF {mode}": (image, {}) for mode, image in MODES.items()},
    **{f"TIFF {name}": (RGB, {"compression": name}) for name in ("tiff_lzw", "jpeg", "packbits")},
    "TIFF pages": (RGB, LATER),
}
"""Format, with EXIF -> picture and Pillow's options."""
UPRIGHT = {
    "GIF": (MODES["P"], {}),
    "GIF animated": (MODES["P"], LATER),
    "BMP": (RGB, {}),
    "JPEG2000": (RGB, {}),
    "PPM": (RGB, {}),
    "TGA": (RGB, {"orientation": 1}),
    "TGA from below": (RGB, {"orientation": -1}),
    "AVIF animated": (RGB, {"quality": 100, **LATER}),
}
"""Formats without, or whose writer has none."""


def saved(name, turn):
    image, options = {**TURNED, **UPRIGHT}[name]
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x112] = turn
    options = {**options, **({"exif": exif} if name in TURNED else {})}
    if "save_all" in options:
        options["append_images"] = [RGB.rotate(180)]
    image.save(file, name.split()[0], **options)
    return file.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def behind(name, content):
    """A PNG with one more chunk behind its pixels."""
    file = io.BytesIO()
    RGB.save(file, "PNG")
    data = file.getvalue()
    end = data.rindex(b"IEND") - 4
    return data[:end] + chunk(name, content) + data[end:]


def exif_behind(turn):
    exif = Image.Exif()
    exif[0x112] = turn
    return behind(b"eXIf", exif.tobytes()[6:])


def xmp_behind(turn):
    note = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.format(turn).encode()
    return behind(b"iTXt", note)


def xmp(turn):
    file = io.BytesIO()
    RGB.save(file, "JPEG", quality=95, xmp=XMP.format(turn).encode())
    return file.getvalue()


def check(path, data, turn):
    """Every reader sees the white corner where Pillow's own `exif_transpose` puts it."""
    path.write_bytes(data)
    exif = Image.Exif()
    exif[0x112] = turn
    file = io.BytesIO()
    GRAY.save(file, "PNG", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    assert check_picture(path) == shown.shape
    pictures = [open_picture(path), picture_of(Image.open(path))]
    for picture in pictures:
        assert picture.size == shown.shape
        assert ((picture.rgb[1].numpy() > 0.5) == (shown > 127)).all()
    assert ((open_mask(path, pictures[0])[0].numpy() > 0.5) == (shown > 127)).all()
    lost = read_mask(path)[0, 0].numpy() == 0
    assert lost.shape == shown.shape
    assert (lost & (shown > 127)).sum() > 40  # lossy formats blur the edge


def test_every_format_is_tried():
    tried = {name.split()[0] for name in (*TURNED, *UPRIGHT)}
    assert tried | {"HEIF"} == set(FORMATS)  # which takes another package


@pytest.mark.filterwarnings("ignore:.*(CMYK|holds 2 pictures)")
@pytest.mark.parametrize("name", TURNED)
def test_a_turned_file_is_upright_for_every_reader(tmp_path, name):
    for turn in range(1, 9):
        check(tmp_path / "in", saved(name, turn), turn)


@pytest.mark.filterwarnings("ignore:.*holds 2 pictures")
@pytest.mark.parametrize("name", UPRIGHT)
def test_a_file_that_cannot_be_turned_is_upright(tmp_path, name):
    check(tmp_path / "in", saved(name, 1), 1)


@pytest.mark.parametrize("written", [exif_behind, xmp_behind, xmp])
def test_notes_behind_the_pixels_and_xmp_turn_it_too(tmp_path, written):
    for turn in range(1, 9):
        check(tmp_path / "in", written(turn), turn)
