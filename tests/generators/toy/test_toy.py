"""Pictures of toys against closed forms: silhouettes, depth, normals, light."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.generators.field.camera import Y_UP, Camera
from dreamsampler.generators.toy import shape as shapes_of_toys
from dreamsampler.generators.toy.scene import Part, Scene, render
from dreamsampler.generators.toy.shape import KINDS, PLANES, TUBE, intersect

RED = (1.0, 0.0, 0.0)


def level(azimuth=0.0, elevation=0.0, distance=5.0, size=64):
    return Camera.orbit(azimuth, elevation, distance, field_of_view=40, size=(size, size))


def far(elevation=0.0, size=96):
    return Camera.orbit(0, elevation, 4000, field_of_view=0.04, size=(size, size))


def place_and_rays(camera):
    """The pinhole and the rays, in the axes of toys."""
    return Y_UP @ camera.position, camera.rays()[1].numpy() @ Y_UP.T


def covered(part, camera):
    """The area of the silhouette in pixels."""
    return float(render(Scene((part,)), camera, samples=4).alpha.sum())


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (70, 35), (200, -20), (10, 90)])
def test_a_centered_ball_is_a_disk(azimuth, elevation):
    """From distance d a ball of radius r is a disk of radius f r / sqrt(d^2 - r^2) pixels."""
    camera = level(azimuth, elevation, size=96)
    radius = camera.focal[0] / np.sqrt(5.0**2 - 1)
    seen = covered(Part("sphere", (0, 0, 0), (1, 1, 1), RED), camera)
    assert seen == pytest.approx(np.pi * radius**2, rel=5e-3)


@pytest.mark.parametrize("azimuth", [0, 90, 180, 270])
def test_a_cube_from_its_side_is_the_square_of_its_near_face(azimuth):
    """The near face is at distance d - 1, 2 f / (d - 1) pixels wide, and hides the others."""
    camera = level(azimuth, size=96)
    side = 2 * camera.focal[0] / (5 - 1)
    seen = covered(Part("cube", (0, 0, 0), (1, 1, 1), RED), camera)
    assert seen == pytest.approx(side**2, rel=1e-2)


def test_silhouettes_from_very_far_are_orthographic():
    """Area in world units: f -> d pixels per unit; each closed form is that of the shadow."""
    camera = far()
    unit = (camera.focal[0] / 4000) ** 2
    expected = {
        "sphere": np.pi,
        "cube": 4,
        "cylinder": 4,
        "cone": 2,
        "pyramid": 2,
        "prism": 2,
        "torus": 2 * (1 - TUBE) * 2 * TUBE + np.pi * TUBE**2,
    }
    assert set(expected) == set(KINDS)
    for kind, area in expected.items():
        seen = covered(Part(kind, (0, 0, 0), (1, 1, 1), RED), camera) / unit
        assert seen == pytest.approx(area, rel=1e-2), kind


def test_a_torus_from_above_is_a_ring():
    camera = far(90)
    unit = (camera.focal[0] / 4000) ** 2
    seen = covered(Part("torus", (0, 0, 0), (1, 1, 1), RED), camera) / unit
    assert seen == pytest.approx(np.pi * (1 - (1 - 2 * TUBE) ** 2), rel=1e-2)


def implicit(kind, p):
    """Zero on the unit shape's surface, negative inside."""
    x, y, z = p.T
    if kind == "sphere":
        return np.linalg.norm(p, axis=1) - 1
    if kind == "torus":
        return np.hypot(np.hypot(x, z) - (1 - TUBE), y) - TUBE
    if kind in PLANES:
        return (p @ PLANES[kind].T - shapes_of_toys.OFFSETS[kind]).max(1)
    radius = 1 - 0.5 * (1 + y) if kind == "cone" else 1.0
    return np.maximum(np.hypot(x, z) - radius, np.abs(y) - 1)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(azimuth=st.floats(-720, 720), elevation=st.floats(-90, 90))
