import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.generators.field import Camera, view_word
from dreamsampler.generators.field.camera import VIEWS, check_matrix

IDENTITY = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 3], [0, 0, 0, 1]]


def camera(matrix=IDENTITY, size=(6, 8), focal=(10.0, 10.0)):
    return Camera(matrix, focal, (size[1] / 2, size[0] / 2), size)


def test_opengl_axes():
    """At (0, 0, 3), unturned: it looks along -z, columns go along +x, rows along -y."""
    origins, directions = camera().rays()
    rays = directions.view(6, 8, 3)
    assert origins.unique(dim=0).tolist() == [[0, 0, 3]]
    assert (rays[..., 2] < 0).all()
    assert (rays[0, :, 0].diff() > 0).all() and (rays[:, 0, 1].diff() < 0).all()
    expected = torch.tensor([0.5 / 10, -0.5 / 10, -1.0], dtype=torch.float64)
    torch.testing.assert_close(rays[3, 4], expected / expected.norm())


@settings(max_examples=30)
@given(
    st.floats(-179, 179),
    st.floats(-85, 85),
    st.floats(0.5, 20),
    st.tuples(*[st.floats(-3, 3)] * 3),
)
def test_an_orbit_has_its_position_and_its_target_in_the_middle(a, e, distance, target):
    found = Camera.orbit(a, e, distance, target=target, size=(10, 20))
    azimuth, elevation = found.angles(target)
    assert azimuth == pytest.approx(a, abs=1e-6) and elevation == pytest.approx(e, abs=1e-6)
    assert math.dist(found.position, target) == pytest.approx(distance, abs=1e-9)
    where = found.project(torch.tensor([target], dtype=torch.float64))
    torch.testing.assert_close(where, torch.tensor([[5.0, 10.0]], dtype=torch.float64))
    above = torch.tensor([target], dtype=torch.float64) + torch.tensor([0, 0, 0.1])
    assert found.project(above)[0, 0] < 5, "up is up in the picture"


@settings(max_examples=30)
@given(st.floats(-180, 180), st.floats(-90, 90), st.integers(1, 9), st.integers(1, 9))
def test_a_point_on_a_ray_is_projected_to_its_pixel(azimuth, elevation, height, width):
    found = Camera.orbit(azimuth, elevation, 3.0, size=(height, width))
    origins, directions = found.rays()
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    middle = torch.stack([rows, columns], -1).reshape(-1, 2) + 0.5
    torch.testing.assert_close(found.project(origins + 2.5 * directions), middle.double())


def test_the_front_is_at_minus_y_and_the_words_follow():
    """A camera in front sees +x to its right; the one at azimuth 90 stands at +x."""
    front = Camera.orbit(0, 0, 4.0, size=(8, 8))
    assert front.position == pytest.approx((0, -4, 0))
    right = front.project(torch.tensor([[1.0, 0, 0]], dtype=torch.float64))
    assert right[0, 1] > 4
    words = [Camera.orbit(a, 10, 4.0).view() for a in (0, 90, 180, 270)]
    assert words == ["front view", "side view", "back view", "side view"]
    assert Camera.orbit(0, 90, 4.0).view() == "overhead view"


@settings(max_examples=30)
@given(st.floats(-720, 720), st.floats(-90, 59.9))
def test_view_words_do_not_care_for_whole_turns_nor_for_mirrors(azimuth, elevation):
    word = view_word(azimuth, elevation)
    for same in (azimuth + 360, -azimuth):
        edge = min(abs(abs((same + 180) % 360 - 180) - x) for x in (45, 135))
        assert view_word(same, elevation) == word or edge < 1e-9


def test_views_have_the_words_of_the_convention():
    for azimuth, elevation, word in (
        *((0, 0, 0), (44, 59, 0), (-44, 0, 0), (359, 5, 0), (46, 0, 1), (270, 0, 1)),
        *((136, 0, 2), (180, 10, 2), (-180, -10, 2), (0, 60, 3), (180, 90, 3)),
    ):
        assert view_word(azimuth, elevation) == VIEWS[word]


def test_points_behind_a_camera_are_nowhere():
    assert camera().project(torch.tensor([[0.0, 0.0, 4.0]])).isnan().all()


def test_another_size_sees_the_same():
    small, large = camera(size=(6, 8)), camera(size=(6, 8)).resized((12, 24))
    points = torch.tensor([[0.1, 0.2, 0.5]], dtype=torch.float64)
    scale = torch.tensor([2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(large.project(points), small.project(points) * scale)


def turned(change):
    matrix = torch.tensor(IDENTITY)
    change(matrix)
    return matrix.tolist()


def put(row, column, value):
    return turned(lambda m: m.__setitem__((row, column), value))


@pytest.mark.parametrize(
    ("matrix", "what"),
    [
        (put(0, 0, -1.0), "mirrors"),
        (put(0, 0, 2.0), "not orthonormal"),
        (put(0, 1, 0.3), "not orthonormal"),
        (put(1, 3, math.nan), "NaN or infinity"),
        (put(0, 0, math.inf), "NaN or infinity"),
        (put(3, 0, 1.0), "ends in the row"),
        ([[1.0, 0.0], [0.0, 1.0]], "four rows of four"),
        ([[1.0, 0.0], [0.0]], "no table of numbers"),
        ("nonsense", "no table of numbers"),
    ],
)
def test_what_is_no_rigid_motion_is_refused(matrix, what):
    with pytest.raises(ValueError, match=what):
        check_matrix(matrix)


def test_rounded_matrices_are_made_exact():
    exact = Camera.orbit(33, 21, 4.0).matrix
    rounded = [[round(x, 4) for x in row] for row in exact]
    rotation = torch.tensor(check_matrix(rounded), dtype=torch.float64)[:3, :3]
    torch.testing.assert_close(rotation.T @ rotation, torch.eye(3, dtype=torch.float64))
    assert check_matrix(rounded[:3]) == check_matrix(rounded)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: camera(focal=(0.0, 1.0)),
        lambda: camera(focal=(math.nan, 1.0)),
        lambda: camera(size=(0, 4)),
        lambda: Camera.orbit(0, 91, 1.0),
        lambda: Camera.orbit(0, 0, 0.0),
        lambda: Camera.orbit(0, 0, 1.0, field_of_view=180),
    ],
)
def test_cameras_that_see_nothing_are_refused(bad):
    with pytest.raises(ValueError):
        bad()
