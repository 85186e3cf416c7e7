"""Pictures of 3D objects against closed forms: silhouettes, cameras, depth, words."""

import doctest
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsampler.generators.toy import camera as objects_camera
from dreamsampler.generators.toy import scene as objects
from dreamsampler.generators.toy import shape as objects_shapes
from dreamsampler.generators.toy.camera import VIEWS, Camera, view_word
from dreamsampler.generators.toy.scene import Part, Scene, render
from dreamsampler.generators.toy.shape import KINDS, PLANES, TUBE, intersect
from training.data import catalog as objects_catalog
from training.data.captions import BACKGROUNDS, object_caption
from training.data.objects import draw_camera, picture, sample

RED = (1.0, 0.0, 0.0)
ANGLES = st.floats(-720, 720)
HEIGHTS = st.floats(-90, 90)


def level(azimuth=0.0, elevation=0.0, distance=5.0, at=(0.0, 0.0, 0.0)):
    return Camera(azimuth, elevation, distance, field_of_view=40, target=at)


def covered(part, camera, size=96):
    """The area of the silhouette in pixels."""
    return float(render(Scene((part,)), camera, size, samples=4).alpha.sum())


@pytest.mark.parametrize("module", [objects, objects_camera, objects_shapes])
def test_examples_run(module):
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (70, 35), (200, -20), (10, 90)])
def test_a_centered_ball_is_a_disk(azimuth, elevation):
    """From distance d a ball of radius r is a disk of radius f r / sqrt(d^2 - r^2) pixels."""
    camera = level(azimuth, elevation)
    radius = camera.focal(96) / np.sqrt(5.0**2 - 1)
    seen = covered(Part("sphere", (0, 0, 0), (1, 1, 1), RED), camera)
    assert seen == pytest.approx(np.pi * radius**2, rel=5e-3)


@pytest.mark.parametrize("azimuth", [0, 90, 180, 270])
def test_a_cube_from_its_side_is_the_square_of_its_near_face(azimuth):
    """The near face is at distance d - 1, 2 f / (d - 1) pixels wide, and hides the others."""
    camera = level(azimuth)
    side = 2 * camera.focal(96) / (5 - 1)
    seen = covered(Part("cube", (0, 0, 0), (1, 1, 1), RED), camera)
    assert seen == pytest.approx(side**2, rel=1e-2)


def test_silhouettes_from_very_far_are_orthographic():
    """Area in world units: f -> d pixels per unit; each closed form is that of the shadow."""
    far = Camera(0, 0, 4000, field_of_view=0.04, target=(0, 0, 0))
    unit = (far.focal(160) / 4000) ** 2
    wanted = {
        "sphere": np.pi,
        "cube": 4,
        "cylinder": 4,
        "cone": 2,
        "pyramid": 2,
        "prism": 2,
        "torus": 2 * (1 - TUBE) * 2 * TUBE + np.pi * TUBE**2,
    }
    assert set(wanted) == set(KINDS)
    for kind, area in wanted.items():
        seen = covered(Part(kind, (0, 0, 0), (1, 1, 1), RED), far, size=160) / unit
        assert seen == pytest.approx(area, rel=1e-2), kind


def test_a_torus_from_above_is_a_ring():
    far = Camera(0, 90, 4000, field_of_view=0.04, target=(0, 0, 0))
    unit = (far.focal(160) / 4000) ** 2
    seen = covered(Part("torus", (0, 0, 0), (1, 1, 1), RED), far, size=160) / unit
    assert seen == pytest.approx(np.pi * (1 - (1 - 2 * TUBE) ** 2), rel=1e-2)


def implicit(kind, p):
    """Zero on the unit shape's surface, negative inside."""
    x, y, z = p.T
    if kind == "sphere":
        return np.linalg.norm(p, axis=1) - 1
    if kind == "torus":
        return np.hypot(np.hypot(x, z) - (1 - TUBE), y) - TUBE
    if kind in PLANES:
        return (p @ PLANES[kind].T - objects_shapes.OFFSETS[kind]).max(1)
    radius = 1 - 0.5 * (1 + y) if kind == "cone" else 1.0
    return np.maximum(np.hypot(x, z) - radius, np.abs(y) - 1)


