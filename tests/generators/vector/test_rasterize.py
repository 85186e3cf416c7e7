"""The drawing is the exact area, and its gradient the exact derivative of that."""

import dataclasses

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import (
    F64,
    blobs,
    box,
    exact_coverage,
    noise,
    polygons,
    psnr,
    scanline_coverage,
)

from dreamsampler.generators.vector import Scene, coverage, rasterize

BLACK = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=F64)


def boxes_of_one_path(*rings, rule="nonzero", size=24):
    """A compound path of rectangles."""
    points = torch.stack(rings)
    scene = Scene.loops(points, BLACK.repeat(len(points), 1), size, size, rule)
    one = torch.zeros_like(scene.path_of_segment)
    return dataclasses.replace(scene, path_of_segment=one, color=BLACK)


def test_coverage_is_the_exact_area():
    for scene in (
        blobs(12, 48, seed=1, radius=(0.1, 0.35), jitter=0.06),
        blobs(12, 48, seed=2, radius=(0.02, 0.08), jitter=0.05),
    ):
        checked = 0
        for cover, outline in zip(coverage(scene), polygons(scene), strict=True):
            if shapely.Polygon(outline).is_valid:
                exact = exact_coverage(outline, 48, 48)
                assert np.abs(cover.numpy() - exact).max() < 5e-3
                checked += 1
        assert checked >= 9


def test_float32_is_as_exact():
    scene = blobs(12, 48, seed=1, radius=(0.1, 0.35))
    single = scene.moved(scene.points.float(), scene.color.float())
    assert (coverage(single) - coverage(scene)).abs().max() < 1e-4


@pytest.mark.parametrize("rule", ["nonzero", "evenodd"])
def test_self_crossing_paths_follow_their_rule(rule):
    scene = dataclasses.replace(
        blobs(6, 40, seed=2, segments=5, radius=(0.15, 0.4), jitter=0.8), fill_rule=rule
    )
    for cover, outline in zip(coverage(scene), polygons(scene), strict=True):
        assert psnr(cover, scanline_coverage(outline, 40, 40, rule)) > 33


def test_every_path_has_its_own_rule():
    scene = blobs(4, 40, seed=2, segments=5, radius=(0.2, 0.4), jitter=0.8)
    rules = ("nonzero", "evenodd", "evenodd", "nonzero")
    mixed = coverage(dataclasses.replace(scene, fill_rule=rules))
    for k, rule in enumerate(rules):
        alone = coverage(dataclasses.replace(scene, fill_rule=rule))[k]
        torch.testing.assert_close(mixed[k], alone, atol=1e-12, rtol=0)


def test_a_hole_turns_the_other_way():
    outer, hole = box(3, 3, 19, 19), box(7.25, 7.5, 14, 15.5, reverse=True)
    cover = coverage(boxes_of_one_path(outer, hole))[0]
    assert cover.sum().item() == pytest.approx(16 * 16 - 6.75 * 8)
    same_way = boxes_of_one_path(outer, box(7.25, 7.5, 14, 15.5), rule="evenodd")
    torch.testing.assert_close(coverage(same_way)[0], cover)
    filled = coverage(dataclasses.replace(same_way, fill_rule="nonzero"))[0]
    assert filled.sum().item() == pytest.approx(256)


def test_gradcheck():
    """Points, self-crossing ones too, colors, opacities, opaque layers; both rules."""
    for rule in ("nonzero", "evenodd"):
        scene = dataclasses.replace(
            blobs(3, 12, seed=5, segments=3, radius=(0.2, 0.5)), fill_rule=rule
        )
        color = scene.color.clone()
        color[1, 3] = 1.0
        weight = noise(3, 12, 12)

        def picture(points, color, scene=scene, weight=weight):
            behind = torch.tensor([0.2, 0.9, 0.5], dtype=F64)
            return (rasterize(scene.moved(points, color), behind) * weight).sum()

        inputs = [x.clone().requires_grad_() for x in (scene.points, color)]
        assert torch.autograd.gradcheck(picture, inputs, eps=1e-6, atol=1e-5)


def test_gradcheck_of_the_background():
    scene = blobs(4, 8, seed=5, segments=3, radius=(0.2, 0.5))
    behind = noise(3, 8, 8).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda behind: rasterize(scene, behind), (behind,), fast_mode=True
    )


def test_gradcheck_over_nothing():
    scene = blobs(3, 14, seed=6, segments=3, radius=(0.2, 0.5))
    weight = noise(4, 14, 14)

    def picture(points, color):
        return (rasterize(scene.moved(points, color)) * weight).sum()

    inputs = [x.clone().requires_grad_() for x in (scene.points, scene.color)]
    assert torch.autograd.gradcheck(picture, inputs, eps=1e-6, atol=1e-5)


