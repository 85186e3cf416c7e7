"""Blurs: Gaussian, motion, and any kernel."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.images.decode import decode, load
from dreamsampler.images.header import open_header
from dreamsampler.operators.cosine import dct2, even_spectrum, idct2
from dreamsampler.operators.fold import (
    Boundary,
    check_boundary,
    convolve,
    convolve_adjoint,
    spectrum,
)
from dreamsampler.operators.registry import BOUNDARY, Parameter, named

Batch = Float[Tensor, "b c h w"]

LARGEST = 4097
"""Kernels longer than this are refused: a picture passed by mistake is more likely."""


@named(
    "blur",
    "out of focus",
    {"sigma": Parameter(float, 0, 1000, fitted=(0.3, 12.0), pixels=True), "boundary": BOUNDARY},
    scales=True,
)
@final
@dataclass(frozen=True)
class GaussianBlur:
    """A blur by a sampled Gaussian, cut at 4 sigma and of sum 1.

        A = G_rows G_columns,   g[m] proportional to exp(-m^2 / 2 sigma^2)

    Symmetric pictures stay symmetric: with the boundaries "reflect" and "circular" A^T = A. The
    prox is diagonal in the cosine ("reflect") or Fourier ("circular") basis; "zero" has no closed
    form.

    Args:
        sigma: width in pixels, > 0.
        boundary: "reflect" (mirrored, edge pixel twice; for photographs), "circular" or "zero".

    Raises:
        ValueError: for a width that is no positive number, or an unknown boundary.

    Example:
        >>> GaussianBlur(2.0).A(torch.ones(1, 3, 5, 1)).sum().round().item()
        15.0
    """

    sigma: float
    boundary: Boundary = "reflect"

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(
                f"sigma is {self.sigma:g}, but the width of a blur is a number of pixels above 0: "
                "leave out a blur of width 0"
            )

    @cached_property
    def kernel(self) -> Float[Tensor, " k"]:
        """The taps along one axis, float64, of odd length and sum 1."""
        reach = max(1, math.ceil(4 * self.sigma))
        m = torch.arange(-reach, reach + 1, dtype=torch.float64)
        taps = torch.exp(-0.5 * (m / self.sigma) ** 2)
        return taps / taps.sum()

    def A(self, x: Batch) -> Batch:
        """Blur along both axes."""
        x = convolve(x, self.kernel[:, None], self.boundary)
        return convolve(x, self.kernel[None, :], self.boundary)

    def A_adjoint(self, y: Batch) -> Batch:
        """The transpose of A."""
        y = convolve_adjoint(y, self.kernel[:, None], self.boundary)
        return convolve_adjoint(y, self.kernel[None, :], self.boundary)

    def prox_l2(self, z: Batch, y: Batch, gamma: float | Tensor) -> Batch | None:
        """(gamma G^2 + 1)^-1 (gamma G y + z) in the basis of cosines or waves."""
        if self.boundary == "circular":
            return circular_prox(self.kernel[:, None] * self.kernel, z, y, gamma)
        if self.boundary == "zero":
            return None
        rows, columns = (even_spectrum(self.kernel, n) for n in z.shape[-2:])
        gain = (rows[:, None] * columns).to(z.dtype).to(z.device)
        return idct2((gamma * gain * dct2(y) + dct2(z)) / (gamma * gain**2 + 1))


class _Convolution(abc.ABC):
    """A convolution of every channel with one kernel."""

    kernel: Tensor
    boundary: Boundary

    def A(self, x: Batch) -> Batch:
        return convolve(x, self.kernel, self.boundary)

    def A_adjoint(self, y: Batch) -> Batch:
        """The transpose of A."""
        return convolve_adjoint(y, self.kernel, self.boundary)

    def prox_l2(self, z: Batch, y: Batch, gamma: float | Tensor) -> Batch | None:
        """In the Fourier basis for the boundary "circular", else None."""
        return circular_prox(self.kernel, z, y, gamma) if self.boundary == "circular" else None


@named(
    "kernel",
    "a blur of your own, as a picture",
    {"path": Parameter(str), "boundary": BOUNDARY},
    build=lambda given, size, device: KernelBlur.read(given["path"], given["boundary"]),
    values=lambda op: None,
)
@final
@dataclass(frozen=True, eq=False)
class KernelBlur(_Convolution):
    """A blur by any kernel: a bright point becomes the kernel, centered at (kh // 2, kw // 2).

        y[i, j] = sum_mn k[m, n] x[i - m + kh // 2, j - n + kw // 2]

    Args:
        kernel: (kh, kw), any size, also larger than the picture; scaled to sum 1.
        boundary: as for `GaussianBlur`; only "circular" has a closed-form prox.

    Raises:
        ValueError: for a kernel that is not two-dimensional, not finite, or whose sum is not
            above 0; for an unknown boundary.

    Example:
        >>> blur = KernelBlur(torch.tensor([[1.0, 2.0, 1.0]]), boundary="zero")
        >>> blur.A(torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 3)).tolist()
        [[[[0.25, 0.5, 0.25]]]]
    """

    kernel: Tensor
    boundary: Boundary = "reflect"

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        object.__setattr__(self, "kernel", check_kernel(self.kernel))

    @classmethod
    def read(cls, path: str | Path, boundary: Boundary = "reflect") -> KernelBlur:
        """A kernel from a file: picture, .npy, .safetensors or a table of numbers.

        Raises:
            InputError: for a file that cannot be read as a kernel.
        """
        return cls(read_kernel(path), boundary)


@named(
    "motion_blur",
    "camera shake",
    {
        "length": Parameter(float, 0, 2000, fitted=(1.0, 40.0), pixels=True),
        "angle": Parameter(float, default=0.0, fitted=(-90.0, 90.0)),
        "boundary": BOUNDARY,
    },
    scales=True,
)
@final
@dataclass(frozen=True)
class MotionBlur(_Convolution):
    """The mean over a straight path, as when the camera moves during the exposure.

        y(p) = 1 / length integral x(p + s d) ds,   |s| <= length / 2,   x linear between pixels

    Args:
        length: pixels that the picture moves, > 0.
        angle: direction in degrees, counterclockwise from the horizontal.
        boundary: as for `GaussianBlur`; only "circular" has a closed-form prox.

    Raises:
        ValueError: for a length that is no positive number, an angle that is none, or an unknown
            boundary.

    The path is drawn on a grid of odd size, the kernel: float64, of sum 1.

    Example:
        >>> MotionBlur(2.0, angle=90.0).kernel.round(decimals=4).tolist()
        [[0.25], [0.5], [0.25]]
    """

    length: float
    angle: float = 0.0
    boundary: Boundary = "reflect"
    kernel: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        if not (math.isfinite(self.length) and self.length > 0):
            raise ValueError(
                f"length is {self.length:g}, but a motion is a number of pixels above 0: "
                "leave out a blur of width 0"
            )
        if not math.isfinite(self.angle):
            raise ValueError(f"angle is {self.angle:g}, but must be a number of degrees")
        points = 32 * math.ceil(self.length)
        s = (torch.arange(points, dtype=torch.float64) + 0.5) / points - 0.5
        turn = math.radians(self.angle)
        ends = (-math.sin(turn) * self.length, math.cos(turn) * self.length)
        rows, columns = (_hats(s * end) for end in ends)
        drawn = rows.T @ columns
        object.__setattr__(self, "kernel", drawn / drawn.sum())


def circular_prox(kernel: Tensor, z: Tensor, y: Tensor, gamma: float | Tensor) -> Tensor:
    """The prox of a circular convolution: (gamma |K|^2 + 1)^-1 (gamma K* Y + Z)."""
    size = (z.shape[-2], z.shape[-1])
    gain = spectrum(kernel, size)
    gain = gain.to(torch.promote_types(z.dtype, torch.complex64)).to(z.device)
    top = gamma * gain.conj() * torch.fft.rfft2(y) + torch.fft.rfft2(z)
    return torch.fft.irfft2(top / (gamma * gain.abs() ** 2 + 1), s=size)


def _hats(place: Float[Tensor, " points"]) -> Float[Tensor, "points k"]:
    """Weights of linear interpolation at each place, on a grid around 0 that just holds them."""
    reach = math.ceil(float(place.abs().max()) - 1e-9)
    grid = torch.arange(-reach, reach + 1, dtype=place.dtype)
    return (1 - (place[:, None] - grid).abs()).clamp_min(0)


def check_kernel(kernel: Tensor) -> Float[Tensor, "kh kw"]:
    """A kernel as float64 of sum 1.

    Raises:
        ValueError: unless it is two-dimensional, finite and of a sum above 0.

    Example:
        >>> check_kernel(torch.tensor([[1, 3]])).tolist()
        [[0.25, 0.75]]
    """
    shape = "x".join(map(str, kernel.shape)) or "a number"
    if kernel.ndim != 2 or not kernel.numel() or max(kernel.shape) > LARGEST:
        raise ValueError(
            f"the kernel is {shape}, but must have 2 axes (height, width) of 1 to {LARGEST} taps"
        )
    kernel = kernel.detach().to("cpu", torch.float64)
    if not bool(kernel.isfinite().all()):
        raise ValueError(f"the kernel ({shape}) holds NaN or infinite numbers: repair it")
    total = float(kernel.sum())
    if total <= 1e-12 * float(kernel.abs().sum()):
        raise ValueError(
            f"the kernel ({shape}) has the sum {total:.3g}, but a blur keeps brightness, so it is "
            "scaled to sum 1 and must have a sum above 0"
        )
    return kernel / total


def read_kernel(path: str | Path) -> Float[Tensor, "kh kw"]:
    """A kernel from a file, scaled to sum 1.

    Pictures (gray; of colored ones the mean of the channels; linear in the stored values), NumPy's
    `.npy` (never pickled), `.safetensors` with one tensor, and tables of numbers in any other file.

    Raises:
        InputError: for a file that is missing or cannot be read as a kernel.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no kernel file {path}: check the name")
    read = _READERS.get(path.suffix.lower(), _table)
    try:
        return check_kernel(torch.from_numpy(np.asarray(read(path), dtype=np.float64)))
    except (ValueError, OSError, TypeError, SyntaxError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be used as a kernel: {reason}") from error


def _picture(path: Path) -> np.ndarray:
    with open_header(path, least=1) as picture:
        if picture.mode.startswith(("I", "F")):  # whatever their range
            load(picture)
            return np.asarray(picture, dtype=np.float64)
    return decode(path, least=1).light()


def _numpy(path: Path) -> np.ndarray:
    numbers = np.load(path, allow_pickle=False)
    if numbers.dtype.kind not in "biuf":
        raise ValueError(f"its numbers are {numbers.dtype}, but must be real")
    return numbers


def _safetensors(path: Path) -> np.ndarray:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if len(tensors) != 1:
        raise ValueError(f"it holds {len(tensors)} tensors, but must hold one")
    return next(iter(tensors.values())).double().numpy()


def _table(path: Path) -> np.ndarray:
    text = path.read_text(encoding="utf-8").replace(",", " ").replace(";", " ")
    rows = [line.split("#")[0].split() for line in text.splitlines()]
    rows = [[float(number) for number in row] for row in rows if row]
    if len({len(row) for row in rows}) != 1:
        raise ValueError("it is no table of numbers with rows of equal length")
    return np.array(rows)


_READERS = {
    ".npy": _numpy,
    ".safetensors": _safetensors,
    **dict.fromkeys((".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg", ".webp"), _picture),
}