@pytest.mark.parametrize("kind", KINDS)
@given(azimuth=ANGLES, elevation=HEIGHTS)
def test_hits_lie_on_the_surface_and_normals_look_at_the_camera(kind, azimuth, elevation):
    camera = level(azimuth, elevation, distance=4)
    rays = camera.directions(24).reshape(-1, 3) * 1.7
    t, normal = intersect(kind, camera.position(), rays)
    hit = np.isfinite(t)
    assert hit.any()
    points = camera.position() + t[hit, None] * rays[hit]
    assert np.abs(implicit(kind, points)).max() < 2e-3
    assert ((normal[hit] * rays[hit]).sum(1) <= (0.02 if kind == "torus" else 1e-6)).all()
    for share in (0.25, 0.5, 0.75, 0.97):  # nothing of the shape lies before the hit
        before = camera.position() + share * t[hit, None] * rays[hit]
        assert (implicit(kind, before) > -1e-3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_normals_are_gradients_of_the_surface(kind):
    camera = level(33, 21, distance=4)
    rays = camera.directions(16).reshape(-1, 3)
    t, normal = intersect(kind, camera.position(), rays)
    hit = np.isfinite(t)
    points = camera.position() + t[hit, None] * rays[hit]
    slope = np.stack(
        [
            (implicit(kind, points + h) - implicit(kind, points - h)) / 2e-4
            for h in 1e-4 * np.eye(3)
        ],
        axis=1,
    )
    smooth = np.linalg.norm(slope, axis=1) > 0.5
    unit = normal[hit] / np.linalg.norm(normal[hit], axis=1, keepdims=True)
    slope = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    agree = (unit * slope).sum(1)[smooth]
    assert (agree > 0.99).mean() > 0.9  # all but the points next to an edge


@given(azimuth=ANGLES, elevation=HEIGHTS, distance=st.floats(3, 20))
def test_a_point_is_drawn_where_the_camera_projects_it(azimuth, elevation, distance):
    camera = Camera(azimuth, elevation, distance, target=(0.3, 0.8, -0.2))
    axes = camera.axes()
    assert np.allclose(axes @ axes.T, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1)
    rays = camera.directions(8)
    points = camera.position() + 2.5 * rays.reshape(-1, 3)
    rows, columns = np.mgrid[0:8, 0:8] + 0.5
    assert np.allclose(camera.project(points, 8), np.stack([rows.ravel(), columns.ravel()], -1))
    assert np.allclose(camera.project(np.array([camera.target]), 8), 4)


def test_where_front_left_and_up_are():
    """Azimuth 0 looks at +z with +x to the right; azimuth 90 stands at +x."""
    assert np.allclose(level(0).position(), (0, 0, 5))
    assert np.allclose(level(90).position(), (5, 0, 0))
    assert np.allclose(level(0, 90).position(), (0, 5, 0))
    for azimuth, point, column in ((0, (1, 0, 0), 1), (90, (0, 0, 1), -1), (180, (1, 0, 0), -1)):
        row, seen = level(azimuth).project(np.array([point]), 100)[0]
        assert row == pytest.approx(50) and np.sign(seen - 50) == column
    assert level(0).project(np.array([(0, 1, 0)]), 100)[0][0] < 50
    assert level(0, 90).project(np.array([(0, 0, 1)]), 100)[0][0] > 50  # the front points down


@given(azimuth=ANGLES, elevation=HEIGHTS)
def test_the_matrix_is_that_of_a_camera_in_blenders_axes(azimuth, elevation):
    """Front at -y, z up; the columns are right, up and backward."""
    camera = Camera(azimuth, elevation, 3, target=(0.1, 0.8, 0.2))
    matrix = camera.matrix()
    a, e = np.deg2rad([azimuth, elevation])
    away = np.array([np.cos(e) * np.sin(a), -np.cos(e) * np.cos(a), np.sin(e)])
    assert np.allclose(matrix[:3, 2], away)
    assert np.allclose(matrix[:3, 3], np.array([0.1, -0.2, 0.8]) + 3 * away)
    assert np.allclose(matrix[2, 0], 0) and matrix[2, 1] > -1e-9  # upright
    assert np.allclose(matrix[:3, :3].T @ matrix[:3, :3], np.eye(3))
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)


def test_depth_and_hidden_parts():
    near = Part("cube", (0, 0, 1), (0.5, 0.5, 0.5), RED)
    far = Part("sphere", (0, 0, -1), (0.4, 0.4, 0.4), (0, 0, 1))
    front, back = (render(Scene((far, near)), level(a), 64) for a in (0, 180))
    assert front.depth[32, 32] == pytest.approx(5 - 1.5, abs=1e-2)
    assert back.depth[32, 32] == pytest.approx(5 - 1.4, abs=1e-2)
    assert front.picture[32, 32].argmax() == 0 and back.picture[32, 32].argmax() == 2
    assert np.isinf(front.depth[0, 0]) and front.alpha[0, 0] == 0


def test_a_turned_part_is_the_scene_seen_from_elsewhere():
    """Turning a part by b about y shows what a camera at azimuth a - b sees of it unturned."""
    size = (0.5, 0.4, 0.9)
    turned = Scene((Part("prism", (0, 0, 0), size, RED, (0, 25, 0)),))
    plain = Scene((Part("prism", (0, 0, 0), size, RED),))
    one, other = render(turned, level(60, 20), 64), render(plain, level(35, 20), 64)
    assert np.abs(one.alpha - other.alpha).max() < 1e-6
    assert np.allclose(one.depth, other.depth, atol=1e-5)


