"""COLMAP's models against a transforms.json made from the same cameras."""

import shutil
import struct

import numpy as np
import pytest
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.generators.field import Camera, read_scene, write_transforms

SIZE, CENTER, FOCAL = (20, 32), (15.0, 10.5), (40.0, 42.0)
NAMES = ["b view.png", "a.png", "c.png"]
MODEL = (1, (*FOCAL, *CENTER))


def cameras():
    return [
        Camera(Camera.orbit(50 * i, 10 * i, 3.0, size=SIZE).matrix, FOCAL, CENTER, SIZE)
        for i in range(3)
    ]


def pose(camera):
    """COLMAP's quaternion and translation: world (x, z, -y) to a camera with y down, z ahead."""
    world = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # ours to COLMAP's
    matrix = np.array(camera.matrix)
    rotation = (world @ matrix[:3, :3] @ np.diag([1.0, -1, -1])).T
    w = np.sqrt(1 + np.trace(rotation)) / 2  # none of these cameras is turned by 180 degrees
    x, y, z = (rotation - rotation.T)[[2, 0, 1], [1, 2, 0]] / (4 * w)
    return [w, x, y, z, *(-rotation @ world @ matrix[:3, 3])]


def binary(folder, model=MODEL, count=None, points=2):
    number, values = model
    head = struct.pack("<QIiQQ", 1, 7, number, SIZE[1], SIZE[0])
    (folder / "cameras.bin").write_bytes(head + struct.pack(f"<{len(values)}d", *values))
    data = struct.pack("<Q", len(NAMES) if count is None else count)
    for i, (name, camera) in enumerate(zip(NAMES, cameras(), strict=True)):
        data += struct.pack("<I7dI", i + 1, *pose(camera), 7) + name.encode() + b"\0"
        data += struct.pack("<Q", points) + struct.pack("<ddQ", 1.0, 2.0, 3) * 2
    (folder / "images.bin").write_bytes(data)


def text(folder, model="PINHOLE", values=(*FOCAL, *CENTER)):
    words = " ".join(map(str, values))
    (folder / "cameras.txt").write_text(f"# list\n7 {model} {SIZE[1]} {SIZE[0]} {words}\n")
    lines = ["# list"]
    for i, (name, camera) in enumerate(zip(NAMES, cameras(), strict=True)):
        lines += [" ".join(map(str, [i + 1, *pose(camera), 7, name])), "1.0 2.0 -1" if i else ""]
    (folder / "images.txt").write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name in NAMES:
        Image.new("RGB", SIZE[::-1]).save(tmp_path / "images" / name)
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("write", [binary, text])
@pytest.mark.parametrize("given", ["", "sparse/0"])
def test_the_cameras_are_those_of_transforms_json(folder, write, given):
    write(folder / "sparse" / "0")
    found = read_scene(folder / given)
    assert [shot.name for shot in found] == sorted(NAMES)
    write_transforms(folder, cameras(), [f"images/{n}" for n in NAMES], [False] * 3)
    wanted = {shot.path.name: shot for shot in read_scene(folder)}
    for shot in found:
        other = wanted[shot.name]
        assert shot.path.samefile(other.path) and shot.lens is None
        here, there = shot.camera(SIZE), other.camera(SIZE)
        assert sum(here.matrix, ()) == pytest.approx(sum(there.matrix, ()), abs=1e-9)
        assert (here.focal, here.center, here.size) == (there.focal, there.center, there.size)


def test_the_first_camera_of_a_model_is_a_front_view(folder):
    """At the world's origin, unturned: the middle of the picture's pixel grid lies ahead, at +y."""
    text(folder / "sparse" / "0")
    line = "1 1 0 0 0 0 0 0 7 a.png\n\n"
    (folder / "sparse" / "0" / "images.txt").write_text(line)
    (shot,) = read_scene(folder)
    camera = shot.camera(SIZE)
    assert camera.forward == (0, 1, 0) and camera.view((0.0, 2.0, 0.0)) == "front view"
    _, directions = camera.rays()
    right, _, up = directions.view(*SIZE, 3)[0, 0].tolist()
    assert right < 0 < up, "the first pixel is at the upper left"
    ray = directions.view(*SIZE, 3)[10, 15]
    assert (ray[0] / ray[1]).item() == pytest.approx(0.5 / 40), "pixel centers are at one half"


