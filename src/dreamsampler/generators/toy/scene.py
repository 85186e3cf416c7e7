"""Pictures of simple shaded objects, by casting rays: the same scene from any camera.

    scene = Scene((Part("cube", at=(0, 0.6, 0), size=(0.6, 0.6, 0.6), color=(0.9, 0.1, 0.1)),))
    picture = render(scene, Camera.orbit(30, 20, 5, target=(0, 0, 0.8))).picture

`render` has no randomness: equal scenes and cameras give equal pictures. The light is fixed to the
world, so that views of one scene agree. Parts are placed in axes in which y is up, the ground is
y = 0 and the front is at +z; cameras are those of `field`, where the point (x, y, z) of a part is
(x, -z, y).
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from dreamsampler.generators.field.camera import Y_UP, Camera
from dreamsampler.generators.toy.shape import KINDS, intersect

Color = tuple[float, float, float]
Vector = tuple[float, float, float]

KEY, FILL = np.array([0.4, 0.75, 0.7]), np.array([-0.6, 0.25, -0.7])
"""Directions towards the two lights, world axes (unit length after `_unit`)."""
AMBIENT, SKY, KEY_LIGHT, FILL_LIGHT = 0.62, 0.06, 0.42, 0.24
SHINE, POLISH = 0.25, 24


@final
@dataclass(frozen=True)
class Part:
    """One shape: unit shape `kind`, scaled by `size`, turned, moved to `at`.

    Args:
        kind: one of `shape.KINDS`.
        at: center in world coordinates.
        size: what the unit shape's axes are multiplied by, > 0: half its extents (of a torus, whose
            unit shape is only TUBE high, outer radius and height by TUBE).
        color: RGB in [0, 1].
        turn: degrees about the x, then the y, then the z axis.
    """

    kind: str
    at: Vector
    size: Vector
    color: Color
    turn: Vector = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"shape is {self.kind!r}: choose one of {', '.join(KINDS)}")
        if min(self.size) <= 0:
            raise ValueError(f"size is {self.size}: give three positive half extents")

    def rotation(self) -> np.ndarray:
        """Own axes to world axes, [3, 3]."""
        result = np.eye(3)
        for axis, angle in enumerate(np.deg2rad(self.turn)):
            c, s = np.cos(angle), np.sin(angle)
            i, j = (axis + 1) % 3, (axis + 2) % 3
            step = np.eye(3)
            step[i, i], step[i, j], step[j, i], step[j, j] = c, -s, s, c
            result = step @ result
        return result

    def radius(self) -> float:
        """Of a sphere around `at` that holds the part."""
        x, y, z = self.size
        own = {"sphere": max(x, y, z), "torus": max(x, y, z), "cylinder": np.hypot(max(x, z), y)}
        return float(own.get(self.kind, np.linalg.norm(self.size)))


@final
@dataclass(frozen=True)
class Scene:
    """Parts on the ground y = 0 before a background that does not move with the camera.

    Args:
        parts: of the objects; an empty scene is a plain background.
        background: RGB in [0, 1].
        gradient: added to the background from edge to edge, (to the right, downwards).
        shadow: darkness of the soft shadow where parts touch the ground, 0 (none) to 1.
        shine: strength of the highlights, which move with the camera; 0 for views that agree.
    """

    parts: tuple[Part, ...]
    background: Color = (1.0, 1.0, 1.0)
    gradient: tuple[float, float] = (0.0, 0.0)
    shadow: float = 0.0
    shine: float = SHINE


@final
@dataclass(frozen=True)
class Rendering:
    """A rendered picture.

    Attributes:
        picture: RGB in [0, 1], float32 [height, width, 3].
        alpha: the share of each pixel that is covered by a part, float32 [height, width].
        depth: distance from the pinhole to the nearest part in a pixel, infinite where there is
            none, float32 [height, width].
    """

    picture: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def _light(normal: np.ndarray, towards: np.ndarray, color: Color, shine: float) -> np.ndarray:
    """Ambient (brighter from above), two Lambert lights, Blinn-Phong highlights of the first."""
    key, fill = _unit(KEY), _unit(FILL)
    matte = AMBIENT + SKY * normal[:, 1]
    matte = matte + KEY_LIGHT * np.maximum(normal @ key, 0)
    matte = matte + FILL_LIGHT * np.maximum(normal @ fill, 0)
    bright = np.maximum((normal * _unit(key + towards)).sum(1), 0) ** POLISH
    return matte[:, None] * np.array(color) + shine * (bright * (normal @ key > 0))[:, None]


def _ground(scene: Scene, origin: np.ndarray, rays: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Darken the background where rays meet the ground near parts that stand on it."""
    down = np.minimum(rays[:, 1], -1e-6)
    ground = (rays[:, 1] < -1e-3) & (origin[1] > 0)
    t = origin[1] / -down
    x, z = origin[0] + t * rays[:, 0], origin[2] + t * rays[:, 2]
    light = np.ones(len(rays))
    for part in scene.parts:
        reach = np.abs(part.rotation()) @ np.array(part.size)
        if part.at[1] - reach[1] < 0.1:
            far = ((x - part.at[0]) / reach[0]) ** 2 + ((z - part.at[2]) / reach[2]) ** 2
            light = np.minimum(light, 1 - scene.shadow * np.exp(-0.7 * far**1.5))
    return behind * np.where(ground, light, 1)[:, None]


