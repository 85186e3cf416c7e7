"""Masks and pictures as opaque closed paths: where they lie, how many, and what they never are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.generators.vector import (
    Scene,
    areas,
    compound,
    coverage,
    crosses_itself,
    rasterize,
)
from dreamsampler.generators.vector.outline import traced_mask
from dreamsampler.generators.vector.regions import (
    SMALLEST,
    components,
    filled,
    flat_colors,
    grown,
    labeled,
    opened,
    traced_regions,
)

SIDE = 128


def ring():
    """A white canvas, a blue disk, a red one with a black middle, and soft edges, (3, h, w)."""
    color = torch.tensor([[0.2, 0.3, 0.9, 1], [0.9, 0.1, 0.1, 1], [0.05, 0.05, 0.05, 1]])
    centers = torch.tensor([[60.0, 64.0], [80.0, 50.0], [80.0, 50.0]])
    scene = Scene.circles(centers, torch.tensor([45.0, 24.0, 10.0]), SIDE, SIDE, color=color)
    sharp = rasterize(scene, torch.ones(3))
    return torch.nn.functional.avg_pool2d(sharp[None], 3, 1, 1, count_include_pad=False)[0]


def traced(picture, **options):
    every = torch.ones(picture.shape[1:], dtype=torch.bool)
    colors = flat_colors(picture, torch.ones(1, 3), every)
    label = labeled(picture, colors)
    return colors, label, traced_regions(label, colors, every, **options)


def blobs(seed):
    noise = torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise, 7, 1, 3)
    return torch.nn.functional.interpolate(smooth, (80, 80), mode="bicubic")[0, 0] > 0.03


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6))
def test_any_mask_is_followed_by_loops_that_never_cross_themselves(seed):
    mask = blobs(seed)
    loops = traced_mask(mask)
    scene = compound([loops], torch.tensor([[0, 0, 0, 1.0]]), 80, 80)
    assert not bool(crosses_itself(scene).any())
    off = (coverage(scene)[0] - mask.float()).abs()
    border = grown(mask, 1) & grown(~mask, 1)
    assert float(off[~grown(border, 2)].amax()) < 0.05


def test_a_hole_runs_the_other_way_round_and_corners_stay():
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[10:50, 10:50], mask[24:36, 24:36] = True, False
    loops = traced_mask(mask)
    scene = compound([loops], torch.tensor([[0, 0, 0, 1.0]]), 64, 64)
    assert sorted(areas(scene).sign().tolist()) == [-1, 1]
    assert areas(scene).abs().sum() == pytest.approx(1600 + 144, rel=0.03)
    corner = (scene.points - torch.tensor([10.0, 10.0])).norm(dim=1).min()
    assert corner < 1.5


def test_a_mask_at_the_border_covers_it():
    scene = compound([traced_mask(torch.ones(20, 30) > 0)], torch.tensor([[0, 0, 0, 1.0]]), 30, 20)
    assert float(coverage(scene).min()) > 0.999


def test_components_are_those_of_breadth_first_search():
    label = torch.randint(0, 3, (17, 23), generator=torch.Generator().manual_seed(1))
    part, seen = components(label), {}
    for start in [(y, x) for y in range(17) for x in range(23)]:
        if start in seen:
            continue
        queue = [start]
        seen[start] = start
        while queue:
            y, x = queue.pop()
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                inside = 0 <= near[0] < 17 and 0 <= near[1] < 23
                if inside and near not in seen and label[near] == label[y, x]:
                    seen[near] = start
                    queue.append(near)
    pairs = {(int(part[p]), root) for p, root in seen.items()}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_masks_are_opened_and_filled():
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[4:16, 4:16], mask[8:12, 8:12], mask[:, 18] = True, False, True
    assert int(filled(mask).sum()) == 144 + 20
    assert not bool(opened(mask, 1)[:, 18].any()) and bool(opened(mask, 1)[5, 5])


def test_a_drawing_with_soft_edges_becomes_its_own_few_shapes():
    picture = ring()
    colors, label, scene = traced(picture)
    assert len(colors) == 4 and scene.paths == 4  # no halo between two colors
    assert scene.color[:, 3].tolist() == [1.0] * 4
    assert not bool(crosses_itself(scene).any())
    assert float(areas(scene).abs().min()) >= SMALLEST * label.numel()
    off = (rasterize(scene, torch.zeros(3)) - picture).abs().mean()
    assert off < 0.012  # no seam lets the black ground through
    assert len(scene.segments) <= 40


def test_no_more_paths_than_allowed():
    _, _, scene = traced(ring(), most=2)
    assert scene.paths == 2
