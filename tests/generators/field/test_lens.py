"""Lenses against their published equations, and pictures whose undistorted form is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.generators.field import Camera, Lens

EYE = np.eye(4).tolist()
CAMERA = Camera(EYE, (60.0, 66.0), (43.0, 30.5), (64, 90))
BARREL = Lens(coefficients=(("k1", -0.12), ("k2", 0.02), ("p1", 0.004), ("p2", -0.003)))
PINCUSHION = Lens(coefficients=(("k1", 0.1), ("k2", 0.03), ("k3", -0.005)))
RATIONAL = Lens(coefficients=(("k1", 0.3), ("k4", 0.35), ("k5", 0.02), ("k6", 0.01)))
FISHEYE = Lens(True, (("k1", 0.05), ("k2", -0.02), ("k3", 0.004), ("k4", -0.001)))
PRISM = Lens(True, (("k1", 0.05), ("p1", 0.002), ("sx1", 0.003), ("sy1", -0.002)))
FOV = Lens(coefficients=(("omega", 0.9),))
LENSES = [BARREL, PINCUSHION, RATIONAL, FISHEYE, PRISM, FOV, Lens(True)]
NAMES = ["barrel", "pincushion", "rational", "fisheye", "prism", "fov", "equidistant"]


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def undone(lens, u, v):
    """The inverse of `Lens.distorted` by Newton's method on finite differences."""
    x, y, h = u.clone(), v.clone(), 1e-6
    for _ in range(60):
        fx, fy = lens.distorted(x, y)
        (ax, ay), (bx, by) = lens.distorted(x + h, y), lens.distorted(x, y + h)
        ax, ay, bx, by = (ax - fx) / h, (ay - fy) / h, (bx - fx) / h, (by - fy) / h
        det, du, dv = ax * by - bx * ay, u - fx, v - fy
        x, y = x + (by * du - bx * dv) / det, y + (ax * dv - ay * du) / det
    return x, y


