"""Pinhole cameras, and the names of their views.

The world is Blender's: z is up, and the front of an object is at -y. A camera's own axes are
OpenGL's: x to the right, y up, the optical axis along -z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

Vector: TypeAlias = tuple[float, float, float]
Rows: TypeAlias = Sequence[Sequence[float]]

VIEWS: Final = ("front view", "side view", "back view", "overhead view")
OVERHEAD: Final = 60.0
"""From this elevation on, in degrees, a view is called overhead."""
SECTOR: Final = 45.0
"""Front and back are this many degrees wide on either side of azimuth 0 and 180."""
Y_UP: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Blender's axes (z up, front towards -y) to those of glTF and of toys (y up, front towards +z)."""
TOLERANCE: Final = 1e-3
"""How far R^T R may be from the identity: transforms.json files carry about six digits."""


def view_word(azimuth: float, elevation: float) -> str:
    """The name of a view in prompts.

        elevation >= 60           overhead view
        |azimuth| <= 45           front view
        |azimuth - 180| <= 45     back view
        otherwise                 side view

    Args:
        azimuth: degrees around the z axis, 0 in front (at -y), 90 at +x; any turn of the circle.
        elevation: degrees above the horizon, -90 to 90.

    Example:
        >>> [view_word(a, 20) for a in (-30, 90, 200)], view_word(0, 75)
        (['front view', 'side view', 'back view'], 'overhead view')
    """
    if elevation >= OVERHEAD:
        return VIEWS[3]
    away = abs((azimuth + 180) % 360 - 180)
    if away <= SECTOR:
        return VIEWS[0]
    return VIEWS[2] if away >= 180 - SECTOR else VIEWS[1]


@final
@dataclass(frozen=True)
class Camera:
    """The pose and the projection of a picture.

        the ray of pixel (row, column) is R ((column + 1/2 - cx) / fx, -(row + 1/2 - cy) / fy, -1)

    Args:
        matrix: camera to world, four rows of four numbers: a rotation R without mirroring and the
            pinhole's position.
        focal: (fx, fy) in pixels, > 0.
        center: (cx, cy), the principal point in pixels; (width / 2, height / 2) is the middle.
        size: (height, width) in pixels.

    Raises:
        ValueError: if the matrix is not a rigid motion, or the picture is empty.

    Example:
        >>> camera = Camera.orbit(azimuth=90, elevation=0, distance=3, size=(4, 4))
        >>> round(camera.position[0], 6), camera.view()
        (3.0, 'side view')
    """

    matrix: Rows
    focal: tuple[float, float]
    center: tuple[float, float]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", check_matrix(self.matrix))
        numbers = (*self.focal, *self.center)
        if not all(map(math.isfinite, numbers)) or min(self.focal) <= 0:
            raise ValueError(
                f"the camera has focal lengths {self.focal} and center {self.center}: give finite "
                "numbers of pixels, focal lengths above 0"
            )
        if min(self.size) < 1:
            raise ValueError(f"the camera's picture is {self.size}: give a height and a width")

    @staticmethod
    def orbit(
        azimuth: float,
        elevation: float,
        distance: float,
        *,
        target: Vector = (0.0, 0.0, 0.0),
        field_of_view: float = 36.0,
        size: tuple[int, int] = (128, 128),
    ) -> Camera:
        """An upright camera on a sphere around the target, which lies in the middle of the picture.

            position = target + distance (cos e sin a, -cos e cos a, sin e)

        Args:
            azimuth: a in degrees, 0 in front.
            elevation: e in degrees, -90 to 90.
            distance: above 0.
            field_of_view: of the picture's width, in degrees, inside (0, 180).
            size: (height, width).

        Raises:
            ValueError: for an elevation, a distance or a field of view outside of its range.
        """
        if not -90 <= elevation <= 90:
            raise ValueError(f"elevation is {elevation}: give degrees from -90 to 90")
        if not distance > 0:
            raise ValueError(f"distance is {distance}: give a length above 0")
        if not 0 < field_of_view < 180:
            raise ValueError(f"field_of_view is {field_of_view}: give degrees inside (0, 180)")
        a, e = math.radians(azimuth), math.radians(elevation)
        right = (math.cos(a), math.sin(a), 0.0)
        up = (-math.sin(e) * math.sin(a), math.sin(e) * math.cos(a), math.cos(e))
        back = (math.cos(e) * math.sin(a), -math.cos(e) * math.cos(a), math.sin(e))
        position = (t + distance * w for t, w in zip(target, back, strict=True))
        focal = size[1] / 2 / math.tan(math.radians(field_of_view) / 2)
        rows = tuple(zip(right, up, back, position, strict=True))
        return Camera(rows, (focal, focal), (size[1] / 2, size[0] / 2), size)

    @property
    def position(self) -> Vector:
        """The pinhole, in world coordinates."""
        x, y, z = (row[3] for row in self.matrix[:3])
        return x, y, z

    @property
    def forward(self) -> Vector:
        """Unit vector along the optical axis, away from the camera."""
        x, y, z = (-row[2] for row in self.matrix[:3])
        return x, y, z

    def resized(self, size: tuple[int, int]) -> Camera:
        """The same camera with other pixels: its picture, scaled to (height, width)."""
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        return replace(
            self,
            focal=(self.focal[0] * across, self.focal[1] * down),
            center=(self.center[0] * across, self.center[1] * down),
            size=size,
        )

    def angles(self, target: Vector = (0.0, 0.0, 0.0)) -> tuple[float, float]:
        """(azimuth, elevation) of the camera around the target, in degrees."""
        x, y, z = (p - t for p, t in zip(self.position, target, strict=True))
        return math.degrees(math.atan2(x, -y)), math.degrees(math.atan2(z, math.hypot(x, y)))

    def view(self, target: Vector = (0.0, 0.0, 0.0)) -> str:
        """The name of this view of an object at the target; see `view_word`."""
        return view_word(*self.angles(target))

    def rays(self) -> tuple[Tensor, Tensor]:
        """Origins and unit directions of the rays through the pixels' centers, row by row.

        Returns:
            Two tensors (height width, 3), float64.
        """
        height, width = self.size
        matrix = torch.tensor(self.matrix, dtype=torch.float64)
        y, x = torch.meshgrid(
            torch.arange(height, dtype=torch.float64) + 0.5,
            torch.arange(width, dtype=torch.float64) + 0.5,
            indexing="ij",
        )
        (fx, fy), (cx, cy) = self.focal, self.center
        local = torch.stack([(x - cx) / fx, (cy - y) / fy, -torch.ones_like(x)], -1).reshape(-1, 3)
        directions = local @ matrix[:3, :3].T
        directions = directions / directions.norm(dim=-1, keepdim=True)
        return matrix[:3, 3].expand_as(directions).contiguous(), directions

    def project(self, points: Tensor) -> Tensor:
        """(row, column) in pixels of world points (n, 3); NaN for points behind the camera."""
        matrix = torch.tensor(self.matrix, dtype=points.dtype)
        x, y, back = ((points - matrix[:3, 3]) @ matrix[:3, :3]).unbind(-1)
        ahead = torch.where(back < 0, -back, torch.nan)
        (fx, fy), (cx, cy) = self.focal, self.center
        return torch.stack([cy - fy * y / ahead, cx + fx * x / ahead], -1)


