"""Where a ray meets a unit shape, in closed form (the torus: by sphere tracing), and its normal.

Unit shapes, all inside [-1, 1]^3 and centered at the origin:

    sphere    radius 1                      cube      [-1, 1]^3
    cylinder  radius 1, axis y              pyramid   base [-1, 1]^2 at y = -1, apex y = 1
    cone      base radius 1 at y = -1,      prism     a roof: ridge along z at y = 1, base y = -1
              apex y = 1                    torus     in the x-z plane, outer radius 1, TUBE thick

A ray is origin + t direction with t > 0; directions need not have unit length, so that affine maps
of shapes are affine maps of rays with the same t.
"""

import numpy as np

TUBE = 0.3
"""Radius of the torus' tube; the circle in its middle has radius 1 - TUBE."""
TRACE = 96
NEAR = 1e-4

Hit = tuple[np.ndarray, np.ndarray]
"""t [n], infinite where the ray misses, and the outward normal [n, 3], of any length."""

_SLOPE = 1 / np.sqrt(5)
PLANES = {
    "cube": np.concatenate([np.eye(3), -np.eye(3)]),
    "pyramid": np.array([[0, -1, 0], [2, 1, 0], [-2, 1, 0], [0, 1, 2], [0, 1, -2]])
    * np.array([[1.0], [_SLOPE], [_SLOPE], [_SLOPE], [_SLOPE]]),
    "prism": np.array([[0, -1, 0], [2, 1, 0], [-2, 1, 0], [0, 0, 1], [0, 0, -1]])
    * np.array([[1.0], [_SLOPE], [_SLOPE], [1.0], [1.0]]),
}
"""Unit outward normals of the faces."""
OFFSETS = {
    "cube": np.ones(6),
    "pyramid": np.array([1.0, _SLOPE, _SLOPE, _SLOPE, _SLOPE]),
    "prism": np.array([1.0, _SLOPE, _SLOPE, 1.0, 1.0]),
}
"""Distances of the faces from the origin."""
KINDS = ("sphere", "cube", "cone", "cylinder", "torus", "pyramid", "prism")


def _polyhedron(kind: str, origin: np.ndarray, d: np.ndarray) -> Hit:
    normals, offsets = PLANES[kind].astype(d.dtype), OFFSETS[kind].astype(d.dtype)
    speed = d @ normals.T
    speed = np.where(np.abs(speed) < 1e-12, d.dtype.type(1e-12), speed)
    t = (offsets - normals @ origin) / speed
    enter = np.where(speed < 0, t, -np.inf)
    face = enter.argmax(1)
    first = enter.max(1)
    last = np.where(speed > 0, t, np.inf).min(1)
    hit = (first < last) & (first > NEAR)
    return np.where(hit, first, np.inf), normals[face]


def _smaller_root(a: np.ndarray, b: np.ndarray, c: float | np.ndarray) -> list[np.ndarray]:
    """Both roots of a t^2 + 2 b t + c, infinite where there are none."""
    a = np.where(np.abs(a) < 1e-9, a.dtype.type(1e-9), a)
    root = b * b - a * c
    safe = np.sqrt(np.maximum(root, 0))
    return [np.where(root >= 0, (-b + sign * safe) / a, np.inf) for sign in (-1, 1)]


def _sphere(origin: np.ndarray, d: np.ndarray) -> Hit:
    roots = _smaller_root((d * d).sum(1), d @ origin, float(origin @ origin) - 1)
    t = np.where(roots[0] > NEAR, roots[0], np.inf)
    return t, origin + np.where(np.isfinite(t), t, 0)[:, None] * d


