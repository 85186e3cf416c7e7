"""Blurs against sums written out; bad kernels."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from instances import INSTANCES
from PIL import Image
from safetensors.torch import save_file

from dreamsampler.files import InputError
from dreamsampler.operators import GaussianBlur, KernelBlur, MotionBlur
from dreamsampler.operators.cosine import dct, even_spectrum, idct
from dreamsampler.operators.fold import convolve, extend, extend_adjoint

BOUNDARIES = ("reflect", "circular", "zero")


def seen(x, i, boundary):
    """Pixel i of a row that goes on beyond its edge, by walking back step by step."""
    n = len(x)
    if boundary == "zero":
        return x[i] if 0 <= i < n else 0.0
    while not 0 <= i < n:
        if boundary == "circular":
            i += n if i < 0 else -n
        else:
            i = -1 - i if i < 0 else 2 * n - 1 - i
    return x[i]


def summed(x, kernel, boundary):
    """sum_mn k[m, n] x[i - m + kh // 2, j - n + kw // 2], term by term."""
    (h, w), (kh, kw) = x.shape, kernel.shape
    rows = [[float(v) for v in row] for row in x]
    y = torch.zeros(h, w, dtype=x.dtype)
    for i in range(h):
        for j in range(w):
            for m in range(kh):
                for n in range(kw):
                    column = [seen(row, j - n + kw // 2, boundary) for row in rows]
                    y[i, j] += kernel[m, n] * seen(column, i - m + kh // 2, boundary)
    return y


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [(1, 1), (4, 3), (5, 1)])
@pytest.mark.parametrize("taps", [(3, 3), (2, 5), (7, 4), (13, 11)])
def test_a_convolution_is_its_sum(boundary, size, taps, rng):
    """Direct (at most 121 taps) and by FFT; kernels longer than the picture."""
    x = torch.rand(size, generator=rng, dtype=torch.float64)
    kernel = torch.rand(taps, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(
        convolve(x[None, None], kernel, boundary)[0, 0], summed(x, kernel, boundary)
    )


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_gaussian_blur_is_its_sum(boundary, rng):
    x = torch.rand(4, 5, generator=rng, dtype=torch.float64)
    m = torch.arange(-6, 7, dtype=torch.float64)
    taps = torch.exp(-(m**2) / (2 * 1.3**2))
    kernel = (taps[:, None] * taps) / taps.sum() ** 2
    y = GaussianBlur(1.3, boundary).A(x[None, None])[0, 0]
    torch.testing.assert_close(y, summed(x, kernel, boundary))


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(0, 30), st.integers(0, 30), st.sampled_from(BOUNDARIES))
def test_folding_back_is_the_transpose_of_continuing(size, before, after, boundary):
    units = torch.eye(size, dtype=torch.float64)
    wide = extend(units, 1, before, after, boundary)
    back = extend_adjoint(torch.eye(size + before + after).double(), 1, before, after, boundary)
    assert torch.equal(back, wide.T)


@settings(max_examples=30)
@given(st.integers(1, 40))
def test_the_cosine_transform_is_orthonormal_and_the_standard_one(n):
    matrix = dct(torch.eye(n, dtype=torch.float64)).T
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(n, dtype=torch.float64))
    i, k = torch.arange(n).double(), torch.arange(n).double()[:, None]
    formula = torch.cos(math.pi * k * (2 * i + 1) / (2 * n)) * math.sqrt(2 / n)
    formula[0] /= math.sqrt(2)
    torch.testing.assert_close(matrix, formula)
    torch.testing.assert_close(idct(torch.eye(n, dtype=torch.float64)), matrix)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 17])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 9.0])
def test_cosines_are_eigenvectors_of_the_mirrored_blur(n, sigma):
    blur, waves = GaussianBlur(sigma), idct(torch.eye(n, dtype=torch.float64))
    through = convolve(waves[:, None, None], blur.kernel[None], "reflect")[:, 0, 0]
    torch.testing.assert_close(through, waves * even_spectrum(blur.kernel, n)[:, None])


@pytest.mark.parametrize("boundary", ["reflect", "circular"])
@pytest.mark.parametrize("blur", [GaussianBlur(2.0), MotionBlur(5.5, 20.0), INSTANCES[KernelBlur]])
def test_a_flat_picture_stays_flat(boundary, blur):
    blur = replace(blur, boundary=boundary)
    gray = torch.full((1, 3, 6, 5), 0.4, dtype=torch.float64)
    torch.testing.assert_close(blur.A(gray), gray)


