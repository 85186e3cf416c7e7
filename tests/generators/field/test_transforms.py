import json
import math

import pytest
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.generators.field import Camera, read_transforms, surroundings, write_transforms

MATRIX = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 3], [0, 0, 0, 1]]


def scene(folder, frames=None, name="transforms.json", **told):
    for i in range(3):
        Image.new("RGB", (20, 16)).save(folder / f"r_{i}.png")
    frames = [{"file_path": "r_0.png", "transform_matrix": MATRIX}] if frames is None else frames
    (folder / name).write_text(json.dumps({"camera_angle_x": 0.6, "frames": frames, **told}))
    return folder


def frame(name="r_0.png", matrix=MATRIX, **told):
    return {"file_path": name, "transform_matrix": matrix, **told}


def test_what_is_written_is_read(tmp_path):
    scene(tmp_path)
    cameras = [Camera.orbit(40 * i, 20, 3.0, size=(16, 20), field_of_view=40) for i in range(3)]
    names = [f"r_{i}.png" for i in range(3)]
    write_transforms(tmp_path, cameras, names, [False, True, False])
    shots = read_transforms(tmp_path)
    assert [(s.name, s.held_out) for s in shots] == [
        ("r_0.png", False), ("r_2.png", False), ("r_1.png", True)
    ]  # fmt: skip
    for shot, i in zip(shots, (0, 2, 1), strict=True):
        found, wanted = shot.camera((16, 20)), cameras[i]
        assert sum(found.matrix, ()) == pytest.approx(sum(wanted.matrix, ()))
        assert found.focal == pytest.approx(wanted.focal) and found.center == (10, 8)


def test_blenders_own_files(tmp_path):
    """No suffix, camera_angle_x alone, the test views in a file of their own."""
    scene(tmp_path, [frame("./r_0")], "transforms_train.json")
    scene(tmp_path, [frame("./r_1")], "transforms_test.json")
    first, second = read_transforms(tmp_path)
    assert first.path.name == "r_0.png" and not first.held_out
    assert second.path.name == "r_1.png" and second.held_out
    assert first.camera((16, 20)).focal[0] == pytest.approx(10 / math.tan(0.3))


def test_nerfstudios_own_numbers_and_smaller_pictures(tmp_path):
    numbers = {"fl_x": 50.0, "fl_y": 60.0, "cx": 19.0, "cy": 17.0, "w": 40, "h": 32, "k1": 0.0}
    (shot,) = read_transforms(scene(tmp_path, camera_model="OPENCV", **numbers))
    camera = shot.camera((16, 20))
    assert camera.focal == (25, 30) and camera.center == (9.5, 8.5) and camera.size == (16, 20)


def test_numbers_of_a_view_win_over_those_of_the_file(tmp_path):
    (shot,) = read_transforms(scene(tmp_path, [frame(fl_x=77.0)], fl_x=50.0))
    assert shot.camera((16, 20)).focal == (77, 77)


MIRROR = [[-1.0, 0, 0, 0], *MATRIX[1:]]
SCALED = [[2.0, 0, 0, 0], *MATRIX[1:]]


@pytest.mark.parametrize(
    ("frames", "told", "what"),
    [
        ([frame("gone.png")], {}, "gone.png is missing"),
        ([frame(matrix=MIRROR)], {}, "view r_0.png: the camera matrix mirrors"),
        ([frame(matrix=SCALED)], {}, "not orthonormal"),
        ([frame(matrix=[[math.nan] * 4] * 4)], {}, "NaN"),
        ([frame(matrix=None)], {}, "no table of numbers"),
        ([frame(fl_x="wide")], {}, "fl_x is 'wide'"),
        ([frame(k1=0.1)], {}, r"no pinhole \(k1\)"),
        ([frame()], {"camera_model": "EQUIRECTANGULAR"}, "no pinhole"),
        ([{"transform_matrix": MATRIX}], {}, "without a file_path"),
        ([], {}, "has no views"),
        ({}, {}, "has no views"),
    ],
)
def test_scenes_that_cannot_be_used(tmp_path, frames, told, what):
    with pytest.raises(InputError, match=what):
        read_transforms(scene(tmp_path, frames, **told))


def test_no_scene_at_all(tmp_path):
    with pytest.raises(InputError, match="is no scene"):
        read_transforms(tmp_path)
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(InputError, match="is no JSON"):
        read_transforms(tmp_path)


@pytest.mark.parametrize(
    ("told", "what"),
    [({"w": 40, "h": 16}, "in that proportion"), ({"camera_angle_x": 0}, "no focal length")],
)
def test_cameras_that_do_not_fit_their_pictures(tmp_path, told, what):
    (shot,) = read_transforms(scene(tmp_path, **told))
    with pytest.raises(InputError, match=what):
        shot.camera((16, 20))


def around(count=5, **told):
    return [
        Camera.orbit(70 * i, 15 * i - 20, 3.0, target=(1, 2, 0.5), **told) for i in range(count)
    ]


def test_the_surroundings_are_what_all_cameras_see():
    center, radius = surroundings(around(field_of_view=60, size=(50, 100)))
    assert center == pytest.approx((1, 2, 0.5))
    # the height is the narrower half: tan of it is half of tan 30 degrees
    assert radius == pytest.approx(3 * math.sin(math.atan(math.tan(math.radians(30)) / 2)))


def outward():
    """Cameras that stand on a circle with their backs to its middle."""
    cameras = []
    for i in range(6):
        azimuth, place = 57.3 * i + 270, (math.cos(i), math.sin(i), 0.1 * i)
        cameras.append(Camera.orbit(azimuth, 0, 1.0, target=tuple(2 * x for x in place)))
    return cameras


@pytest.mark.parametrize(
    ("cameras", "what"),
    [
        (around(1), "at least two"),
        ([Camera.orbit(0, 0, 3.0, target=(float(i), 0.0, 0.0)) for i in range(3)],
         "face one direction"),
        (outward(), "face away"),
    ],
)  # fmt: skip
def test_cameras_that_are_not_around_anything(cameras, what):
    with pytest.raises(InputError, match=what):
        surroundings(cameras)