def test_hits_lie_on_the_surface_and_normals_face_the_camera(kind, azimuth, elevation):
    place, rays = place_and_rays(level(azimuth, elevation, distance=4, size=24))
    rays = rays * 1.7
    t, normal = intersect(kind, place, rays)
    hit = np.isfinite(t)
    assert hit.any()
    points = place + t[hit, None] * rays[hit]
    assert np.abs(implicit(kind, points)).max() < 2e-3
    assert ((normal[hit] * rays[hit]).sum(1) <= (0.02 if kind == "torus" else 1e-6)).all()
    for share in (0.25, 0.5, 0.75, 0.97):  # nothing of the shape lies before the hit
        before = place + share * t[hit, None] * rays[hit]
        assert (implicit(kind, before) > -1e-3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_normals_are_gradients_of_the_surface(kind):
    place, rays = place_and_rays(level(33, 21, distance=4, size=16))
    t, normal = intersect(kind, place, rays)
    hit = np.isfinite(t)
    points = place + t[hit, None] * rays[hit]
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


def test_depth_and_hidden_parts():
    near = Part("cube", (0, 0, 1), (0.5, 0.5, 0.5), RED)
    far = Part("sphere", (0, 0, -1), (0.4, 0.4, 0.4), (0, 0, 1))
    front, back = (render(Scene((far, near)), level(a)) for a in (0, 180))
    assert front.depth[32, 32] == pytest.approx(5 - 1.5, abs=1e-2)
    assert back.depth[32, 32] == pytest.approx(5 - 1.4, abs=1e-2)
    assert front.picture[32, 32].argmax() == 0 and back.picture[32, 32].argmax() == 2
    assert np.isinf(front.depth[0, 0]) and front.alpha[0, 0] == 0


def test_a_turned_part_is_the_scene_seen_from_elsewhere():
    """Turning a part by b about y shows what a camera at azimuth a - b sees of it unturned."""
    size = (0.5, 0.4, 0.9)
    turned = Scene((Part("prism", (0, 0, 0), size, RED, (0, 25, 0)),))
    plain = Scene((Part("prism", (0, 0, 0), size, RED),))
    one, other = render(turned, level(60, 20)), render(plain, level(35, 20))
    assert np.abs(one.alpha - other.alpha).max() < 1e-6
    assert np.allclose(one.depth, other.depth, atol=1e-5)


def test_matte_light_does_not_move_with_the_camera():
    """Without shine, one point has the same color from everywhere: what a radiance field needs."""
    scene = Scene((Part("sphere", (0, 0, 0), (1, 1, 1), (0.6, 0.5, 0.4)),), shine=0)
    point, colors = torch.tensor([[0.0, -0.8, 0.6]], dtype=torch.float64), []
    for angles in ((0, 20), (30, 45), (-30, 10)):
        camera = level(*angles, size=256)
        row, column = camera.project(point)[0]
        colors.append(render(scene, camera, 1).picture[int(row), int(column)])
    assert np.abs(np.array(colors) - colors[0]).max() < 0.01
    shiny = Scene(scene.parts, shine=0.5)
    assert np.abs(render(shiny, level(0)).picture - render(scene, level(0)).picture).max() > 0.1


def test_nothing_is_a_plain_background_and_shadows_only_darken():
    plain = Scene((), (0.2, 0.4, 0.6))
    assert np.allclose(render(plain, level(size=16)).picture, (0.2, 0.4, 0.6), atol=1e-6)
    ball = (Part("sphere", (0, 1, 0), (1, 1, 1), RED),)
    camera = Camera.orbit(0, 25, 5.0, target=(0, 0, 0.8), size=(64, 64))
    bare, shaded = (render(Scene(ball, shadow=s), camera) for s in (0.0, 0.5))
    darker = bare.picture - shaded.picture
    assert darker.min() > -1e-6 and darker.max() > 0.2
    assert np.abs(darker[shaded.alpha == 1]).max() == 0


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="shape is 'blob': choose one of sphere"):
        Part("blob", (0, 0, 0), (1, 1, 1), RED)
    with pytest.raises(ValueError, match="three positive half extents"):
        Part("cube", (0, 0, 0), (1, 0, 1), RED)
    with pytest.raises(ValueError, match="increase distance"):
        render(Scene((Part("cube", (0, 0, 0), (1, 1, 1), RED),)), level(distance=1.2))
