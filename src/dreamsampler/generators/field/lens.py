"""Lenses that are no pinholes: how they distort, and pictures without it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import torch
import torch.nn.functional as F
from numpy.polynomial import Polynomial
from torch import Tensor

from dreamsampler.generators.field.camera import Camera

MODELS: Final = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "OPENCV_FISHEYE": "fx fy cx cy k1 k2 k3 k4",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
    "FOV": "fx fy cx cy omega",
    "SIMPLE_RADIAL_FISHEYE": "f cx cy k1",
    "RADIAL_FISHEYE": "f cx cy k1 k2",
    "THIN_PRISM_FISHEYE": "fx fy cx cy k1 k2 p1 p2 k3 k4 sx1 sy1",
}
"""Camera model -> its parameters. Names, order and numbers (0 is the first) are COLMAP's."""
COEFFICIENTS: Final = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2", "sx1", "sy1", "omega")
MOST_ZOOM: Final = 64.0
_BAND = 1 << 22
"""Pixels that are resampled at a time."""


@final
@dataclass(frozen=True)
class Lens:
    """Where a lens shows what a pinhole shows at (x, y), in focal lengths; x right, y down.

        (u, v) = (x, y);  for a fisheye (x, y) atan(r) / r;  with omega
                 (x, y) atan(2 r tan(omega / 2)) / (omega r),     r^2 = x^2 + y^2
        x' = u N / D + 2 p1 u v + p2 (q + 2 u^2) + sx1 q,         q = u^2 + v^2
        y' = v N / D + 2 p2 u v + p1 (q + 2 v^2) + sy1 q
        N  = 1 + k1 q + k2 q^2 + k3 q^3  (+ k4 q^4 for a fisheye)
        D  = 1 + k4 q + k5 q^2 + k6 q^3  (1 for a fisheye)

    These are the models of OpenCV and COLMAP (Brown 1971; Kannala and Brandt 2006; Devernay and
    Faugeras 2001 for omega).

    Args:
        fisheye: whether distances from the center go with the angle.
        coefficients: (name, value) of `COEFFICIENTS`; those left out are 0.

    Example:
        >>> x, y = Lens(coefficients=(("k1", 0.1),)).distorted(torch.ones(1), torch.zeros(1))
        >>> round(x.item(), 6), y.item()
        (1.1, 0.0)
    """

    fisheye: bool = False
    coefficients: tuple[tuple[str, float], ...] = ()

    @cached_property
    def _ratio(self) -> tuple[Polynomial, Polynomial]:
        k1, k2, k3, k4, k5, k6 = (dict(self.coefficients).get(f"k{i}", 0.0) for i in range(1, 7))
        if self.fisheye:
            return Polynomial([1, k1, k2, k3, k4]), Polynomial([1])
        return Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])

    @cached_property
    def _fold(self) -> float:
        """The q from which the radial part falls: what lies beyond would be shown a second time."""
        over, under = self._ratio
        q = Polynomial([0, 1])
        slope = (over + 2 * q * over.deriv()) * under - 2 * q * under.deriv() * over
        roots = [*slope.trim(1e-9).roots(), *under.trim(1e-9).roots()]  # tiny terms spoil roots
        return min((z.real for z in roots if abs(z.imag) < 1e-9 and z.real > 0), default=math.inf)

    def distorted(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(x', y') of (x, y); NaN where the lens folds back and shows nothing of it."""
        given = dict(self.coefficients)
        p1, p2, sx, sy, omega = (given.get(n, 0.0) for n in ("p1", "p2", "sx1", "sy1", "omega"))
        r = torch.hypot(x, y).clamp_min(1e-12)
        if self.fisheye:
            x, y = x * (r.atan() / r), y * (r.atan() / r)
        elif omega:
            shrink = (2 * r * math.tan(omega / 2)).atan() / (omega * r)
            x, y = x * shrink, y * shrink
        q = x * x + y * y
        over, under = self._ratio
        radial = torch.where(q < self._fold, _at(over, q) / _at(under, q), torch.nan)
        return (
            x * radial + 2 * p1 * x * y + p2 * (q + 2 * x * x) + sx * q,
            y * radial + 2 * p2 * x * y + p1 * (q + 2 * y * y) + sy * q,
        )

    def zoom(self, camera: Camera) -> float:
        """How much longer a pinhole's focal length must be to show nothing from outside.

        Args:
            camera: focal length, center and size of the distorted picture.

        Returns:
            The least factor, 1 or more, at which every pixel lies in the distorted picture. It is 1
            for a barrel and a fisheye, whose edges then fall away: the middle keeps its resolution.

        Raises:
            ValueError: there is none up to 64.
        """
        (fx, fy), (cx, cy), (height, width) = camera.focal, camera.center, camera.size
        along = torch.linspace(0, 1, 65, dtype=torch.float64)
        x = torch.cat([along * width, along * width, 0 * along, 0 * along + width])
        y = torch.cat([0 * along, 0 * along + height, along * height, along * height])

        def inside(factor: float) -> bool:
            u, v = self.distorted((x - cx) / fx / factor, (y - cy) / fy / factor)
            u, v = (u * fx + cx) / width - 0.5, (v * fy + cy) / height - 0.5
            return bool((torch.maximum(u.abs(), v.abs()) <= 0.5 + 1e-9).all())  # false for NaN

        low, high = 1.0, 1.0
        while not inside(high):
            low, high = high, 2 * high
            if high > MOST_ZOOM:
                raise ValueError("the lens distorts so much that no whole picture is left")
        while high - low > 1e-9:
            middle = (low + high) / 2
            low, high = (low, middle) if inside(middle) else (middle, high)
        return high

    def undistorted(self, samples: Tensor, camera: Camera, zoom: float) -> Tensor:
        """Samples as a pinhole shows them, (c, h, w) as they came; bilinear.

        Args:
            samples: (c, h, w), of the distorted picture.
            camera: focal length, center and size of the distorted picture.
            zoom: the pinhole's focal length in those of the camera.
        """
        (fx, fy), (cx, cy), (height, width) = camera.focal, camera.center, camera.size
        x = (torch.arange(width, dtype=torch.float64) + 0.5 - cx) / (fx * zoom)
        y = (torch.arange(height, dtype=torch.float64) + 0.5 - cy) / (fy * zoom)
        bands = []
        for rows in y.split(max(1, _BAND // width)):
            u, v = self.distorted(*torch.meshgrid(x, rows, indexing="xy"))
            grid = torch.stack([(u * fx + cx) * 2 / width - 1, (v * fy + cy) * 2 / height - 1], -1)
            at = grid[None].to(samples.dtype)
            shown = F.grid_sample(samples[None], at, padding_mode="border", align_corners=False)
            bands.append(shown[0])
        return torch.cat(bands, 1)


def _at(polynomial: Polynomial, q: Tensor) -> Tensor:
    value = torch.zeros_like(q)
    for coefficient in reversed(polynomial.coef.tolist()):
        value = value * q + coefficient
    return value
