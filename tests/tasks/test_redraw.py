"""An edited picture back into an SVG's paths: the fewest changes, and only clean new paths."""

import pytest
import torch

from dreamsampler.generators.vector import Scene, areas, crosses_itself, rasterize, stacked
from dreamsampler.generators.vector.regions import SMALLEST
from dreamsampler.tasks import Vectorize
from dreamsampler.tasks.vectorize.initialize import open_source
from dreamsampler.tasks.vectorize.redraw import redrawn

SIDE = 256
YELLOW, BLACK, RED = [0.98, 0.9, 0.1, 1], [0.0, 0.0, 0.0, 1], [0.8, 0.1, 0.1, 0.95]


def disks(*rows, color):
    rows = torch.tensor(rows, dtype=torch.float)
    return Scene.circles(rows[:, :2], rows[:, 2], SIDE, SIDE, color=torch.tensor(color))


def face():
    """A face, two eyes and a mouth."""
    return disks(
        (128, 128, 90), (95, 100, 12), (160, 100, 12), (128, 170, 20),
        color=[YELLOW, BLACK, BLACK, RED],
    )  # fmt: skip


def soft(scene):
    shown = rasterize(scene, torch.ones(3))
    return torch.nn.functional.avg_pool2d(shown[None], 5, 1, 2, count_include_pad=False)[0]


def apply(picture, own=None):
    own = own or face()
    units, fixed = torch.arange(own.paths), torch.zeros(own.paths, dtype=torch.bool)
    return own, redrawn(own, units, fixed, picture, 1.0, 64)


def clean(new):
    assert new.color[:, 3].tolist() == [1.0] * new.paths
    assert not bool(crosses_itself(new).any())
    assert not new.paths or float(areas(new).abs().min()) >= SMALLEST * SIDE**2


def test_a_picture_of_the_paths_changes_nothing():
    own, found = apply(rasterize(face(), torch.ones(3)))
    assert (found.colors, found.removed, found.new.paths) == ({}, set(), 0)
    assert torch.equal(found.scene(own).points, own.points)


def test_another_color_keeps_every_outline():
    own = face()
    color = own.color.clone()
    color[0, :3] = torch.tensor([0.2, 0.8, 0.3])
    _, found = apply(soft(own.moved(own.points, color)), own)
    assert [*found.colors] == [0] and not found.removed and not found.new.paths
    assert (found.colors[0] - color[0, :3]).abs().max() < 0.02


def test_glasses_come_on_top_and_what_they_hide_goes():
    own = face()
    glasses = disks((95, 100, 30), (160, 100, 30), color=[[0.1, 0.1, 0.3, 1]] * 2)
    picture = soft(stacked([own, glasses]))
    _, found = apply(picture, own)
    assert found.removed == {1, 2} and not found.colors
    assert found.new.paths == 2 and len(found.new.segments) <= 16
    clean(found.new)
    after = found.scene(own)
    number = [k for k in range(after.paths) if after.color[k, 3] < 1]
    assert after.color[number[0]].tolist() == own.color[3].tolist()  # the file's own opacity
    assert (rasterize(after, torch.ones(3)) - picture).abs().mean() < 0.02


def test_what_becomes_transparent_is_not_painted_white():
    own = face()
    ears = disks((60, 40, 30), color=[BLACK])
    both = stacked([own, ears])
    _, found = apply(soft(own), both)
    assert 4 in found.removed
    after = rasterize(found.scene(both))
    assert float(after[3, 20, 40]) == 0  # alpha


@pytest.mark.parametrize("share", [0.0, 0.04])
def test_a_shift_of_a_border_and_shading_are_no_changes(share):
    own = face()
    picture = rasterize(own.moved(own.points + 1.0), torch.ones(3))
    x = torch.linspace(-share, share, SIDE)
    _, found = apply((picture + x).clamp(0, 1), own)
    assert (found.colors, found.removed, found.new.paths) == ({}, set(), 0)


def test_a_file_of_very_many_paths_is_refused_before_memory_is_taken(tmp_path):
    file = tmp_path / "map.svg"
    paths = '<rect width="1" height="1"/>' * 1001
    file.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{paths}</svg>')
    with pytest.raises(ValueError, match=r"map\.svg has 1001 paths, too many .* smaller size"):
        open_source(Vectorize(file, prompt="a map"))
    assert open_source(Vectorize(file, prompt="a map", size=256))[1].scene.paths == 1001