def _round(taper: float, origin: np.ndarray, d: np.ndarray) -> Hit:
    """x^2 + z^2 <= r(y)^2 for |y| <= 1: a cylinder (taper 0, r = 1) or a cone (taper 0.5).

    r(y) = 1 - taper (1 + y) is linear, so that the side is a quadratic in t, valid for |y| <= 1.
    """
    o = origin.astype(d.dtype)
    r0, dr = 1 - taper * (1 + o[1]), -taper * d[:, 1]
    a = d[:, 0] ** 2 + d[:, 2] ** 2 - dr**2
    b = d[:, 0] * o[0] + d[:, 2] * o[2] - r0 * dr
    best = np.full(len(d), np.inf, d.dtype)
    normal = np.zeros_like(d)
    for t in _smaller_root(a, b, o[0] ** 2 + o[2] ** 2 - r0**2):
        finite = np.where(np.isfinite(t), t, 0)
        y = o[1] + finite * d[:, 1]
        good = np.isfinite(t) & (t > NEAR) & (np.abs(y) <= 1) & (t < best)
        p = o + finite[:, None] * d
        side = np.stack([p[:, 0], taper * (1 - taper * (1 + y)), p[:, 2]], -1)
        best, normal = np.where(good, t, best), np.where(good[:, None], side, normal)
    down = np.where(np.abs(d[:, 1]) < 1e-9, d.dtype.type(1e-9), d[:, 1])
    for cap in (-1.0, 1.0):
        t = (cap - o[1]) / down
        x, z = o[0] + t * d[:, 0], o[2] + t * d[:, 2]
        good = (x * x + z * z <= (1 - taper * (1 + cap)) ** 2) & (t > NEAR) & (t < best)
        flat = np.array([0, cap, 0], d.dtype)
        best, normal = np.where(good, t, best), np.where(good[:, None], flat, normal)
    return best, normal


def _torus(origin: np.ndarray, d: np.ndarray) -> Hit:
    """Sphere tracing from the bounding sphere: the distance to a torus is known exactly."""
    length = np.linalg.norm(d, axis=1)
    unit = d / length[:, None]
    middle = unit @ origin
    half = np.sqrt(np.maximum(1 - (origin @ origin - middle**2), 0))
    t, end = np.maximum(-middle - half, 0), -middle + half
    going = np.flatnonzero(half > 0)
    for _ in range(TRACE):
        p = origin + t[going, None] * unit[going]
        ring = np.sqrt(p[:, 0] ** 2 + p[:, 2] ** 2)
        free = np.sqrt((ring - (1 - TUBE)) ** 2 + p[:, 1] ** 2) - TUBE
        t[going] += free
        going = going[(free > 1e-5) & (t[going] < end[going])]
    p = origin + t[:, None] * unit
    ring = np.maximum(np.hypot(p[:, 0], p[:, 2]), 1e-9)
    away = np.hypot(ring - (1 - TUBE), p[:, 1]) - TUBE
    update = (1 - TUBE) / ring
    normal = p - np.stack([p[:, 0] * update, np.zeros_like(update), p[:, 2] * update], -1)
    hit = (half > 0) & (away < 3e-4) & (t > NEAR)
    return np.where(hit, t / length, np.inf), normal


def intersect(kind: str, origin: np.ndarray, directions: np.ndarray) -> Hit:
    """The first point of a unit shape on rays from one origin outside it.

    Args:
        kind: one of `KINDS`.
        origin: [3], outside the shape.
        directions: [n, 3].

    Returns:
        t [n], infinite where the ray misses, and outward normals [n, 3] of any length.

    Raises:
        ValueError: the kind is unknown.

    Example:
        >>> t, normal = intersect("cube", np.array([0.0, 0.0, 5.0]), np.array([[0.0, 0.0, -1.0]]))
        >>> t.tolist(), normal.tolist()
        ([4.0], [[0.0, 0.0, 1.0]])
    """
    if kind in PLANES:
        return _polyhedron(kind, origin, directions)
    if kind == "sphere":
        return _sphere(origin, directions)
    if kind in ("cylinder", "cone"):
        return _round(0.5 if kind == "cone" else 0.0, origin, directions)
    if kind == "torus":
        return _torus(origin, directions)
    raise ValueError(f"shape is {kind!r}: choose one of {', '.join(KINDS)}")
