"""The surface of a field, as a mesh: marching over the cells of a grid.

Every cell is cut into six tetrahedra around one diagonal, the same way everywhere, so that
neighbors agree on their common face and the mesh has no holes. A tetrahedron has only two cases:
one corner apart (a triangle), or two and two (a quadrangle).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
import torch.nn.functional as F

from dreamsampler.cancel import check_canceled
from dreamsampler.files import OutputError, write_whole
from dreamsampler.generators.field.camera import Y_UP
from dreamsampler.generators.field.grid import Grid

FLOAT, UNSIGNED = 5126, 5125
VERTICES, INDICES = 34962, 34963
JSON, BINARY = b"JSON", b"BIN\0"
DULL: Final = {"metallicFactor": 0.0, "roughnessFactor": 1.0}


@final
@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in space, counterclockwise from outside.

    Args:
        vertices: (v, 3), float64.
        faces: (f, 3), int64.
        colors: (v, 3) RGB in [0, 1], or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None = None

    def save(self, path: str | Path) -> None:
        """Write the mesh as .glb (glTF 2.0) or .ply, whole or not at all.

        Raises:
            OutputError: another suffix, or a place that takes no file.
        """
        formats = {".glb": lambda: glb(self), ".ply": self.ply}
        suffix = Path(path).suffix.lower()
        if suffix not in formats:
            raise OutputError(f"{path} is no mesh file: name it {Path(path).stem}.glb or .ply")
        write_whole(path, formats[suffix]())

    def ply(self) -> bytes:
        """The mesh as a binary PLY file, with 8-bit colors per vertex.

        Source: Turk, "The PLY polygon file format", 1994.
        """
        colored = self.colors is not None
        fields = [(n, "<f4") for n in "xyz"] + [
            (n, "u1") for n in ("red", "green", "blue")
        ] * colored
        vertices = np.zeros(len(self.vertices), fields)
        for i, name in enumerate("xyz"):
            vertices[name] = self.vertices[:, i]
        if self.colors is not None:
            samples = np.round(np.clip(self.colors, 0, 1) * 255)
            for i, name in enumerate(("red", "green", "blue")):
                vertices[name] = samples[:, i]
        faces = np.zeros(len(self.faces), [("n", "u1"), ("v", "<i4", 3)])
        faces["n"], faces["v"] = 3, self.faces
        kinds = {"<f4": "float", "u1": "uchar"}
        lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
        lines += [f"property {kinds[kind]} {name}" for name, kind in fields]
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        head = "\n".join([*lines, "end_header\n"]).encode()
        return head + vertices.tobytes() + faces.tobytes()


def _tetrahedra() -> np.ndarray:
    """Corners (x, y, z in {0, 1}) of the six tetrahedra of a cell, [6, 4, 3], all right-handed.

    Each is a path from (0, 0, 0) to (1, 1, 1) along the axes, in one of their six orders.
    """
    found = []
    for order in permutations(range(3)):
        corners = np.zeros((4, 3), int)
        for i, axis in enumerate(order):
            corners[i + 1] = corners[i]
            corners[i + 1, axis] = 1
        if np.linalg.det(corners[1:] - corners[0]) < 0:
            corners = corners[[0, 2, 1, 3]]
        found.append(corners)
    return np.array(found)


TETRAHEDRA: Final = _tetrahedra()
ONE_APART: Final = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))
"""The other three corners, in the order in which they appear counterclockwise from the first."""


def isosurface(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a function on a grid passes a level: triangles around what is above it.

    Args:
        values: (x, y, z), finite.
        level: the surface is where the interpolated function equals it.

    Returns:
        Vertices (v, 3) in grid steps, and faces (f, 3), outside counterclockwise.

    Source: Payne & Toga, "Surface mapping brain function on 3D models", 1990; Doi & Koide, 1991
        (marching tetrahedra).
    """
    shape = np.array(values.shape)
    flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    base = np.arange(flat.size).reshape(values.shape)[:-1, :-1, :-1].reshape(-1)
    cells = _mixed(values > level, base)
    edges: list[np.ndarray] = []
    for corners in TETRAHEDRA:
        check_canceled()
        four = cells[:, None] + corners @ strides
        edges += _cut(four, flat[four] > level)
    if not edges or not sum(map(len, edges)):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    triangles = np.sort(np.concatenate(edges), axis=2)  # (f, 3 corners, 2 ends of an edge)
    keys, faces = np.unique(triangles[..., 0] * flat.size + triangles[..., 1], return_inverse=True)
    low, high = keys // flat.size, keys % flat.size
    share = ((level - flat[low]) / (flat[high] - flat[low]))[:, None]
    ends = [np.stack(np.unravel_index(each, values.shape), 1) for each in (low, high)]
    return ends[0] + share * (ends[1] - ends[0]), faces.reshape(-1, 3)