def _backdrop(scene: Scene, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width] + 0.5
    right, down = scene.gradient
    plain = np.array(scene.background)
    plain = plain + (right * (x / width - 0.5) + down * (y / height - 0.5))[..., None]
    return np.clip(plain, 0, 1).reshape(-1, 3)


def _cast(part: Part, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows of `rays` that may meet the part, their t, and the world's unit normals there."""
    center = np.array(part.at) - origin
    along = rays @ center
    near = np.flatnonzero((along > 0) & (center @ center - along**2 <= part.radius() ** 2 + 1e-9))
    inverse = part.rotation().T / np.array(part.size)[:, None]
    t, normal = intersect(part.kind, -inverse @ center, rays[near] @ inverse.T)
    return near, t, _unit(normal @ inverse)


def render(scene: Scene, camera: Camera, samples: int = 3) -> Rendering:
    """One picture of a scene, antialiased by samples x samples rays a pixel.

    Args:
        scene: parts and background; no part may contain the camera.
        camera: pose, and size of the picture.
        samples: rays along each side of a pixel, at least 1; 3 for data, more for ground truth.

    Raises:
        ValueError: the camera is inside the sphere around a part.

    Example:
        >>> ball = Scene((Part("sphere", (0, 0.8, 0), (0.8, 0.8, 0.8), (1, 0, 0)),))
        >>> found = render(ball, Camera.orbit(0, 0, 5, target=(0, 0, 0.8), size=(32, 32)))
        >>> found.picture.shape, float(found.alpha[16, 16]), round(float(found.depth[16, 16]), 1)
        ((32, 32, 3), 1.0, 4.2)
    """
    height, width = (side * samples for side in camera.size)
    origin = Y_UP @ camera.position
    for part in scene.parts:
        if np.linalg.norm(np.array(part.at) - origin) <= part.radius():
            raise ValueError(f"the camera is inside a {part.kind}: increase distance")
    rays = camera.resized((height, width)).rays()[1].numpy() @ Y_UP.T
    colors = _backdrop(scene, height, width)
    if scene.shadow:
        colors = _ground(scene, origin, rays, colors)
    depth = np.full(len(rays), np.inf)
    for part in scene.parts:
        near, t, normal = _cast(part, origin, rays)
        front = t < depth[near]
        rows = near[front]
        depth[rows] = t[front]
        colors[rows] = _light(normal[front], -rays[rows], part.color, scene.shine)

    def fine(values: np.ndarray) -> list[np.ndarray]:
        """samples^2 pictures, one for each ray of a pixel."""
        values = values.reshape(height, width, *values.shape[1:])
        return [values[i::samples, j::samples] for i in range(samples) for j in range(samples)]

    picture, depths = np.mean(fine(np.clip(colors, 0, 1)), axis=0), fine(depth)
    alpha = np.mean([np.isfinite(each) for each in depths], axis=0)
    nearest = np.minimum.reduce(depths)
    return Rendering(*(x.astype(np.float32) for x in (picture, alpha, nearest)))