@pytest.mark.parametrize(
    ("number", "model", "values", "fisheye", "coefficients"),
    [
        (0, "SIMPLE_PINHOLE", (40, 15, 10), None, {}),
        (2, "SIMPLE_RADIAL", (40, 15, 10, 0.1), False, {"k1": 0.1}),
        (3, "RADIAL", (40, 15, 10, 0.1, 0.2), False, {"k1": 0.1, "k2": 0.2}),
        (4, "OPENCV", (40, 40, 15, 10, 0.1, 0.2, 0.3, 0.4), False,
         {"k1": 0.1, "k2": 0.2, "p1": 0.3, "p2": 0.4}),
        (5, "OPENCV_FISHEYE", (40, 40, 15, 10, 0.1, 0.2, 0.3, 0.4), True,
         {"k1": 0.1, "k2": 0.2, "k3": 0.3, "k4": 0.4}),
        (6, "FULL_OPENCV", (40, 40, 15, 10, *range(1, 9)), False,
         {"k1": 1, "k2": 2, "k3": 5, "k4": 6, "k5": 7, "k6": 8, "p1": 3, "p2": 4}),
        (7, "FOV", (40, 40, 15, 10, 0.9), False, {"omega": 0.9}),
        (8, "SIMPLE_RADIAL_FISHEYE", (40, 15, 10, 0.0), True, {}),
        (9, "RADIAL_FISHEYE", (40, 15, 10, 0.1, 0.2), True, {"k1": 0.1, "k2": 0.2}),
        (10, "THIN_PRISM_FISHEYE", (40, 40, 15, 10, *range(1, 9)), True,
         {"k1": 1, "k2": 2, "k3": 5, "k4": 6, "p1": 3, "p2": 4, "sx1": 7, "sy1": 8}),
    ],
)  # fmt: skip
def test_every_camera_model(folder, number, model, values, fisheye, coefficients):
    binary(folder / "sparse" / "0", (number, values))
    (folder / "text").mkdir()
    text(folder / "text", model, values)
    for shot in (read_scene(folder)[0], read_scene(folder / "text")[0]):
        assert (None if shot.lens is None else shot.lens.fisheye) == fisheye
        assert dict(shot.lens.coefficients if shot.lens else ()) == coefficients
        assert dict(shot.intrinsics)["fl_x"] == 40 and dict(shot.intrinsics)["cy"] == 10


def test_masks_beside_the_images(folder):
    text(folder / "sparse" / "0")
    (folder / "masks").mkdir()
    Image.new("L", SIZE[::-1]).save(folder / "masks" / "a.png.png")
    first, second, _ = read_scene(folder)
    assert first.mask == folder / "masks" / "a.png.png" and second.mask is None


def test_every_truncated_binary_file_is_one_line(folder):
    place = folder / "sparse" / "0"
    binary(place)
    for name in ("cameras.bin", "images.bin"):
        whole = (place / name).read_bytes()
        for length in range(len(whole)):
            (place / name).write_bytes(whole[:length])
            with pytest.raises(InputError, match="cut short or damaged"):
                read_scene(folder)
        (place / name).write_bytes(whole + b"\0")
        with pytest.raises(InputError, match="1 bytes follow"):
            read_scene(folder)
        (place / name).write_bytes(whole)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda f: binary(f, count=2**63), "says 9223372036854775808 entries"),
        (lambda f: binary(f, points=2**60), "says 1152921504606846976 entries"),
        (lambda f: binary(f, (11, (1.0,) * 16)), "number 11 is not understood"),
        (lambda f: binary(f, (1, (float("nan"), 1, 1, 1))), "finite numbers"),
        (lambda f: text(f, "RAD_TAN_THIN_PRISM_FISHEYE"), "RAD_TAN_THIN_PRISM_FISHEYE is not und"),
        (lambda f: text(f, "OPENCV"), "OPENCV takes finite numbers fx, fy"),
        (lambda f: text(f, values=("wide",) * 4), "line 2 is no camera"),
        (lambda f: (text(f), (f / "images.txt").write_text("1 1 0 0 0 0")), "line 1 is no image"),
        (lambda f: (text(f), (f / "images.txt").write_text("1 1 0 0 0 0 0 0 5 a.png")), "camera 5"),
        (lambda f: (text(f), (f / "images.txt").write_text("1 0 0 0 0 0 0 0 7 a.png")), "no pose"),
        (lambda f: (text(f), (f / "images.txt").write_text("1 1 0 0 0 0 0 0 7 z.png")), "missing"),
        (lambda f: (text(f), (f / "images.txt").write_text("# none\n")), "has no images"),
    ],
)
def test_models_that_cannot_be_used(folder, spoil, match):
    spoil(folder / "sparse" / "0")
    with pytest.raises(InputError, match=match):
        read_scene(folder)


def test_another_model_is_taken_where_the_first_is_missing(folder):
    shutil.move(folder / "sparse" / "0", folder / "sparse" / "1")
    binary(folder / "sparse" / "1")
    assert len(read_scene(folder)) == 3