def _mixed(above: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Those cells whose corners are not all on one side."""
    count = np.zeros(tuple(n - 1 for n in above.shape), np.int8)
    for x in (0, 1):
        for y in (0, 1):
            for z in (0, 1):
                count += above[
                    x : above.shape[0] - 1 + x,
                    y : above.shape[1] - 1 + y,
                    z : above.shape[2] - 1 + z,
                ]
    return base[((count > 0) & (count < 8)).reshape(-1)]


def _cut(four: np.ndarray, above: np.ndarray) -> list[np.ndarray]:
    """Triangles of tetrahedra, their corners named by the edges (two grid points) they lie on."""
    count, found = above.sum(1), []
    for alone, others in enumerate(ONE_APART):
        for inside in (True, False):
            rows = (count == (1 if inside else 3)) & (above[:, alone] == inside)
            ends = [np.stack([four[rows, alone], four[rows, k]], 1) for k in others]
            found.append(np.stack(ends if inside else ends[::-1], 1))
    for a, b, c, d in ((0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2)):
        for inside in (True, False):  # a and b on one side, c and d on the other
            rows = (count == 2) & (above[:, a] == inside) & (above[:, b] == inside)
            ac, ad, bc, bd = (
                np.stack([four[rows, i], four[rows, j]], 1)
                for i, j in ((a, c), (a, d), (b, c), (b, d))
            )
            ring = [ac, ad, bd, bc] if inside else [bc, bd, ad, ac]
            found += [np.stack([ring[0], ring[i], ring[i + 1]], 1) for i in (1, 2)]
    return found


@torch.no_grad()
def surface(grid: Grid, opacity: float = 0.5) -> Mesh:
    """The mesh of the surface where the opacity of a voxel passes a level, colored by the field.

    Color that depends on the direction is taken along the inward normal.

    Args:
        grid: the field.
        opacity: of a step of one voxel, inside (0, 1).

    Raises:
        ValueError: an opacity outside.
    """
    if not 0 < opacity < 1:
        raise ValueError(f"opacity is {opacity}: give a number inside (0, 1)")
    level = float(np.log(np.expm1(-np.log1p(-opacity) / (grid.voxel * grid.unit))))
    raw = grid.raw_density.detach().double()
    raw = torch.where(grid.inside(grid.corners()), raw, -1e3)
    padded = F.pad(raw, (1,) * 6, value=-1e3)[0, 0]
    values = padded.clamp(level - 20, level + 20).permute(2, 1, 0).cpu().numpy()
    vertices, faces = isosurface(values, level)
    cells = np.array(grid.size) - 1
    lower, upper = grid.lower.double().cpu().numpy(), grid.upper.double().cpu().numpy()
    places = lower + np.clip(vertices - 1, 0, cells) / cells * (upper - lower)
    looking = -normals(places, faces)
    colors = grid.color(*(torch.from_numpy(x).to(grid.lower) for x in (places, looking)))
    return Mesh(places, faces, colors.double().cpu().numpy())


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals at vertices (v, 3): the mean of their faces', weighted by area."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(total, faces[:, i], face)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def glb(mesh: Mesh) -> bytes:
    """A mesh as a binary glTF file: positions, normals, linear colors per vertex, no lights.

    Colors are emitted light, so the material is unlit (KHR_materials_unlit); viewers without that
    extension shade them once more. An empty mesh becomes an empty scene.

    Args:
        mesh: in Blender's axes; it is turned into glTF's, where y is up.

    Source: Khronos, "glTF 2.0 specification", sections 3.7 and 4.4.
    """
    gltf: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "dreamsampler"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "field"}],
    }
    if not len(mesh.faces):
        return _chunks(gltf, b"")
    arrays = {
        "POSITION": mesh.vertices @ Y_UP.T,
        "NORMAL": normals(mesh.vertices, mesh.faces) @ Y_UP.T,
    }
    if mesh.colors is not None:
        arrays["COLOR_0"] = _linear(np.clip(mesh.colors, 0, 1))
    gltf["nodes"][0]["mesh"] = 0
    surface = {"attributes": {name: i for i, name in enumerate(arrays)}, "indices": len(arrays)}
    gltf["meshes"] = [{"primitives": [{**surface, "material": 0}]}]
    gltf["materials"] = [{"extensions": {"KHR_materials_unlit": {}}, "pbrMetallicRoughness": DULL}]
    gltf["extensionsUsed"] = ["KHR_materials_unlit"]
    parts = [(array.astype("<f4"), FLOAT, "VEC3", VERTICES) for array in arrays.values()]
    parts.append((mesh.faces.reshape(-1).astype("<u4"), UNSIGNED, "SCALAR", INDICES))
    return _chunks(gltf | _layout(parts), b"".join(array.tobytes() for array, *_ in parts))


def _layout(parts: list[tuple[np.ndarray, int, str, int]]) -> dict[str, Any]:
    """Where each array lies in the one buffer, and what it holds; the first one has its bounds."""
    views, accessors, place = [], [], 0
    for i, (array, kind, shape, target) in enumerate(parts):
        views.append(
            {"buffer": 0, "byteOffset": place, "byteLength": array.nbytes, "target": target}
        )
        accessor = {"bufferView": i, "componentType": kind, "count": len(array), "type": shape}
        if not i:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        accessors.append(accessor)
        place += array.nbytes
    return {"buffers": [{"byteLength": place}], "bufferViews": views, "accessors": accessors}


def _linear(color: np.ndarray) -> np.ndarray:
    """SRGB to linear light, as COLOR_0 is; IEC 61966-2-1."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def _chunks(gltf: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(gltf, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), JSON) + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), BINARY) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
