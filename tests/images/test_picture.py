import io
import json
import math
import struct
import sys
import warnings
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from dreamsampler.files import InputError, OutputError
from dreamsampler.images import header
from dreamsampler.images.fit import Fit
from dreamsampler.images.header import check_picture
from dreamsampler.images.memory import picture_of
from dreamsampler.images.picture import Picture, composite, open_mask, open_picture
from dreamsampler.images.save import check_output, read_recipe, save_picture

rng = np.random.default_rng(0)
COLORS = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
ALPHA = rng.integers(0, 256, (20, 30, 1), dtype=np.uint8)
RGBA = np.concatenate([COLORS, ALPHA], -1)


def stored(tmp_path, image, name="in.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def numbers(tensor, top=255):
    """(c, h, w) in [0, 1] to (h, w, c) integers."""
    return (tensor * top).round().to(torch.int64).permute(1, 2, 0).numpy()


def png16(array):
    """An independent 16-bit PNG encoder without row filters."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width, channels = array.shape
    rows = array.astype(">u2").reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    color = {1: 0, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    )


# --- every kind of file ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("array", [COLORS, RGBA], ids=["RGB", "RGBA"])
def test_untouched_pixels_come_back_bit_for_bit(tmp_path, array, suffix):
    picture = open_picture(stored(tmp_path, Image.fromarray(array)))
    assert picture.size == (20, 30)
    save_picture(tmp_path / f"out{suffix}", picture.rgb, like=picture)
    assert (np.asarray(Image.open(tmp_path / f"out{suffix}")) == array).all()


def test_all_256_and_all_65536_values_survive(tmp_path):
    for top, kind in ((256, np.uint8), (65536, np.uint16)):
        values = np.arange(top, dtype=kind).reshape(16, -1)
        picture = open_picture(stored(tmp_path, Image.fromarray(values)))
        save_picture(tmp_path / "out.png", picture.rgb, like=picture)
        again = open_picture(tmp_path / "out.png")
        assert picture.depth == again.depth == (8 if top == 256 else 16)
        assert (numbers(again.rgb, top - 1) == values[..., None]).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(tmp_path, channels):
    array = rng.integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(png16(array))
    picture = open_picture(tmp_path / "deep.png")
    assert picture.depth == 16
    assert (numbers(picture.rgb, 65535) == array[..., :3]).all()
    save_picture(tmp_path / "out.png", picture.rgb, like=picture, recipe={"a": "ü"})
    again = open_picture(tmp_path / "out.png")
    assert torch.equal(again.rgb, picture.rgb)
    assert (again.alpha is None) == (channels != 4)
    if channels == 4:
        assert torch.equal(again.alpha, picture.alpha)
    assert read_recipe(tmp_path / "out.png") == {"a": "ü"}
    with pytest.warns(UserWarning, match="only PNG keeps 16"):
        save_picture(tmp_path / "out.tif", picture.rgb, like=picture)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(COLORS).convert("L"),
        Image.fromarray(COLORS).convert("1"),
        Image.fromarray(COLORS).quantize(16),
        Image.fromarray(RGBA).convert("LA"),
        Image.fromarray(RGBA),
    ],
    ids=["L", "1", "P", "LA", "RGBA"],
)
def test_pixel_formats_look_as_pillow_shows_them(tmp_path, image):
    picture = open_picture(stored(tmp_path, image))
    assert picture.mode == image.mode
    assert (numbers(picture.rgb) == np.asarray(image.convert("RGB"))).all()
    assert (picture.alpha is not None) == image.mode.endswith("A")


def test_palette_with_a_transparent_color_has_alpha(tmp_path):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((3, 2), 0)
    picture = open_picture(stored(tmp_path, image, "in.gif", transparency=0))
    assert picture.alpha[0, 2, 3] == 0
    assert picture.alpha.sum() == 255


@pytest.mark.parametrize("lazy", [False, True], ids=["file", "Pillow"])
@pytest.mark.parametrize(
    "depth, channels", [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)]
)
def test_the_transparent_color_of_a_png_becomes_alpha(tmp_path, depth, channels, lazy):
    """tRNS is in the units of the file, whatever Pillow makes of the samples."""
    array = rng.integers(0, 2**depth, (20, 24, channels), dtype=np.uint16)
    array[5:9, 5:9] = key = array[0, 0]
    if depth == 16:
        array[0, :9] = key ^ 1  # another color, by the last bit
    bits = (array.reshape(20, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(20, -1), axis=1)
    head = struct.pack(">IIBBBBB", 24, 20, depth, {1: 0, 3: 2}[channels], 0, 0, 0)
    parts = [
        (b"IHDR", head),
        (b"tRNS", key.astype(">u2").tobytes()),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        (b"IEND", b""),
    ]
    data = b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts
    )
    (tmp_path / "key.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    path = tmp_path / "key.png"
    picture = picture_of(Image.open(path)) if lazy else open_picture(path)
    hidden = picture.alpha[0].numpy() == 0
    assert ((picture.alpha[0].numpy() == 1) == ~hidden).all()
    exact = not (lazy and (depth, channels) == (16, 3))  # Pillow keeps 8 of its bits
    assert (hidden == (array == key).all(-1)).all() if exact else hidden[5:9, 5:9].all()


def test_transparency_is_flattened_and_unflattened():
    alpha = torch.tensor([0.0, 0.25, 1.0]).view(1, 1, 3)
    picture = Picture(rgb=torch.full((3, 1, 3), 0.5), alpha=alpha)
    flat = picture.flat()
    assert torch.allclose(flat[0, 0], torch.tensor([1.0, 0.875, 0.5]))
    assert torch.allclose(picture.unflat(flat), picture.rgb)
    opaque = Picture(rgb=picture.rgb)
    assert opaque.flat() is picture.rgb
    assert opaque.unflat(flat) is flat


def test_cmyk_is_converted_and_says_so(tmp_path):
    path = stored(tmp_path, Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "in.jpg")
    with pytest.warns(UserWarning, match="CMYK"):
        picture = open_picture(path)
    assert picture.mode == "CMYK"
    assert picture.rgb[0].min() > 0.95
    assert picture.rgb[1:].max() < 0.05


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_rotation_is_undone(tmp_path, turn):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    path = stored(tmp_path, Image.fromarray(COLORS), exif=exif)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert (numbers(open_picture(path).rgb) == wanted).all()
    assert check_picture(path) == wanted.shape[:2]


def test_float_and_32_bit_files_are_taken_where_their_range_is_known(tmp_path):
    ramp = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    assert open_picture(stored(tmp_path, Image.fromarray(ramp), "in.tif")).depth == 16
    with pytest.raises(InputError, match="but must be from 0 to 1"):
        open_picture(stored(tmp_path, Image.fromarray(ramp * 9), "in.tif"))
    whole = np.arange(400, dtype=np.int32).reshape(20, 20)
    read = open_picture(stored(tmp_path, Image.fromarray(whole), "in.tif"))
    assert (numbers(read.rgb, 65535)[..., 0] == whole).all()
    with pytest.raises(InputError, match="convert it"):
        open_picture(stored(tmp_path, Image.fromarray(whole * 1000), "in.tif"))
    with pytest.raises(InputError, match="white may be 255 or 65535"):
        open_picture(stored(tmp_path, Image.fromarray(whole % 256), "in.tif"))


def test_of_an_animation_the_first_frame_is_used(tmp_path):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "lime", "blue")]
    path = stored(tmp_path, frames[0], "in.gif", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match="holds 3 pictures"):
        picture = open_picture(path)
    assert picture.rgb[:, 0, 0].tolist() == [1, 0, 0]


def test_the_color_profile_travels_where_it_still_fits(tmp_path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = open_picture(stored(tmp_path, Image.fromarray(COLORS), icc_profile=icc))
    for name in ("out.png", "out.jpg", "out.webp", "out.tif"):
        save_picture(tmp_path / name, picture.rgb, like=picture)
        assert Image.open(tmp_path / name).info["icc_profile"] == icc
    grey = icc[:16] + b"GRAY" + icc[20:]
    (tmp_path / "grey.png").unlink(missing_ok=True)
    stored(tmp_path, Image.fromarray(COLORS).convert("L"), "grey.png", icc_profile=grey)
    assert open_picture(tmp_path / "grey.png").icc is None


# --- refusals -------------------------------------------------------------------------------------


def refused(path, match, read=open_picture):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=match) as caught:
            read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [open_picture, check_picture])
def test_what_is_no_picture_is_refused_in_one_line(tmp_path, read):
    refused(tmp_path / "missing.png", "there is no file", read)
    refused(tmp_path, "is a folder", read)
    refused("https://example.org/cat.png", "download it", read)
    for content, match in (
        (b"", "empty"),
        (b"just a text\n", "but text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (bytes(range(256)), "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture: save it as JPEG or PNG, or pip install"),
        (b"%PDF-1.7", "PDF"),
    ):
        (tmp_path / "in.png").write_bytes(content)
        refused(tmp_path / "in.png", match, read)


class Heif(ImageFile.ImageFile):
    """Samples as they are, behind the head of a HEIC file."""

    format = "HEIF"

    def _open(self):
        self._mode, self._size = "RGB", (30, 20)
        self.tile = [ImageFile._Tile("raw", (0, 0, 30, 20), 16, ("RGB", 0, 1))]


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path, monkeypatch):
    """The package is asked once, and by everything that reads pictures."""
    path, asked = tmp_path / "in.heic", []
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0" + COLORS.tobytes())

    def register():
        asked.append(1)
        Image.register_open("HEIF", Heif, lambda start: start[4:12] == b"ftypheic")

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    header._init.cache_clear()
    try:
        assert check_picture(path) == (20, 30)
        assert (numbers(open_picture(path).rgb) == COLORS).all()
    finally:
        header._init.cache_clear()
    assert asked == [1]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    path = stored(
        tmp_path, Image.fromarray(rng.integers(0, 256, (99, 99, 3), np.uint8)), f"in.{suffix}"
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "damaged|not a picture")


def test_corrupt_bytes_are_refused(tmp_path):
    path = stored(tmp_path, Image.fromarray(COLORS))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    refused(path, "damaged")


def test_sizes_are_checked_from_the_header(tmp_path):
    refused(stored(tmp_path, Image.new("L", (1, 1))), "1x1 pixels")
    refused(stored(tmp_path, Image.new("L", (15, 400))), "15x400 pixels")
    for size, match in (((20000, 20000), "400 megapixels"), ((10000, 9500), "95 megapixels"),
                        ((8001, 8000), "8001x8000, 64 megapixels")):  # fmt: skip
        refused(stored(tmp_path, Image.new("1", size)), match)
    open_picture(stored(tmp_path, Image.new("L", (16, 16))))


# --- masks ----------------------------------------------------------------------------------------


def test_masks_are_luminance_over_black(tmp_path):
    picture = Picture(rgb=torch.zeros(3, 20, 30))
    grey = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    grey[0, :2] = 0, 255
    mask = open_mask(stored(tmp_path, Image.fromarray(grey)), like=picture)
    assert mask.shape == (1, 20, 30)
    assert (numbers(mask)[..., 0] == grey).all()
    assert mask[0, 0, :2].tolist() == [0, 1]
    mask = open_mask(stored(tmp_path, Image.fromarray(RGBA)), like=picture)
    over_black = Image.alpha_composite(Image.new("RGBA", (30, 20), "black"), Image.fromarray(RGBA))
    wanted = np.asarray(over_black.convert("L")) / 255
    assert np.abs(mask[0].numpy() - wanted).max() < 0.01


def test_a_jpeg_mask_is_black_where_it_was_drawn_black(tmp_path):
    drawn = np.zeros((40, 40), np.uint8)
    drawn[10:30, 8:32] = 255
    path = stored(tmp_path, Image.fromarray(drawn), "mask.jpg", quality=80)
    assert (np.asarray(Image.open(path)) != drawn).any()
    mask = open_mask(path, like=Picture(rgb=torch.zeros(3, 40, 40)))
    assert set(mask[0, 14:26, 12:28].unique().tolist()) == {1.0}
    assert set(mask[0, :4].unique().tolist()) == {0.0}


def test_a_mask_of_another_size_is_refused(tmp_path):
    path = stored(tmp_path, Image.new("L", (30, 20)))
    with pytest.raises(InputError, match="30x20 pixels but the picture is 40x20"):
        open_mask(path, like=Picture(rgb=torch.zeros(3, 20, 40)))
    with pytest.raises(InputError, match="on its side"):
        open_mask(path, like=Picture(rgb=torch.zeros(3, 30, 20)))


@pytest.mark.parametrize(("value", "match"), [(0, "nothing may change"), (255, "everything may")])
def test_empty_and_full_masks_name_the_polarity(tmp_path, value, match):
    path = stored(tmp_path, Image.new("L", (30, 20), value))
    with pytest.warns(UserWarning, match=match):
        open_mask(path, like=Picture(rgb=torch.zeros(3, 20, 30)))


def test_composite_copies_where_the_mask_is_hard():
    old, new = torch.rand(3, 4, 4), torch.rand(3, 4, 4)
    mask = torch.tensor([0.0, 0.3, 0.5, 1.0]).expand(1, 4, 4)
    mixed = composite(old, new, mask)
    assert torch.equal(mixed[..., 0], old[..., 0])
    assert torch.equal(mixed[..., 3], new[..., 3])
    assert torch.allclose(mixed[..., 2], (old + new)[..., 2] / 2)


# --- the fit --------------------------------------------------------------------------------------


sides = st.integers(16, 3000)


@settings(deadline=None, max_examples=300)
@given(sides, sides, st.sampled_from([64, 128, 512, 1024]), st.sampled_from([8, 16, 64]),
       st.none() | st.integers(64, 1500))  # fmt: skip
def test_pictures_are_never_stretched(height, width, native, multiple, size):
    try:
        fit = Fit.to((height, width), native, multiple, size)
    except InputError as error:
        assert "crop" in str(error)
        scale = size / max(height, width) if size else native / math.sqrt(height * width)
        assert min(height, width) * scale < multiple + 0.5
        return
    scale = size / max(height, width) if size else min(1, 1)
    if size is None:
        scale = 1.0 if fit.inner == fit.outer else native / math.sqrt(height * width)
        assert 0.79 < height * width * scale**2 / native**2 < 1.26
    for inner, outer, padded in zip(fit.inner, fit.outer, fit.padded, strict=True):
        assert abs(inner - outer * scale) <= 0.5 + 1e-9
        assert padded % multiple == 0
        assert 0 <= padded - inner < multiple


@settings(deadline=None, max_examples=40)
@given(st.integers(16, 200), st.integers(16, 200), st.sampled_from([32, 64]))
def test_shapes_and_ranges_there_and_back(height, width, native):
    try:
        fit = Fit.to((height, width), native, 8)
    except InputError:
        return
    x = torch.rand(2, 3, height, width)
    down = fit.down(x)
    assert down.shape == (2, 3, *fit.padded)
    assert -1 <= down.min() <= down.max() <= 1
    up = fit.up(down)
    assert up.shape == x.shape
    assert 0 <= up.min() <= up.max() <= 1
    flat = torch.full_like(x, 0.3)
    assert torch.allclose(fit.up(fit.down(flat)), flat, atol=1e-5)
    cells = fit.mask_to_latent(torch.ones(1, height, width), 8)
    assert torch.equal(cells, torch.ones(1, 1, fit.padded[0] // 8, fit.padded[1] // 8))


def test_a_picture_of_the_models_size_passes_unchanged():
    values = torch.arange(256, dtype=torch.float32) / 255
    x = values.expand(1, 3, 256, 256)
    fit = Fit.to((256, 256), 256, 64)
    assert fit.inner == fit.outer == fit.padded
    assert torch.equal(fit.down(x), x * 2 - 1)
    assert torch.equal((fit.up(fit.down(x)) * 255).round() / 255, x)


def test_smooth_pictures_survive_the_scaling():
    y, x = torch.meshgrid(torch.linspace(0, 1, 150), torch.linspace(0, 1, 333), indexing="ij")
    picture = torch.stack([x, y, x * y])[None]
    fit = Fit.to((150, 333), 128, 8)
    assert (fit.up(fit.down(picture)) - picture).abs().max() < 0.03


def test_a_dot_keeps_its_place():
    picture = torch.zeros(1, 3, 100, 260)
    picture[..., 70:80, 200:210] = 1
    fit = Fit.to((100, 260), 96, 16)
    back = fit.up(fit.down(picture))[0, 0]
    ys, xs = torch.meshgrid(torch.arange(100.0), torch.arange(260.0), indexing="ij")
    assert abs((back * ys).sum() / back.sum() - 74.5) < 0.6
    assert abs((back * xs).sum() / back.sum() - 204.5) < 0.6


def test_mask_cells_are_means_and_may_grow():
    fit = Fit.to((64, 64), 64, 8)
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:24, 16:20] = 1
    cells = fit.mask_to_latent(mask, 8)[0, 0]
    assert cells[2, 2] == 0.5
    assert cells.sum() == 0.5
    assert fit.mask_to_latent(mask, 8, touched=True).sum() == 1
    assert fit.mask_to_latent(mask, 8, grow=1, touched=True).sum() == 9


def test_a_wrong_tensor_is_refused():
    with pytest.raises(ValueError, match="make a Fit"):
        Fit.to((64, 64), 64, 8).down(torch.zeros(1, 3, 32, 32))
    with pytest.raises(InputError, match="crop"):
        Fit.to((16, 30000), 64, 8)
    with pytest.raises(InputError, match="pass less"):
        Fit.to((64, 64), 64, 8, size=20000)


# --- writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.webp", "out.tif"])
def test_the_recipe_is_inside_the_picture(tmp_path, name):
    recipe = {"prompt": "Köter 🐕 \udc80", "seeds": [1, 2], "steps": None}
    save_picture(tmp_path / "new" / name, torch.rand(3, 20, 20), recipe=recipe)
    assert read_recipe(tmp_path / "new" / name) == recipe
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_the_png_chunk_is_plain_itxt(tmp_path):
    save_picture(tmp_path / "out.png", torch.rand(3, 20, 20), recipe={"prompt": "ü"})
    data = (tmp_path / "out.png").read_bytes()
    assert (
        b"iTXtdreamsampler\0\0\0\0\0" + json.dumps({"prompt": "ü"}, ensure_ascii=False).encode()
        in data
    )


def test_pictures_without_a_recipe_say_so(tmp_path):
    for name in ("in.png", "in.jpg"):
        with pytest.raises(InputError, match="carries no recipe"):
            read_recipe(stored(tmp_path, Image.fromarray(COLORS), name))


def test_jpeg_lays_white_under_transparency(tmp_path):
    picture = Picture(rgb=torch.zeros(3, 20, 20), alpha=torch.zeros(1, 20, 20))
    with pytest.warns(UserWarning, match="no transparency"):
        save_picture(tmp_path / "out.jpg", picture.rgb, like=picture)
    assert np.asarray(Image.open(tmp_path / "out.jpg")).min() > 250


def test_outputs_are_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    for path, match in (
        (tmp_path / "out.bmp", "one of .png"),
        (tmp_path / "out", "no suffix"),
        (tmp_path / "file" / "out.png", "a part of that path is a file"),
        (tmp_path / "file" / "deep" / "out.png", "a part of that path is a file"),
        (tmp_path / ("x" * 300 + ".png"), "name"),
    ):
        with pytest.raises(OutputError, match=match) as caught:
            check_output(path)
        assert "\n" not in str(caught.value)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "folder.png")
    check_output(tmp_path / "a" / "b" / "out.png")
    assert not (tmp_path / "a").exists()  # tried, not left


def test_broken_tensors_are_not_written(tmp_path):
    for rgb, match in (
        (torch.full((3, 20, 20), math.nan), "NaN"),
        (torch.zeros(1, 20, 20), "must be"),
    ):
        with pytest.raises(ValueError, match=match):
            save_picture(tmp_path / "out.png", rgb)
    with pytest.raises(ValueError, match="scale it back"):
        save_picture(tmp_path / "out.png", torch.zeros(3, 20, 20),
                     like=Picture(torch.zeros(3, 4, 4), torch.zeros(1, 4, 4)))  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "out.png"
    save_picture(path, torch.zeros(3, 20, 20))
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError):
        save_picture(path, torch.ones(3, 20, 20))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["out.png"]


def test_a_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "out.png").symlink_to(tmp_path / "there" / "real.png")
    save_picture(tmp_path / "out.png", torch.zeros(3, 20, 20))
    assert (tmp_path / "out.png").is_symlink()
    assert Image.open(io.BytesIO((tmp_path / "there" / "real.png").read_bytes())).size == (20, 20)