@pytest.mark.parametrize("lens", LENSES, ids=NAMES)
def test_the_mapping_goes_there_and_back(lens):
    y, x = torch.meshgrid(
        torch.linspace(-0.5, 0.5, 9).double(), torch.linspace(-0.7, 0.7, 9).double(), indexing="ij"
    )
    for found, wanted in zip(undone(lens, *lens.distorted(x, y)), (x, y), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


def test_published_numbers():
    """OpenCV's equations by hand, at (0.3, -0.4): r^2 = 0.25."""
    x, y = numbers(0.3), numbers(-0.4)
    lens = Lens(coefficients=(("k1", 0.1), ("k2", 0.2), ("k3", 0.4), ("p1", 0.01), ("p2", 0.02)))
    radial = 1 + 0.1 * 0.25 + 0.2 * 0.0625 + 0.4 * 0.015625
    u, v = lens.distorted(x, y)
    assert u.item() == pytest.approx(0.3 * radial + 2 * 0.01 * -0.12 + 0.02 * (0.25 + 0.18))
    assert v.item() == pytest.approx(-0.4 * radial + 0.01 * (0.25 + 0.32) + 2 * 0.02 * -0.12)
    theta = math.atan(0.5)
    far = theta * (1 + 0.1 * theta**2 + 0.2 * theta**4 + 0.3 * theta**6 + 0.4 * theta**8)
    round_lens = Lens(True, (("k1", 0.1), ("k2", 0.2), ("k3", 0.3), ("k4", 0.4)))
    u, v = round_lens.distorted(x, y)
    assert (u.item(), v.item()) == pytest.approx((0.6 * far, -0.8 * far))
    bent = math.atan(2 * 0.5 * math.tan(0.45)) / 0.9
    u, v = FOV.distorted(x, y)
    assert (u.item(), v.item()) == pytest.approx((0.6 * bent, -0.8 * bent))
    over, under = 1 + 0.3 * 0.25, 1 + 0.35 * 0.25 + 0.02 * 0.0625 + 0.01 * 0.015625
    assert RATIONAL.distorted(x, y)[0].item() == pytest.approx(0.3 * over / under)


def waves(x, y):
    """A smooth picture as a function of the ray, (3, h, w) in [0, 1]."""
    return torch.stack([0.5 + 0.4 * torch.sin(k * x + 3 * y) for k in (2.0, 4.0, 6.0)])


def rays(camera, zoom=1.0):
    """Where a pinhole's pixels look, (h, w) each; y is down."""
    (fx, fy), (cx, cy), (height, width) = camera.focal, camera.center, camera.size
    x = (torch.arange(width).double() + 0.5 - cx) / fx / zoom
    y = (torch.arange(height).double() + 0.5 - cy) / fy / zoom
    return torch.meshgrid(x, y, indexing="xy")


def outside(lens, zoom):
    """By which share of a side the farthest pixel lies outside of the distorted picture."""
    u, v = lens.distorted(*rays(CAMERA, zoom))
    (fx, fy), (cx, cy), (height, width) = CAMERA.focal, CAMERA.center, CAMERA.size
    across, down = (u * fx + cx) / width - 0.5, (v * fy + cy) / height - 0.5
    return float(torch.maximum(across.abs(), down.abs()).max()) - 0.5


@pytest.mark.parametrize("lens", LENSES, ids=NAMES)
def test_a_picture_comes_out_as_a_pinhole_shows_it(lens):
    zoom = lens.zoom(CAMERA)
    seen = waves(*undone(lens, *rays(CAMERA)))
    assert bool(seen.isfinite().all())
    shown, wanted = lens.undistorted(seen, CAMERA, zoom), waves(*rays(CAMERA, zoom))
    assert float((shown - wanted).abs()[:, 1:-1, 1:-1].max()) < 4e-3  # of bilinear interpolation
    assert float((seen - wanted).abs().max()) > 0.05, "the lens does something"


@pytest.mark.parametrize("lens", LENSES, ids=NAMES)
def test_every_pixel_comes_from_the_picture_and_the_focal_length_grows_no_more(lens):
    zoom = lens.zoom(CAMERA)
    assert outside(lens, zoom) <= 0
    assert zoom == 1 or outside(lens, 0.96 * zoom) > 0
    assert (zoom > 1) == (lens in (PINCUSHION, FOV))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.4, 0.4), min_size=3, max_size=3), st.booleans())
def test_no_lens_shows_a_place_twice(values, fisheye):
    """Along the border of the zoomed picture the radial part still grows; else it is refused."""
    lens = Lens(fisheye, tuple(zip(("k1", "k2", "k3"), values, strict=True)))
    try:
        zoom = lens.zoom(CAMERA)
    except ValueError as error:
        assert "no whole picture" in str(error)
        return
    x, y = rays(CAMERA, zoom)
    r = torch.linspace(0, float(torch.hypot(x, y).max()), 200).double()
    along, _ = lens.distorted(r, torch.zeros_like(r))
    assert bool((along.diff() > 0).all())


def test_what_lies_beyond_the_fold_is_not_shown():
    """r - r^3 falls from 1 / sqrt(3) on."""
    lens = Lens(coefficients=(("k1", -1.0),))
    u, _ = lens.distorted(numbers(0.57, 0.58), numbers(0.0, 0.0))
    assert u.isfinite().tolist() == [True, False]
    zoom = lens.zoom(CAMERA)
    assert zoom > 1 and bool(lens.distorted(*rays(CAMERA, zoom))[0].isfinite().all())
    with pytest.raises(ValueError, match="no whole picture"):
        lens.zoom(Camera(EYE, (1.0, 1.0), (-300.0, 30.0), (64, 90)))


def test_large_pictures_are_resampled_in_bands(monkeypatch):
    picture = torch.rand(3, 64, 90, generator=torch.Generator().manual_seed(0))
    whole = BARREL.undistorted(picture, CAMERA, 1.0)
    monkeypatch.setattr("dreamsampler.generators.field.lens._BAND", 400)
    torch.testing.assert_close(BARREL.undistorted(picture, CAMERA, 1.0), whole, rtol=0, atol=0)
