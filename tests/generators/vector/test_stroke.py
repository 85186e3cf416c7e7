"""Strokes: their areas in closed form, their gradients, and what another program draws."""

import math

import numpy as np
import pytest
import shapely
import torch
from outlines import F64, blobs, noise, polygons, psnr, resvg, rng

from dreamsampler.generators.vector import compound, coverage, rasterize, stroke

BLACK = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=F64)


def number(value):
    return torch.tensor(float(value), dtype=F64)


def line(*corners):
    """Straight segments through some points."""
    points = torch.tensor(corners, dtype=F64)
    a, b = points[:-1], points[1:]
    return torch.stack([a, a + (b - a) / 3, a + (b - a) * 2 / 3, b], 1)


def area(curves, width, **options):
    loops = stroke(curves, number(width), tol=1e-4, **options)
    return coverage(compound([loops], BLACK, 60, 60), tol=1e-4).sum().item()


@pytest.mark.parametrize(
    ("cap", "extra"), [("butt", 0.0), ("square", 25.0), ("round", math.pi * 25 / 4)]
)
def test_a_line_has_its_length_times_its_width_and_its_caps(cap, extra):
    assert area(line((10, 12), (40, 31)), 5, closed=False, cap=cap) == pytest.approx(
        5 * math.hypot(30, 19) + extra, rel=1e-4
    )


@pytest.mark.parametrize(
    ("join", "extra"), [("bevel", 4.5), ("round", math.pi * 9 / 4), ("miter", 9.0)]
)
def test_a_right_angle_has_its_join(join, extra):
    """Two bars of width 6 that share a quarter of the corner's square, and the join's part."""
    bars = 2 * 30 * 6 - 9
    found = area(line((10, 40), (40, 40), (40, 10)), 6, closed=False, join=join)
    assert found == pytest.approx(bars + extra, rel=1e-4)


def test_a_miter_beyond_its_limit_is_a_bevel():
    sharp = line((10, 30), (50, 32), (10, 34))
    options = {"closed": False, "join": "miter"}
    assert area(sharp, 2, miter_limit=4.0, **options) == pytest.approx(
        area(sharp, 2, closed=False, join="bevel")
    )
    assert area(sharp, 2, miter_limit=40.0, **options) > area(sharp, 2, **options) + 5


def test_a_ring_is_its_circumference_times_its_width():
    circle = blobs(1, 60, radius=(0.3, 0.3), jitter=0.0)
    circle = circle.moved(circle.points - circle.points.view(4, 3, 2)[:, 0].mean(0) + 30)
    expected = 2 * math.pi * 18 * 4
    assert area(circle.curves(), 4, closed=True) == pytest.approx(expected, rel=1e-3)


def test_a_point_is_a_dot_or_nothing():
    still = line((20, 20), (20, 20))
    assert stroke(still, number(6), closed=False) == []
    assert stroke(still, number(6), closed=True) == []
    assert area(still, 6, closed=False, cap="round") == pytest.approx(9 * math.pi, rel=1e-3)
    assert area(still, 6, closed=False, cap="square") == pytest.approx(36, rel=1e-6)


@pytest.mark.parametrize(
    ("closed", "cap", "join"),
    [(True, "butt", "miter"), (False, "round", "round"), (False, "square", "bevel")],
)
def test_gradcheck_of_points_and_width(closed, cap, join):
    scene = blobs(1, 20, seed=3, radius=(0.3, 0.3), jitter=0.05)
    weight = noise(1, 20, 20)

    def drawn(curves, width):
        loops = stroke(curves, width, closed=closed, cap=cap, join=join, tol=0.02)
        return (coverage(compound([loops], BLACK, 20, 20)) * weight).sum()

    # anchors are shared rows of the points, as in a scene
    def of_points(points, width):
        return drawn(scene.moved(points).curves()[: 4 if closed else 3], width)

    inputs = (scene.points.clone().requires_grad_(), number(2.5).requires_grad_())
    assert torch.autograd.gradcheck(of_points, inputs, eps=1e-6, atol=1e-4, rtol=1e-3)


def svg_of(curves, closed, width, cap, join, size):
    steps = "".join("C" + ",".join(f"{x:.5f} {y:.5f}" for x, y in c[1:].tolist()) for c in curves)
    x, y = curves[0, 0].tolist()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'viewBox="0 0 {size} {size}"><rect width="{size}" height="{size}" fill="#fff"/>'
        f'<path d="M{x:.5f} {y:.5f}{steps}{"Z" if closed else ""}" fill="none" stroke="#000" '
        f'stroke-width="{width}" stroke-linecap="{cap}" stroke-linejoin="{join}"/></svg>'
    )


@pytest.mark.parametrize(
    ("closed", "cap", "join"),
    [(True, "butt", "miter"), (False, "round", "bevel"), (False, "square", "round")],
)
def test_it_is_what_a_viewer_draws(closed, cap, join):
    for seed, width in enumerate((1.0, 3.0, 7.0)):
        scene = blobs(1, 64, seed=seed, radius=(0.2, 0.3), jitter=0.04)
        curves = scene.curves()[: 4 if closed else 3]
        loops = stroke(curves, number(width), closed=closed, cap=cap, join=join)
        ours = rasterize(compound([loops], BLACK, 64, 64), torch.ones(3, dtype=F64))
        assert psnr(ours, resvg(svg_of(curves, closed, width, cap, join, 64), 64, 64, 8)) > 44


@pytest.mark.parametrize("closed", [True, False])
def test_tight_bends_are_all_that_is_near_the_line(closed):
    """With round joins and caps a stroke is what lies within half a width; viewers show holes."""
    for seed in range(4):
        scene = blobs(1, 64, seed=seed, radius=(0.2, 0.3), jitter=0.3)
        scene = scene.moved(scene.points * 0.6 + 12)
        dense = polygons(scene)[0]
        dense = np.concatenate([dense, dense[:1]]) if closed else dense[:1201]
        near = shapely.LineString(dense).buffer(3.5, quad_segs=64)
        x, y = np.meshgrid(np.arange(64), np.arange(64))
        exact = shapely.area(shapely.intersection(near, shapely.box(x, y, x + 1, y + 1)))
        curves = scene.curves()[: 4 if closed else 3]
        loops = stroke(curves, number(7), closed=closed, cap="round", join="round")
        cover = coverage(compound([loops], BLACK, 64, 64))[0]
        assert psnr(cover, exact) > 36


def test_what_cannot_be_stroked_is_refused():
    curves = line((1, 1), (5, 5))
    with pytest.raises(ValueError, match="width -1"):
        stroke(curves, number(-1), closed=False)
    with pytest.raises(ValueError, match="0 segments"):
        stroke(curves[:0], number(1), closed=False)


def test_cusps_and_coinciding_handles_stay_finite():
    curves = torch.tensor([[[10, 10], [10, 10], [30, 30], [30, 30]],
                           [[30, 30], [10, 30], [30, 30], [12, 30]]], dtype=F64)  # fmt: skip
    curves.requires_grad_()
    loops = stroke(curves, number(3), closed=False, cap="round", join="round")
    cover = coverage(compound([loops], BLACK, 40, 40))
    (gradient,) = torch.autograd.grad((cover * torch.rand(40, 40, generator=rng())).sum(), curves)
    assert gradient.isfinite().all()
