"""A pinhole camera on a sphere around the scene, and the words for where it stands.

The world is right-handed: y is up, the ground is y = 0, an object's front looks towards +z.

    position = target + distance (cos e sin a, sin e, cos e cos a)      a azimuth, e elevation

In Blender's axes (z up, front towards -y), which a radiance field uses, the point (x, y, z) is
(x, -z, y); azimuth, elevation and distance are the same numbers there.

Azimuth 0 stands in front of the object, 90 at its left hand (+x), 180 behind it; +x is to the
right in the front view. Pixel (row, column) has its center at (row + 0.5, column + 0.5).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

VIEWS = ("front view", "side view", "back view", "overhead view")
OVERHEAD = 60.0
"""From this elevation on (degrees), a view is called overhead."""
BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""(x, y, z) here -> (x, -z, y) in Blender's axes."""
SECTOR = 45.0
"""Front and back are this many degrees wide on either side of azimuth 0 and 180."""


def view_word(azimuth: float, elevation: float) -> str:
    """The name of a view in captions.

        elevation >= 60           overhead view
        |azimuth| <= 45           front view
        |azimuth - 180| <= 45     back view
        otherwise                 side view

    Args:
        azimuth: degrees, any turn of the circle.
        elevation: degrees above the ground, -90 to 90.

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


@lru_cache(maxsize=4)
def _local(size: int, focal: float) -> np.ndarray:
    """Unit vectors through the pixels' centers in the camera's own axes, [size, size, 3]."""
    y, x = np.mgrid[0:size, 0:size] + 0.5 - size / 2
    local = np.stack([x, -y, np.full_like(x, -focal)], -1)
    return local / np.linalg.norm(local, axis=-1, keepdims=True)


@final
@dataclass(frozen=True)
class Camera:
    """Where a picture is taken from; angles in degrees, lengths in the scene's unit.

    Args:
        azimuth: around the y axis, from +z towards +x.
        elevation: above the ground, -90 to 90.
        distance: from `target`, > 0.
        field_of_view: of the whole picture, top to bottom, in (0, 180).
        target: the point in the middle of the picture.
    """

    azimuth: float
    elevation: float
    distance: float = 5.0
    field_of_view: float = 36.0
    target: tuple[float, float, float] = (0.0, 0.8, 0.0)

    def __post_init__(self) -> None:
        """Refuse cameras that see nothing."""
        if not -90 <= self.elevation <= 90:
            raise ValueError(f"elevation is {self.elevation}: give degrees from -90 to 90")
        if self.distance <= 0:
            raise ValueError(f"distance is {self.distance}: give a positive length")
        if not 0 < self.field_of_view < 180:
            raise ValueError(f"field_of_view is {self.field_of_view}: give degrees in (0, 180)")

    def axes(self) -> np.ndarray:
        """Rows right, up and backward (from target to camera): a rotation, float64 [3, 3]."""
        a, e = np.deg2rad([self.azimuth, self.elevation])
        right = [np.cos(a), 0, -np.sin(a)]
        up = [-np.sin(e) * np.sin(a), np.cos(e), -np.sin(e) * np.cos(a)]
        back = [np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)]
        return np.array([right, up, back])

    def position(self) -> np.ndarray:
        """The pinhole, float64 [3]."""
        return np.array(self.target) + self.distance * self.axes()[2]

    def matrix(self) -> np.ndarray:
        """Camera to world in Blender's axes, float64 [4, 4]: as in transforms.json files."""
        result = np.eye(4)
        result[:3] = BLENDER @ np.column_stack([self.axes().T, self.position()])
        return result

    def focal(self, size: int) -> float:
        """Focal length in pixels of a picture of `size` x `size`."""
        return size / 2 / np.tan(np.deg2rad(self.field_of_view) / 2)

    def directions(self, size: int) -> np.ndarray:
        """Unit vectors through the pixels' centers, float64 [size, size, 3]."""
        return _local(size, float(self.focal(size))) @ self.axes()

    def project(self, points: np.ndarray, size: int) -> np.ndarray:
        """(row, column) in a picture of `size` x `size` of world points [n, 3], float64 [n, 2]."""
        x, y, back = ((np.asarray(points) - self.position()) @ self.axes().T).T
        scale = self.focal(size) / -back
        return np.stack([size / 2 - y * scale, size / 2 + x * scale], -1)

    def view(self) -> str:
        """The word of this view, see `view_word`."""
        return view_word(self.azimuth, self.elevation)