def test_matte_light_does_not_move_with_the_camera():
    """Without shine, one point has the same color from everywhere: what a radiance field needs."""
    scene = Scene((Part("sphere", (0, 0, 0), (1, 1, 1), (0.6, 0.5, 0.4)),), shine=0)
    point, colors = np.array([[0.0, 0.6, 0.8]]), []
    for camera in (level(0, 20), level(30, 45), level(-30, 10)):
        row, column = camera.project(point, 256)[0]
        colors.append(render(scene, camera, 256, 1).picture[int(row), int(column)])
    assert np.abs(np.array(colors) - colors[0]).max() < 0.01
    shiny = Scene(scene.parts, shine=0.5)
    assert (
        np.abs(render(shiny, level(0), 64).picture - render(scene, level(0), 64).picture).max()
        > 0.1
    )


def test_nothing_is_a_plain_background_and_shadows_only_darken():
    plain = Scene((), (0.2, 0.4, 0.6))
    assert np.allclose(render(plain, level(), 16).picture, (0.2, 0.4, 0.6), atol=1e-6)
    ball = (Part("sphere", (0, 1, 0), (1, 1, 1), RED),)
    camera = Camera(0, 25)
    bare, shaded = (render(Scene(ball, shadow=s), camera, 64) for s in (0.0, 0.5))
    darker = bare.picture - shaded.picture
    assert darker.min() > -1e-6 and darker.max() > 0.2
    assert np.abs(darker[shaded.alpha == 1]).max() == 0


@pytest.mark.parametrize(
    ("azimuth", "elevation", "word"),
    [
        *((0, 0, 0), (44, 59, 0), (-44, 0, 0), (359, 5, 0)),
        *((46, 0, 1), (270, 0, 1)),
        *((136, 0, 2), (180, 10, 2), (-180, -10, 2)),
        *((0, 60, 3), (180, 90, 3)),
    ],
)
def test_views_have_the_words_of_the_convention(azimuth, elevation, word):
    assert view_word(azimuth, elevation) == VIEWS[word]


def test_equal_seeds_give_equal_pictures():
    one, label = picture(7)
    again, same = picture(7)
    other, _ = picture(8)
    assert np.array_equal(one, again) and label == same and not np.array_equal(one, other)


@given(seed=st.integers(0, 10**9))
def test_labels_and_captions_name_what_is_there(seed):
    scene, camera, label = sample(seed)
    assert label["view"] == camera.view() and Camera(**label["camera"]) == camera
    assert label["background"] not in label["words"].split(" ")
    named = [c for c in objects_catalog.COLORS if c in label["words"].split(" ")]
    shown = {part.color for part in scene.parts}
    assert named and all(objects_catalog.COLORS[c] in shown for c in named)
    near = np.array(BACKGROUNDS[label["background"]][0]) / 255
    assert np.abs(np.array(scene.background) - near).max() < 0.026
    text = object_caption(label, random.Random(seed))
    assert label["words"] in text
    said = [view for view in VIEWS if view in text]
    assert said in ([], [label["view"]])
    assert "background" not in text or f"{label['background']} " in text


@given(seed=st.integers(0, 10**9))
def test_things_stand_on_the_ground_inside_the_picture(seed):
    scene, camera, _ = sample(seed)
    for part in scene.parts:
        reach = np.abs(part.rotation()) @ np.array(part.size)
        if part.kind == "torus":
            reach = np.abs(part.rotation()) @ (np.array(part.size) * (1, TUBE, 1))
        assert part.at[1] - reach[1] > -0.06
    border = render(scene, camera, 48, samples=1).alpha
    border[1:-1, 1:-1] = 0
    assert border.max() == 0


def test_every_view_and_every_kind_of_thing_is_drawn():
    rng = random.Random(0)
    views = [draw_camera(rng).view() for _ in range(600)]
    assert all(0.15 < views.count(view) / 600 < 0.4 for view in VIEWS)
    words = " ".join(sample(seed)[2]["words"] for seed in range(400))
    for name in (*objects_catalog.SHAPES, "capsule", "house", "car", "rocket", "duck", "mug"):
        assert name in words


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="shape is 'blob': choose one of sphere"):
        Part("blob", (0, 0, 0), (1, 1, 1), RED)
    with pytest.raises(ValueError, match="three positive half extents"):
        Part("cube", (0, 0, 0), (1, 0, 1), RED)
    with pytest.raises(ValueError, match="elevation is 91"):
        Camera(0, 91)
    with pytest.raises(ValueError, match="distance is 0"):
        Camera(0, 0, 0)
    with pytest.raises(ValueError, match="increase distance"):
        render(Scene((Part("cube", (0, 0, 0), (1, 1, 1), RED),)), level(distance=1.2), 8)