def test_a_point_becomes_the_kernel():
    kernel = torch.tensor([[1.0, 2.0, 0.0], [0.0, 4.0, 1.0]], dtype=torch.float64)
    point = torch.zeros(1, 3, 5, 5, dtype=torch.float64)
    point[..., 2, 2] = 8
    y = KernelBlur(kernel).A(point)
    torch.testing.assert_close(y[0, 0, 1:3, 1:4], kernel)
    torch.testing.assert_close(y.sum(), point.sum())


def test_a_motion_goes_where_its_angle_points():
    """Counterclockwise from the horizontal, so that 45 degrees rise to the right."""
    kernel = MotionBlur(6.0, 45.0).kernel
    top, left = kernel[:3, 4:].sum(), kernel[:3, :3].sum()
    assert top > 0.3 > 1e-9 > left
    flat = MotionBlur(4.0).kernel
    torch.testing.assert_close(flat, torch.tensor([[0.125, 0.25, 0.25, 0.25, 0.125]]).double())
    torch.testing.assert_close(MotionBlur(4.0, 90.0).kernel, flat.T)
    torch.testing.assert_close(MotionBlur(7.0, 30.0).kernel, MotionBlur(7.0, 210.0).kernel)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf")])
def test_a_width_that_is_none(sigma):
    with pytest.raises(ValueError, match="sigma is"):
        GaussianBlur(sigma)
    with pytest.raises(ValueError, match="length is"):
        MotionBlur(sigma)


def test_other_refusals():
    with pytest.raises(ValueError, match="no boundary 'mirror'"):
        GaussianBlur(1.0, "mirror")
    with pytest.raises(ValueError, match="angle is nan"):
        MotionBlur(3.0, float("nan"))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (torch.ones(3), "kernel is 3,"),
        (torch.ones(2, 3, 3), "kernel is 2x3x3"),
        (torch.ones(0, 3), "kernel is 0x3"),
        (torch.ones(1, 5000), "kernel is 1x5000"),
        (torch.tensor([[1.0, float("nan")]]), "NaN"),
        (torch.tensor([[1.0, float("inf")]]), "NaN or infinite"),
        (torch.tensor([[1.0, -1.0]]), "sum 0"),
        (torch.tensor([[1.0, -3.0]]), "sum -2"),
        (torch.zeros(3, 3), "sum 0"),
    ],
)
def test_a_kernel_that_is_none(kernel, message):
    with pytest.raises(ValueError, match=message):
        KernelBlur(kernel)


NUMBERS = torch.tensor([[0.0, 51.0, 0.0], [51.0, 255.0, 102.0]])


def test_kernels_come_from_files(tmp_path):
    gray = NUMBERS.numpy().astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / "a.png")
    Image.fromarray(np.stack([gray] * 3, -1)).save(tmp_path / "b.png")
    Image.fromarray(gray.astype(np.uint16)).save(tmp_path / "c.png")
    np.save(tmp_path / "d.npy", NUMBERS.numpy())
    save_file({"psf": NUMBERS}, tmp_path / "e.safetensors")
    (tmp_path / "f.txt").write_text("# a table\n0 51 0\n51, 255, 102\n\n")
    for path in sorted(tmp_path.iterdir()):
        kernel = KernelBlur.read(path, "zero").kernel
        torch.testing.assert_close(kernel, NUMBERS.double() / 459), path.name


def test_files_that_hold_no_kernel(tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    np.save(tmp_path / "nan.npy", np.array([[1.0, np.nan]]))
    np.save(tmp_path / "complex.npy", np.ones((2, 2), dtype=complex))
    (tmp_path / "text.txt").write_text("no kernel at all")
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "broken.safetensors").write_bytes(b"rubbish")
    save_file({"a": torch.ones(2, 2), "b": torch.ones(2, 2)}, tmp_path / "two.safetensors")
    for path in [*sorted(tmp_path.iterdir()), tmp_path, tmp_path / "missing.npy"]:
        with pytest.raises(InputError) as caught:
            KernelBlur.read(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)
