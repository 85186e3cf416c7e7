"""What a path should not be: closed forms, exact gradients, and that following them helps."""

import pytest
import torch
from outlines import F64, blobs, box, noise, polygons

from dreamsampler.generators.vector import (
    Scene,
    areas,
    compound,
    coverage,
    crosses_itself,
    crossing,
)

INK = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=F64)


def single(points, size=32):
    return Scene.loops(points[None], INK, size, size)


def straight(*corners):
    p = torch.tensor(corners, dtype=F64)
    q = p.roll(-1, 0)
    return torch.stack([p, p + (q - p) / 3, p + (q - p) * 2 / 3], 1).view(-1, 2)


EIGHT = straight((4, 4), (24, 24), (24, 4), (4, 20))


def test_areas_are_those_of_the_outline():
    scene = blobs(6, 40, seed=2)
    for area, polygon in zip(areas(scene), polygons(scene), strict=True):
        x, y = torch.from_numpy(polygon).unbind(1)
        exact = 0.5 * (x * y.roll(-1) - x.roll(-1) * y).sum()
        assert area.item() == pytest.approx(exact.item(), rel=1e-5, abs=1e-3)


def test_contours_of_one_path_are_distinguished():
    scene = compound([[box(2, 2, 12, 12), box(4, 4, 6, 9, reverse=True)]], INK, 20, 20)
    assert areas(scene).tolist() == pytest.approx([100, -10])
    assert crossing(scene).item() == pytest.approx(0, abs=1e-9)


def test_a_crossing_is_the_area_that_is_wound_wrongly():
    """Of a figure of eight the smaller loop runs the other way."""
    scene = single(EIGHT)
    both = coverage(scene).sum().item()
    whole = areas(scene).abs().item()  # the difference of the loops
    assert crossing(scene, tol=1e-4).item() == pytest.approx((both - whole) / 2, rel=1e-2)
    twice = torch.cat([box(4, 4, 20, 20), box(4, 4, 14, 12)])
    assert crossing(single(twice)).item() == pytest.approx(80)


@pytest.mark.parametrize("reverse", [False, True])
def test_round_shapes_do_not_cross(reverse):
    scene = blobs(6, 48, seed=1, radius=(0.1, 0.3), jitter=0.03)
    points = scene.points.view(6, -1, 2)
    points = points.flip(1).roll(1, 1) if reverse else points
    scene = scene.moved(points.reshape(-1, 2))
    assert not crosses_itself(scene).any()
    assert crossing(scene) < 1e-3


def test_crossings_are_found_across_segments():
    wild = blobs(30, 64, seed=4, radius=(0.1, 0.3), jitter=0.6)
    import shapely

    expected = [not shapely.Polygon(outline).is_valid for outline in polygons(wild, 64)]
    found = crosses_itself(wild, chords=64).tolist()
    assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 29
    assert sum(expected) > 10


def shaken(*loops):
    """Off the pixel grid, where areas have kinks."""
    scene = Scene.loops(torch.stack(loops), INK.repeat(len(loops), 1), 24, 24)
    return scene.moved(0.8 * scene.points + 0.3 * noise(*scene.points.shape) + 1)


def test_gradcheck():
    scene = shaken(EIGHT, straight((4, 4), (20, 8), (5, 18), (14, 2)))
    assert crossing(scene) > 0.1
    points = scene.points.clone().requires_grad_()

    def value(points):
        return crossing(scene.moved(points))

    assert torch.autograd.gradcheck(value, (points,), eps=1e-6, atol=1e-5, rtol=1e-4)


def test_following_the_crossing_uncrosses():
    scene = blobs(6, 40, seed=4, radius=(0.1, 0.3), jitter=0.35)
    points = scene.points.clone().requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.2)
    before = crosses_itself(scene).sum()
    for _ in range(60):
        optimizer.zero_grad()
        crossing(scene.moved(points)).backward()
        optimizer.step()
    assert crosses_itself(scene.moved(points)).sum() < before / 2
