"""A mesh as glTF 2.0, which browsers, Blender and game engines open."""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import numpy as np

from dreamsampler.generators.field.camera import Y_UP
from dreamsampler.generators.field.mesh import Mesh, normals

FLOAT, UNSIGNED = 5126, 5125
VERTICES, INDICES = 34962, 34963
JSON, BINARY = b"JSON", b"BIN\0"
DULL: Final = {"metallicFactor": 0.0, "roughnessFactor": 1.0}


def glb(mesh: Mesh) -> bytes:
    """A mesh as a binary glTF file: positions, normals, linear colors per vertex, no lights.

    Colors are what the field radiates, so the material is unlit (KHR_materials_unlit); viewers
    that do not know that shade them once more. An empty mesh becomes an empty scene.

    Args:
        mesh: in Blender's axes; it is turned into glTF's, where y is up.

    Source: Khronos, "glTF 2.0 specification", sections 3.7 and 4.4.
    """
    told: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "dreamsampler"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "field"}],
    }
    if not len(mesh.faces):
        return _chunks(told, b"")
    arrays = {
        "POSITION": mesh.vertices @ Y_UP.T,
        "NORMAL": normals(mesh.vertices, mesh.faces) @ Y_UP.T,
    }
    if mesh.colors is not None:
        arrays["COLOR_0"] = _linear(np.clip(mesh.colors, 0, 1))
    told["nodes"][0]["mesh"] = 0
    surface = {"attributes": {name: i for i, name in enumerate(arrays)}, "indices": len(arrays)}
    told["meshes"] = [{"primitives": [{**surface, "material": 0}]}]
    told["materials"] = [{"extensions": {"KHR_materials_unlit": {}}, "pbrMetallicRoughness": DULL}]
    told["extensionsUsed"] = ["KHR_materials_unlit"]
    parts = [(array.astype("<f4"), FLOAT, "VEC3", VERTICES) for array in arrays.values()]
    parts.append((mesh.faces.reshape(-1).astype("<u4"), UNSIGNED, "SCALAR", INDICES))
    return _chunks(told | _layout(parts), b"".join(array.tobytes() for array, *_ in parts))


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


def _chunks(told: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), JSON) + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), BINARY) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
