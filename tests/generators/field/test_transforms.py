import json
import math

import pytest
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.generators.field import (
    Camera,
    read_scene,
    read_transforms,
    surroundings,
    write_transforms,
)

MATRIX = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 3], [0, 0, 0, 1]]


def scene(folder, frames=None, name="transforms.json", **given):
    for i in range(3):
        Image.new("RGB", (20, 16)).save(folder / f"r_{i}.png")
    frames = [{"file_path": "r_0.png", "transform_matrix": MATRIX}] if frames is None else frames
    (folder / name).write_text(json.dumps({"camera_angle_x": 0.6, "frames": frames, **given}))
    return folder


def frame(name="r_0.png", matrix=MATRIX, **given):
    return {"file_path": name, "transform_matrix": matrix, **given}


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
        found, expected = shot.camera((16, 20)), cameras[i]
        assert sum(found.matrix, ()) == pytest.approx(sum(expected.matrix, ()))
        assert found.focal == pytest.approx(expected.focal) and found.center == (10, 8)


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
    ("frames", "given", "what"),
    [
        ([frame("gone.png")], {}, "gone.png is missing"),
        ([frame(matrix=MIRROR)], {}, "view r_0.png: the camera matrix mirrors"),
        ([frame(matrix=SCALED)], {}, "not orthonormal"),
        ([frame(matrix=[[math.nan] * 4] * 4)], {}, "NaN"),
        ([frame(matrix=None)], {}, "no table of numbers"),
        ([frame(fl_x="wide")], {}, "fl_x is 'wide'"),
        ([frame(fl_x=True)], {}, "fl_x is 'True'"),
        ([frame(fl_x=10**400)], {}, "fl_x is '1000"),
        ([frame(matrix=[[10**400] * 4] * 4)], {}, "no table of numbers"),
        ([frame(k4=0.1)], {}, "k4 is no coefficient of OPENCV"),
        ([frame(p1=0.1)], {"camera_model": "OPENCV_FISHEYE"}, "p1 is no coefficient"),
        ([frame()], {"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR is not understood"),
        ([frame(camera_model="opencv_fish_eye")], {}, "did you mean OPENCV_FISHEYE"),
        ([frame()], {"camera_model": "PINHOLE", "is_fisheye": True}, "is_fisheye is True, but"),
        ([frame()], {"is_fisheye": True}, "needs its focal length"),
        ([frame(is_fisheye="no")], {}, "is_fisheye is 'no'"),
        ([frame()], {"camera_anglex": 0.6}, "camera_anglex is not understood: did you mean camera"),
        ([frame(fx=50)], {}, "fx is not understood: did you mean fl_x"),
        ([frame(K1=0.1)], {}, "K1 is not understood: did you mean k1"),
        ([frame(rolling_shutter=[0, 0, 1])], {}, "rolling_shutter is not understood"),
        ([frame(masks_path="m.png")], {}, "did you mean mask_path"),
        ([frame(mask_path=3)], {}, "mask_path is 3"),
        ([frame()], {"test_filenames": 7}, "test_filenames is no list"),
        ([frame("")], {}, "is missing"),
        ([frame("x" * 5000)], {}, "is no name of a picture"),
        ([{"transform_matrix": MATRIX}], {}, "without a file_path"),
        ([], {}, "has no views"),
        ({}, {}, "has no views"),
    ],
)
def test_scenes_that_cannot_be_used(tmp_path, frames, given, what):
    with pytest.raises(InputError, match=what):
        read_transforms(scene(tmp_path, frames, **given))


def test_files_from_windows(tmp_path):
    """Backslashes, other letter case, a suffix left out, a byte order mark, nulls."""
    (tmp_path / "images").mkdir()
    names = ["images\\A.jpg", "images\\b", "c.PNG"]
    for name in ("images/a.JPG", "images/b.PNG", "c.png"):
        Image.new("RGB", (20, 16)).save(tmp_path / name)
    frames = [frame(name, mask_path=None, fl_x=None) for name in names]
    given = {"frames": frames, "fl_x": 50, "train_filenames": None, "test_filenames": [names[1]]}
    text = json.dumps({**given, "camera_model": None})
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "transforms.json").write_bytes(text.encode(encoding))
        shots = read_transforms(tmp_path)
        assert [s.path.relative_to(tmp_path).as_posix() for s in shots] == [
            "images/a.JPG", "c.png", "images/b.PNG"
        ]  # fmt: skip
        assert [shot.held_out for shot in shots] == [False, False, True]
        assert shots[0].camera((16, 20)).focal == (50, 50)


def test_keys_that_are_of_no_camera_are_named_or_known(tmp_path, recwarn):
    known = {"aabb_scale": 4, "applied_transform": [[1, 0, 0, 0]], "camera_id": 3, "k1": 0.0}
    scene(tmp_path, [frame(colmap_im_id=1, rotation=0.1, exposure=2)], **known, author="me")
    read_transforms(tmp_path)
    assert [str(each.message).split(": ", 1)[1] for each in recwarn] == [
        "not used: camera_id, author, exposure"
    ]


def test_angles_of_both_sides(tmp_path):
    (shot,) = read_transforms(scene(tmp_path, camera_angle_x=None, x_fov=60, camera_angle_y=0.5))
    focal = 10 / math.tan(math.radians(30)), 8 / math.tan(0.25)
    assert shot.camera((16, 20)).focal == pytest.approx(focal)


@pytest.mark.parametrize(
    ("given", "fisheye", "names"),
    [
        ({"k1": 0.1, "p2": 0.01}, False, ["k1", "p2"]),
        ({"camera_model": "PINHOLE", "k1": 0.1}, False, ["k1"]),
        ({"camera_model": "SIMPLE_RADIAL", "k1": 0.1, "k2": 0}, False, ["k1"]),
        ({"camera_model": "FULL_OPENCV", "k3": 0.1, "k6": 0.2}, False, ["k3", "k6"]),
        ({"camera_model": "OPENCV_FISHEYE", "k4": 0.1}, True, ["k4"]),
        ({"is_fisheye": True}, True, []),
    ],
)
def test_lenses_are_read(tmp_path, given, fisheye, names):
    numbers = {"fl_x": 30.0, **given}
    for here, there in ((numbers, {}), ({}, numbers)):
        (shot,) = read_transforms(scene(tmp_path, [frame(**here)], **there))
        assert shot.lens is not None and shot.lens.fisheye == fisheye
        assert shot.lens.coefficients == tuple((name, given[name]) for name in names)


def test_no_scene_at_all(tmp_path):
    with pytest.raises(InputError, match="is no scene"):
        read_transforms(tmp_path)
    with pytest.raises(InputError, match="sparse/0"):
        read_scene(tmp_path)
    (tmp_path / "transforms.json").write_text("[" * 10**5)
    with pytest.raises(InputError, match="is no JSON"):
        read_transforms(tmp_path)
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(InputError, match="is no JSON"):
        read_transforms(tmp_path)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"w": 40, "h": 16}, "in that proportion"),
        ({"w": 0, "h": 16}, "at least 1"),
        ({"camera_angle_x": 0}, "no focal length"),
    ],
)
def test_cameras_that_do_not_fit_their_pictures(tmp_path, given, what):
    (shot,) = read_transforms(scene(tmp_path, **given))
    with pytest.raises(InputError, match=what):
        shot.camera((16, 20))


def around(count=5, **given):
    return [
        Camera.orbit(70 * i, 15 * i - 20, 3.0, target=(1, 2, 0.5), **given) for i in range(count)
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
