"""Paths that cross themselves, made such that do not."""

import torch
from outlines import psnr

from dreamsampler.generators.vector import (
    Scene,
    coverage,
    crosses_itself,
    rasterize,
    untangled,
    without,
)

WHITE = torch.ones(3)


def wobbly(paths, jitter):
    rng3 = torch.Generator().manual_seed(3)
    return Scene.random(paths, 48, 48, rng3, jitter=jitter, radius=(0.03, 0.08))


def test_small_loops_go_and_the_rest_stays():
    scene = wobbly(24, 0.5)
    after, crossed = untangled(scene), crosses_itself(scene)
    assert crossed.sum() >= 5
    assert crosses_itself(after).sum() <= crossed.sum() / 2
    assert psnr(rasterize(after, WHITE), rasterize(scene, WHITE)) > 35
    anchors = scene.segments[:, 0]
    assert torch.equal(after.points[anchors], scene.points[anchors])
    simple = scene.segments[~crossed[scene.path_of_segment]].flatten()
    assert torch.equal(after.points[simple], scene.points[simple])


def test_no_path_changes_by_more_than_is_allowed():
    scene = wobbly(12, 0.4)
    for most in (0.0, 1.0, 5.0):
        change = (coverage(untangled(scene, most)) - coverage(scene)).abs().sum((1, 2))
        assert (change * scene.color[:, 3] <= most + 1e-3).all()


def test_the_least_important_go_first():
    disks = Scene.circles(
        torch.tensor([[24.0, 24.0], [24.0, 24.0], [99.0, 9.0]]),
        torch.tensor([4.0, 12.0, 5.0]),
        48,
        48,
    )
    few = without(disks, WHITE, torch.zeros(3, 48, 48), 2)
    assert few.paths == 1 and (few.points[0] - torch.tensor([36.0, 24.0])).abs().max() < 1e-4
