import dataclasses
import math

import pytest
import torch
from outlines import blobs, box

from dreamsampler.generators.vector import Scene, coverage, rasterize


def test_circles_are_round():
    scene = Scene.circles(torch.tensor([[20.0, 22.0]]), torch.tensor([9.0]), 40, 40)
    assert coverage(scene).sum().item() == pytest.approx(math.pi * 81, rel=3e-4)


def test_moved_shares_and_scaled_grows():
    scene = blobs(3, 20)
    assert scene.moved(scene.points).segments is scene.segments
    twice = coverage(scene.scaled(2))
    small = torch.nn.functional.avg_pool2d(twice, 2)
    assert (small - coverage(scene)).abs().max() < 5e-3


def test_kept_paths_are_drawn_the_same():
    scene = dataclasses.replace(
        blobs(5, 24, seed=3), fill_rule=("nonzero", "evenodd") * 2 + ("nonzero",)
    )
    keep = torch.tensor([True, False, True, False, True])
    part = scene.kept(keep)
    assert part.fill_rule == ("nonzero",) * 3 and len(part.points) == 36
    torch.testing.assert_close(coverage(part), coverage(scene)[keep])


def test_random_scenes_depend_on_their_generator_alone():
    a, b = (Scene.random(4, 9, 9, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a.points, b.points) and torch.equal(a.color, b.color)


def square(**changes):
    scene = Scene.loops(box(1, 1, 5, 5)[None], torch.ones(1, 4).double(), 8, 8)
    return dataclasses.replace(scene, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 0}, "width is 0"),
        ({"height": 10**6}, "height is 1000000"),
        ({"fill_rule": ("nonzero", "evenodd")}, "2 fill rules for 1 paths"),
        ({"segments": torch.tensor([[0, 1, 2, 12]])}, "segments holds"),
        ({"path_of_segment": torch.tensor([0, 0, 0, 1])}, "path_of_segment holds"),
        (
            {"color": torch.ones(2, 4).double(), "path_of_segment": torch.tensor([0, 0, 0, 1])},
            "open",
        ),
    ],
)
def test_what_is_no_scene_is_refused(changes, words):
    if "segments" in changes:
        changes = {**changes, "path_of_segment": torch.tensor([0])}
    with pytest.raises(ValueError, match=words):
        square(**changes)


def test_too_few_segments_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        Scene.circles(torch.zeros(1, 2), torch.ones(1), 8, 8, segments=1)
    with pytest.raises(ValueError, match="3 a segment"):
        Scene.loops(torch.zeros(1, 4, 2), torch.ones(1, 4), 8, 8)


def test_a_picture_has_the_size_of_its_canvas():
    assert rasterize(Scene.random(3, 11, 7, torch.Generator())).shape == (4, 7, 11)