def test_gradcheck_of_coverage():
    scene = blobs(3, 14, seed=7, segments=3, radius=(0.2, 0.5))
    weight = noise(3, 14, 14)

    def covered(points):
        return (coverage(scene.moved(points)) * weight).sum()

    assert torch.autograd.gradcheck(covered, (scene.points.clone().requires_grad_(),), atol=1e-5)


def gradient_of(scene, weight, **options):
    points = scene.points.clone().requires_grad_()
    cover = coverage(scene.moved(points), **options)
    return torch.autograd.grad((cover * weight).sum(), points)[0]


def test_the_gradient_is_that_of_the_exact_area():
    """With fine chords, against differences of exact areas along a random move of all points."""
    scene = blobs(4, 32, seed=3, radius=(0.2, 0.35), jitter=0.05)
    weight, move = noise(4, 32, 32), noise(*scene.points.shape, seed=9)

    def area(step):
        outlines = polygons(scene.moved(scene.points + step * move))
        covers = [torch.from_numpy(exact_coverage(outline, 32, 32)) for outline in outlines]
        return float((torch.stack(covers) * weight).sum())

    slope = (area(1e-4) - area(-1e-4)) / 2e-4
    fine = (gradient_of(scene, weight, tol=1e-6) * move).sum()
    assert float(fine) == pytest.approx(slope, rel=1e-3)


def test_the_usual_chords_are_good_enough_for_gradients():
    scene = blobs(6, 48, seed=3)
    smooth = torch.linspace(0, 3, 48, dtype=F64).sin().expand(6, 48, 48)
    for weight, allowed in ((smooth, 4e-3), (noise(6, 48, 48), 2e-2)):
        fine = gradient_of(scene, weight, tol=1e-6)
        assert (gradient_of(scene, weight) - fine).norm() < allowed * fine.norm()


def test_the_area_does_not_change_with_its_place():
    """sum of coverage = area, so a move of the whole path has no gradient while it is inside."""
    scene = blobs(5, 48, seed=1, radius=(0.05, 0.12), jitter=0.3)
    middle = scene.points.view(5, -1, 2).mean(1, keepdim=True)
    points = (scene.points.view(5, -1, 2) - middle + 24).view(-1, 2).requires_grad_()
    cover = coverage(scene.moved(points)).sum((1, 2))
    (gradient,) = torch.autograd.grad(cover.sum(), points)
    assert gradient.view(5, -1, 2).sum(1).abs().max() < 1e-9


@pytest.mark.parametrize("reverse", [False, True])
def test_edges_on_the_pixel_grid_keep_their_gradient(reverse):
    """The gradient of a box's area by an edge's place is the edge's length."""
    points = box(5, 6, 20, 16, reverse=reverse).requires_grad_()
    cover = coverage(boxes_of_one_path(points))
    (gradient,) = torch.autograd.grad(cover.sum(), points)
    x, y = points.detach().T
    assert gradient[x == 20, 0].sum().item() == pytest.approx(10)
    assert gradient[x == 5, 0].sum().item() == pytest.approx(-10)
    assert gradient[y == 16, 1].sum().item() == pytest.approx(15)
    assert gradient[y == 6, 1].sum().item() == pytest.approx(-15)


@pytest.mark.parametrize(("rule", "reverse"), [("nonzero", True), ("evenodd", False)])
def test_holes_on_the_pixel_grid_keep_their_gradient(rule, reverse):
    outer, hole = box(3, 3, 20, 20), box(8, 7, 14, 16, reverse=reverse).requires_grad_()
    cover = coverage(boxes_of_one_path(outer, hole, rule=rule))
    (gradient,) = torch.autograd.grad(cover.sum(), hole)
    assert gradient[hole[:, 0] == 14, 0].sum().item() == pytest.approx(-9)
    assert gradient[hole[:, 1] == 7, 1].sum().item() == pytest.approx(6)


def test_edges_inside_of_a_filled_path_have_no_gradient():
    outer, inner = box(3, 3, 20, 20), box(8, 7, 14, 16).requires_grad_()
    cover = coverage(boxes_of_one_path(outer, inner))
    (gradient,) = torch.autograd.grad(cover.sum(), inner)
    assert gradient.abs().max() < 1e-9


def test_the_direction_of_a_path_does_not_matter():
    scene = blobs(8, 40, seed=9, radius=(0.2, 0.6), jitter=0.1)
    back = dataclasses.replace(scene, segments=scene.segments.flip(1))
    torch.testing.assert_close(coverage(back), coverage(scene), atol=1e-9, rtol=0)


