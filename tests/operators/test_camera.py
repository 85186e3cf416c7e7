"""Downsampling, masks, color and JPEG against independent programs."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from dreamsampler.files import InputError
from dreamsampler.operators import (
    ColorMatrix,
    Composition,
    Downsample,
    GaussianBlur,
    Grey,
    Jpeg,
    LinearComposition,
    Mask,
    compose,
    input_size,
    measured,
)
from dreamsampler.operators.mask import read_mask


def picture(h, w, rng, grain=0.03):
    """Smooth colors with a little grain, in steps of 1/255."""
    coarse = torch.rand(1, 3, 2 + h // 8, 2 + w // 8, generator=rng)
    x = F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)
    x = x + grain * torch.randn(x.shape, generator=rng)
    return (255 * x.clamp(0, 1)).round() / 255


def to_pillow(x):
    return Image.fromarray((255 * x[0]).round().byte().permute(1, 2, 0).numpy())


def from_pillow(image):
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_bicubic_is_torchs(factor, rng):
    x = picture(24, 48, rng).double()
    expected = F.interpolate(x, scale_factor=1 / factor, mode="bicubic", antialias=True)
    torch.testing.assert_close(Downsample(factor).A(x), expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_bicubic_is_pillows_but_for_rounding(factor, rng):
    x = (255 * (0.2 + 0.6 * picture(32, 48, rng))).round() / 255  # Pillow clips after each axis
    small = to_pillow(x).resize((48 // factor, 32 // factor), Image.Resampling.BICUBIC)
    assert (Downsample(factor).A(x) - from_pillow(small)).abs().max() < 1.3 / 255


def test_area_is_the_mean_of_cells(rng):
    x = picture(12, 18, rng).double()
    torch.testing.assert_close(Downsample(3, "area").A(x), F.avg_pool2d(x, 3))


@pytest.mark.parametrize("method", ["bicubic", "area"])
@pytest.mark.parametrize("size", [(1, 1), (5, 2), (9, 7)])
def test_ragged_pictures_are_mirrored_to_whole_cells(method, size, rng):
    x = torch.rand(1, 3, *size, generator=rng, dtype=torch.float64)
    whole = x
    for dim in (-2, -1):
        images = torch.cat([whole, whole.flip(dim)] * 4, dim)
        whole = images.narrow(dim, 0, -(-x.shape[dim] // 4) * 4)
    op = Downsample(4, method)
    torch.testing.assert_close(op.A(x), op.A(whole))


def test_sizes_of_a_downsampled_picture():
    op = compose(GaussianBlur(1.0), Downsample(4), Grey())
    assert input_size(op, (16, 9)) == (64, 36)
    assert measured(op, (3, 61, 33)) == (1, 16, 9)
    made_for = compose(GaussianBlur(1.0), Downsample(4, size=(61, 33)))
    assert input_size(made_for, (16, 9)) == (61, 33)
    assert made_for.A_adjoint(torch.ones(1, 3, 16, 9)).shape == (1, 3, 61, 33)
    with pytest.raises(ValueError, match="60x33"):
        made_for.A(torch.ones(1, 3, 60, 33))


@pytest.mark.parametrize("factor", [0, -2, 65])
def test_factors_that_are_none(factor):
    with pytest.raises(ValueError, match="factor is"):
        Downsample(factor)
    with pytest.raises(ValueError, match="choose bicubic or area"):
        Downsample(2, "nearest")


def test_a_composition_goes_from_first_to_last(rng):
    x = picture(8, 12, rng).double()
    blur, small = GaussianBlur(1.0), Downsample(2)
    both = compose(blur, small)
    assert isinstance(both, LinearComposition)
    torch.testing.assert_close(both.A(x), small.A(blur.A(x)))
    assert compose(both, Grey()).parts == (blur, small, Grey())
    assert compose(blur) is blur
    assert isinstance(compose(both, Jpeg(50)), Composition)
    nothing = compose()
    assert torch.equal(nothing.A(x), x)
    assert torch.equal(nothing.A_adjoint(x), x)


def test_grey_is_pillows(rng):
    x = picture(16, 16, rng)
    gray = torch.from_numpy(np.array(to_pillow(x).convert("L")))[None, None] / 255
    assert (Grey().A(x) - gray).abs().max() < 0.51 / 255


@pytest.mark.parametrize("matrix", [torch.ones(3), torch.ones(4, 4), torch.full((3, 3), torch.nan)])
def test_color_matrices_that_are_none(matrix):
    with pytest.raises(ValueError, match="must be 3 x 3 finite numbers"):
        ColorMatrix(matrix)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(4, 4), "must be"),
        (torch.ones(1, 1, 0, 4), "must be"),
        (torch.full((1, 1, 4, 4), 1.5), "outside"),
        (torch.full((1, 1, 4, 4), torch.nan), "outside"),
    ],
)
def test_masks_that_are_none(mask, message):
    with pytest.raises(ValueError, match=message):
        Mask(mask)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"the mask is 6x4 and the picture 4x6"):
        Mask(torch.ones(1, 1, 4, 6)).A(torch.ones(1, 3, 6, 4))


@pytest.mark.parametrize(
    ("mask", "picture"), [((1, 3), (1, 1)), ((2, 1), (1, 3)), ((2, 1), (3, 3))]
)
def test_a_mask_of_other_rows_or_channels_is_refused(mask, picture):
    """It would make more pictures of them, or more channels, and have no transpose."""
    with pytest.raises(ValueError, match="rows, channels"):
        Mask(torch.ones(*mask, 4, 4)).A(torch.ones(*picture, 4, 4))


def test_a_mask_file_is_white_where_the_picture_is_lost(tmp_path):
    values = np.array([[0, 8, 128, 255]], dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[[[1.0, 1.0, 0.0, 0.0]]]]
    Image.fromarray(values.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert torch.equal(read_mask(tmp_path / "deep.png"), read_mask(tmp_path / "m.png"))
    rgba = np.full((1, 2, 4), 255, dtype=np.uint8)
    rgba[0, 0, 3] = 0  # transparent white is black
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png").tolist() == [[[[1.0, 0.0]]]]
    light = (values / 255).astype(np.float32)
    Image.fromarray(light).save(tmp_path / "light.tif")
    assert torch.equal(read_mask(tmp_path / "light.tif"), read_mask(tmp_path / "m.png"))
    for name, wrong in (("nan.tif", np.nan), ("bright.tif", 150.0)):
        Image.fromarray(np.where(light > 0.9, wrong, light).astype(np.float32)).save(
            tmp_path / name
        )
    (tmp_path / "broken.png").write_bytes(b"rubbish")
    for name in ("broken.png", "missing.png", "nan.tif", "bright.tif"):
        with pytest.raises(InputError, match=name):
            read_mask(tmp_path / name)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", [5, 30, 50, 75, 95, 100])
@pytest.mark.parametrize("size", [(64, 64), (47, 65), (17, 31), (3, 5), (1, 1)])
def test_jpeg_is_what_pillow_writes_and_reads(quality, subsampling, size, rng):
    """On average less than one step of 1/255 apart, and far less than JPEG changes the picture."""
    x = picture(*size, rng)
    file = io.BytesIO()
    to_pillow(x).save(file, "JPEG", quality=quality, subsampling=subsampling)
    theirs, ours = from_pillow(Image.open(file)), Jpeg(quality, subsampling).A(x)
    assert (ours - theirs).abs().mean() < 1 / 255
    if size[0] > 16 and quality < 95:
        assert (ours - theirs).abs().mean() < 0.15 * (theirs - x).abs().mean()


@pytest.mark.parametrize("quality", [10, 49, 50, 90, 100])
def test_jpegs_tables_are_those_in_pillows_files(quality, rng):
    file = io.BytesIO()
    to_pillow(picture(16, 16, rng)).save(file, "JPEG", quality=quality)
    theirs = Image.open(file).quantization
    for table, stored in zip(Jpeg(quality).tables, theirs.values(), strict=True):
        assert table.flatten().tolist() == list(stored)


def test_a_gray_jpeg_is_pillows(rng):
    x = picture(24, 33, rng)
    gray = to_pillow(x).convert("L")
    file = io.BytesIO()
    gray.save(file, "JPEG", quality=40)
    theirs = torch.from_numpy(np.array(Image.open(file)))[None, None] / 255
    x = torch.from_numpy(np.array(gray))[None, None] / 255
    assert (Jpeg(40).A(x) - theirs).abs().mean() < 0.2 / 255


def test_jpegs_gradient_is_that_of_the_transforms_around_its_roundings(rng):
    """At full chroma all transforms cancel, so what is left is the identity."""
    x = (0.2 + 0.6 * picture(16, 24, rng)).double().requires_grad_()
    weight = torch.rand(x.shape, generator=rng, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((weight * Jpeg(90, "4:4:4").A(x)).sum(), x)
    torch.testing.assert_close(gradient, weight, atol=1e-5, rtol=0)
    (halved,) = torch.autograd.grad((weight * Jpeg(20).A(x)).sum(), x)
    assert halved.isfinite().all()
    torch.testing.assert_close(halved.sum(), weight.sum(), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("quality", [0, -1, 101])
def test_qualities_that_are_none(quality):
    with pytest.raises(ValueError, match="quality is"):
        Jpeg(quality)
    with pytest.raises(ValueError, match="choose 4:2:0 or 4:4:4"):
        Jpeg(50, "4:2:2")
