import json
import math
import struct
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open

from dreamsampler.files import InputError
from dreamsampler.generators.field import (
    Grid,
    Mesh,
    glb,
    isosurface,
    load_field,
    save_field,
    surface,
)


def corners(mesh):
    return (mesh.vertices[mesh.faces[:, i]] for i in range(3))


def area(mesh):
    a, b, c = corners(mesh)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def volume(mesh):
    """By the divergence theorem."""
    a, b, c = corners(mesh)
    return (a * np.cross(b, c)).sum() / 6


def distance(n=24, middle=11.3):
    at = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1) - middle
    return np.linalg.norm(at, axis=-1)


def directed_edges(faces):
    return Counter(map(tuple, np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)])))


def closed_and_oriented(faces):
    """Every edge belongs to two triangles, which run along it in opposite directions."""
    edges = directed_edges(faces)
    return all(n == 1 and edges[b, a] == 1 for (a, b), n in edges.items())


def test_a_sphere():
    """Closed, of Euler characteristic 2, and of its area and volume."""
    vertices, faces = isosurface(8 - distance(), 0.0)
    mesh = Mesh(vertices, faces)
    assert closed_and_oriented(faces)
    assert len(vertices) - len(directed_edges(faces)) // 2 + len(faces) == 2
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * 8**3, rel=0.01)
    assert area(mesh) == pytest.approx(4 * math.pi * 8**2, rel=0.01)
    assert np.abs(np.linalg.norm(vertices - 11.3, axis=1) - 8).max() < 0.05


def test_a_torus_has_a_hole():
    x, y, z = np.meshgrid(*[np.arange(25.0) - 12.1] * 3, indexing="ij")
    _, faces = isosurface(3.0 - np.hypot(np.hypot(x, y) - 7, z), 0.0)
    assert closed_and_oriented(faces)
    assert faces.max() + 1 - len(directed_edges(faces)) // 2 + len(faces) == 0


@settings(max_examples=30)
@given(hnp.arrays(np.float64, (4, 3, 5), elements=st.floats(-1, 1)))
def test_anything_that_does_not_touch_the_rim_is_closed(values):
    level = 0.01234567
    values = np.where(np.abs(values - level) < 1e-6, 0.5, values)
    _, faces = isosurface(np.pad(values, 1, constant_values=-1.0), level)
    assert closed_and_oriented(faces)


def test_nothing_has_no_surface():
    vertices, faces = isosurface(np.zeros((3, 3, 3)), 0.5)
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)
    assert len(surface(Grid((4, 4, 4))).faces) == 0


def ball():
    grid = Grid((33, 25, 29), ((-1.0, -0.5, -0.7), (1.0, 1.0, 0.9)), degree=1)
    at = grid.corners()
    with torch.no_grad():
        grid.raw_density.copy_(80 * (0.45 - (at - torch.tensor([0.1, 0.2, 0.1])).norm(dim=-1)))
        grid.raw_color[:, 0] = 4.0
    return grid


def test_the_surface_of_a_field_is_in_world_coordinates_and_colored():
    mesh = surface(ball())
    away = np.linalg.norm(mesh.vertices - [0.1, 0.2, 0.1], axis=1)
    assert closed_and_oriented(mesh.faces)
    assert away.min() > 0.4 and away.max() < 0.47 and np.ptp(away) < 0.01
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * away.mean() ** 3, rel=0.02)
    assert mesh.colors.shape == mesh.vertices.shape
    assert mesh.colors[:, 0].min() > 0.97 and np.allclose(mesh.colors[:, 1:], 0.5)


def test_what_reaches_the_rim_is_closed_there():
    grid = Grid((5, 5, 5))
    with torch.no_grad():
        grid.raw_density.fill_(9.0)
    mesh = surface(grid)
    assert closed_and_oriented(mesh.faces) and volume(mesh) == pytest.approx(8, rel=1e-6)