def test_what_lies_off_the_canvas_does_not_change_what_lies_on_it():
    scene = blobs(8, 40, seed=9, radius=(0.2, 0.6), jitter=0.3)
    wide = dataclasses.replace(scene, points=scene.points + 60, width=160, height=150)
    torch.testing.assert_close(
        coverage(wide)[:, 60:100, 60:100], coverage(scene), atol=1e-9, rtol=0
    )
    weight = noise(8, 40, 40)
    points, moved = (s.points.clone().requires_grad_() for s in (scene, wide))
    (inside,) = torch.autograd.grad((coverage(scene.moved(points)) * weight).sum(), points)
    cut = coverage(wide.moved(moved))[:, 60:100, 60:100]
    (outside,) = torch.autograd.grad((cut * weight).sum(), moved)
    torch.testing.assert_close(inside, outside, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    "points",
    [
        torch.zeros(12, 2, dtype=F64),
        torch.full((12, 2), 7.5, dtype=F64),
        box(5, 5, 5, 12),
        box(5, 5, 12, 5),
        box(-30, -30, -10, -10),
        box(5, 40, 12, 50),
        box(30, 5, 60, 9),
    ],
    ids=["origin", "point", "upright line", "level line", "above", "below", "right"],
)
def test_paths_without_visible_area_are_empty_and_finite(points):
    scene = boxes_of_one_path(points)
    scene = scene.moved(scene.points.clone().requires_grad_(), BLACK.clone().requires_grad_())
    picture = rasterize(scene, torch.ones(3, dtype=F64))
    assert (picture - 1).abs().max() < 1e-9
    for gradient in torch.autograd.grad(picture.sum(), (scene.points, scene.color)):
        assert gradient.isfinite().all()


def test_a_path_larger_than_the_canvas_fills_it():
    scene = boxes_of_one_path(box(-500, -300, 900, 700))
    assert (coverage(scene) - 1).abs().max() < 1e-9


def test_it_is_deterministic():
    scene = blobs(20, 64, seed=4, dtype=torch.float32)
    weight = noise(3, 64, 64).float()
    seen = []
    for _ in range(2):
        points = scene.points.clone().requires_grad_()
        picture = rasterize(scene.moved(points), torch.ones(3))
        seen.append((picture, *torch.autograd.grad((picture * weight).sum(), points)))
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def test_parts_make_no_difference(monkeypatch):
    """A scene that is drawn a few paths at a time is the same scene."""
    scene = blobs(12, 40, seed=8)
    weight = noise(3, 40, 40)
    seen = []
    for cells in (1 << 20, 900, 1):
        monkeypatch.setattr("dreamsampler.generators.vector.raster.AT_A_TIME", cells)
        inputs = [x.clone().requires_grad_() for x in (scene.points, scene.color)]
        picture = rasterize(scene.moved(*inputs), torch.ones(3, dtype=F64))
        seen.append((picture, *torch.autograd.grad((picture * weight).sum(), inputs)))
    for other in seen[1:]:
        for a, b in zip(seen[0], other, strict=True):
            torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_transparent_is_what_is_left_of_the_background():
    """premultiplied picture + (1 - opacity) background = picture over the background."""
    scene = blobs(6, 32, seed=3)
    behind = torch.rand(3, 32, 32, dtype=F64)
    alone = rasterize(scene)
    expected = alone[:3] + (1 - alone[3:]) * behind
    torch.testing.assert_close(rasterize(scene, behind), expected, atol=1e-12, rtol=0)


def test_the_order_of_paths_is_the_order_of_drawing():
    squares = torch.stack([box(2, 2, 12, 12), box(6, 6, 16, 16)])
    colors = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 1]], dtype=F64)
    picture = rasterize(Scene.loops(squares, colors, 20, 20), torch.zeros(3, dtype=F64))
    assert picture[:, 8, 8].tolist() == [0, 1, 0]
    assert picture[:, 3, 3].tolist() == [1, 0, 0]


def test_no_paths_are_the_background():
    empty = Scene.random(2, 9, 7, torch.Generator()).kept(torch.tensor([False, False]))
    assert torch.equal(rasterize(empty, torch.ones(3)), torch.ones(3, 7, 9))


@settings(max_examples=25)
@given(st.floats(-40, 60), st.floats(-40, 60), st.floats(0, 30), st.floats(0, 30))
def test_a_box_covers_its_area_wherever_it_lies(left, top, width, height):
    scene = boxes_of_one_path(box(left, top, left + width, top + height))
    inside = [max(0.0, min(a + b, 24) - max(a, 0)) for a, b in ((left, width), (top, height))]
    cover = coverage(scene)
    assert cover.sum().item() == pytest.approx(inside[0] * inside[1], abs=1e-6)
    assert cover.min() >= 0 and cover.max() <= 1 + 1e-9


def test_points_that_cannot_be_drawn_are_refused():
    scene = blobs(2, 16)
    for bad in (torch.nan, torch.inf, 1e30):
        points = scene.points.clone()
        points[3] = bad
        with pytest.raises(ValueError, match="chords"):
            rasterize(scene.moved(points), torch.ones(3))


def test_a_background_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"background is \(3, 4, 4\)"):
        rasterize(blobs(2, 16), torch.ones(3, 4, 4))