def check_matrix(matrix: Any) -> tuple[tuple[float, ...], ...]:
    """A camera-to-world matrix as rows of floats.

    Three rows are completed by (0, 0, 0, 1). The rotation must be orthonormal to `TOLERANCE` and
    is then made exactly so (the nearest rotation).

    Raises:
        ValueError: if it is no 4 x 4 matrix of finite numbers, its last row is not (0, 0, 0, 1), it
            scales or shears, or it mirrors.
    """
    try:
        rows = torch.tensor(matrix, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(
            "the camera matrix is no table of numbers: give four rows of four"
        ) from error
    if rows.shape == (3, 4):
        rows = torch.cat([rows, torch.tensor([[0.0, 0, 0, 1]], dtype=torch.float64)])
    if rows.shape != (4, 4):
        raise ValueError(f"the camera matrix is {tuple(rows.shape)}: give four rows of four")
    if not rows.isfinite().all():
        raise ValueError("the camera matrix holds NaN or infinity: give finite numbers")
    if (rows[3] - torch.tensor([0.0, 0, 0, 1], dtype=torch.float64)).abs().max() > TOLERANCE:
        raise ValueError(
            f"the camera matrix ends in the row {rows[3].tolist()} instead of 0, 0, 0, 1: give the "
            "camera-to-world matrix, its position in the last column"
        )
    rotation = rows[:3, :3]
    away = (rotation.T @ rotation - torch.eye(3, dtype=torch.float64)).abs().max().item()
    if away > TOLERANCE:
        raise ValueError(
            f"the camera matrix is not orthonormal (R^T R is off by {away:.2g}): remove scale and "
            "shear from its first three columns"
        )
    if torch.linalg.det(rotation) < 0:
        raise ValueError(
            "the camera matrix mirrors (its determinant is -1): turn the sign of one axis; x is to "
            "the right, y up, the optical axis -z"
        )
    left, _, right = torch.linalg.svd(rotation)
    rigid = torch.cat([left @ right, rows[:3, 3:]], 1)
    return (*map(tuple, rigid.tolist()), (0.0, 0.0, 0.0, 1.0))