def test_a_ply_file_holds_the_mesh():
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]), np.array([[1.0, 0, 0], [0, 0.5, 0], [0, 0, 2]]))
    head, _, body = mesh.ply().partition(b"end_header\n")
    assert b"element vertex 3" in head and b"element face 1" in head and b"uchar red" in head
    vertices = np.frombuffer(body[: 3 * 15], [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    assert (vertices["xyz"] == np.eye(3)).all()
    assert vertices["rgb"].tolist() == [[255, 0, 0], [0, 128, 0], [0, 0, 255]]
    assert body[45:46] == b"\3" and np.frombuffer(body[46:], "<i4").tolist() == [0, 1, 2]
    assert b"red" not in Mesh(np.eye(3), np.array([[0, 1, 2]])).ply()


@pytest.mark.parametrize("opacity", [0.0, 1.0, math.nan])
def test_no_surface_is_where_nothing_or_everything_is_opaque(opacity):
    with pytest.raises(ValueError, match="inside"):
        surface(Grid((3, 3, 3)), opacity)


def test_a_field_comes_back_from_its_file(tmp_path):
    grid = ball()
    grid.unit = 12.5
    save_field(tmp_path / "field.safetensors", grid, {"prompt": "a ball"})
    found = load_field(tmp_path / "field.safetensors")
    assert (found.box, found.degree, found.unit) == (grid.box, 1, 12.5)
    at = torch.rand(9, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found.density(at), grid.density(at))
    assert torch.equal(found.color(at, at), grid.color(at, at))


def test_a_ball_bounds_the_mesh_and_comes_back_from_the_file(tmp_path):
    grid = Grid((21, 21, 21), ball=((0.0, 0.0, 0.0), 0.6))
    with torch.no_grad():
        grid.raw_density.fill_(9.0)
    save_field(tmp_path / "field.safetensors", grid)
    found = load_field(tmp_path / "field.safetensors")
    assert found.ball == grid.ball
    for each in (grid, found):
        reach = np.linalg.norm(surface(each).vertices, axis=1)
        assert reach.min() > 0.5 and reach.max() < 0.75


def test_files_that_are_no_field(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="holds no field"):
        load_field(tmp_path / "other.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    for name in ("bad.safetensors", "gone.safetensors"):
        with pytest.raises(InputError, match="cannot be read"):
            load_field(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ball", "{"),
        ("ball", "[1]"),
        ("ball", '[["a", 0, 0], 1]'),
        ("ball", "[[0, 0], 1]"),
        ("ball", "[[0, 0, 0], -1]"),
        ("ball", "[[0, 0, 0], NaN]"),
        ("ball", "[" * 100_000),
        ("box", None),
        ("box", "{}"),
        ("box", "[[0, 0, 0], [1, 1]]"),
        ("box", "[[1, 1, 1], [0, 0, 0]]"),
        ("degree", "two"),
        ("degree", "7"),
        ("degree", "0"),  # a whole number, but not that of the colors
        ("unit", "inf"),
        ("unit", "0"),
        ("unit", None),
    ],
)
def test_a_field_whose_metadata_are_damaged_is_one_line(tmp_path, name, value):
    from safetensors.torch import load_file, save_file

    path = tmp_path / "field.safetensors"
    save_field(path, ball())
    with safe_open(path, "pt") as file:
        content = {**file.metadata(), name: value}
    save_file(load_file(path), path, {k: v for k, v in content.items() if v is not None})
    with pytest.raises(InputError, match="is damaged") as refused:
        load_field(path)
    assert len(str(refused.value).splitlines()) == 1 and len(str(refused.value)) < 300


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (1, 1, 3, 3, 1), (2, 1, 3, 3, 3)])
def test_a_field_of_another_shape_is_one_line(tmp_path, shape):
    from safetensors.torch import load_file, save_file

    path = tmp_path / "field.safetensors"
    save_field(path, ball())
    with safe_open(path, "pt") as file:
        content = file.metadata()
    save_file({**load_file(path), "raw_density": torch.zeros(shape)}, path, content)
    with pytest.raises(InputError, match="is damaged"):
        load_field(path)


def test_a_glb_file_holds_the_same_mesh_with_y_up():
    """Read back by its own table of contents; colors are linear light."""
    colors = np.array([[1.0, 0, 0], [0, 0.5, 0], [0, 0, 1.0]])
    mesh = Mesh(np.array([[1.0, 2, 3], [4, 5, 6], [0, -1, 2]]), np.array([[0, 1, 2]]), colors)
    data = glb(mesh)
    magic, version, length, size = struct.unpack_from("<4sIII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data)) and len(data) % 4 == 0
    content, body = json.loads(data[20 : 20 + size]), data[28 + size :]
    (primitive,) = content["meshes"][0]["primitives"]

    def array(index):
        accessor = content["accessors"][index]
        view = content["bufferViews"][accessor["bufferView"]]
        kind = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
        part = body[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(part, kind).reshape(accessor["count"], -1)

    places = array(primitive["attributes"]["POSITION"])
    assert places.tolist() == [[1, 3, -2], [4, 6, -5], [0, 2, 1]]
    assert content["accessors"][0]["min"] == places.min(0).tolist()
    assert array(primitive["indices"])[:, 0].tolist() == [0, 1, 2]
    linear = array(primitive["attributes"]["COLOR_0"])
    assert linear.max(1) == pytest.approx([1, 0.2140, 1], abs=1e-4)
    normal = array(primitive["attributes"]["NORMAL"])[0]
    face = np.cross(places[1] - places[0], places[2] - places[0])
    assert normal == pytest.approx(face / np.linalg.norm(face), abs=1e-6)
    assert content["buffers"][0]["byteLength"] == len(body)


def test_an_empty_mesh_is_an_empty_glb_scene():
    data = glb(surface(Grid((4, 4, 4))))
    content = json.loads(data[20:])
    assert "meshes" not in content and struct.unpack_from("<I", data, 8)[0] == len(data)
