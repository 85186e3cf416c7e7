"""Convolution with a boundary, and its exact transpose.

A picture is continued beyond its edge, then convolved, then only its own pixels are kept. All of it
is linear, works for kernels longer than the picture, and every step has its transpose beside it.
"""

from __future__ import annotations

from functools import reduce
from typing import Literal, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Boundary: TypeAlias = Literal["reflect", "circular", "zero"]
"""What lies beyond the edge: the mirrored picture (edge pixel twice), itself again, or black."""

DIRECT = 121
"""Kernels of at most this many taps are convolved directly, larger ones by FFT."""


def check_boundary(boundary: str) -> None:
    """Refuse any boundary but the three.

    Raises:
        ValueError: naming them.
    """
    if boundary not in get_args(Boundary):
        known = ", ".join(get_args(Boundary))
        raise ValueError(f"there is no boundary {boundary!r}: choose one of {known}")


def fold(index: Tensor, size: int, boundary: Boundary) -> Tensor:
    """Which pixel is seen at an index outside of 0 ... size - 1; not for "zero".

    Example:
        >>> fold(torch.arange(-3, 5), 2, "reflect").tolist()
        [1, 1, 0, 0, 1, 1, 0, 0]
        >>> fold(torch.arange(-3, 5), 2, "circular").tolist()
        [1, 0, 1, 0, 1, 0, 1, 0]
    """
    if boundary == "circular":
        return index % size
    index = index % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)


def extend(x: Tensor, dim: int, before: int, after: int, boundary: Boundary) -> Tensor:
    """Continue x by so many pixels before and after it along one axis."""
    size = x.shape[dim]
    if boundary == "zero":
        pads = [0, 0] * (x.ndim - 1 - dim % x.ndim) + [before, after]
        return F.pad(x, pads)
    index = torch.arange(-before, size + after, device=x.device)
    return x.index_select(dim, fold(index, size, boundary))


def extend_adjoint(y: Tensor, dim: int, before: int, after: int, boundary: Boundary) -> Tensor:
    """The transpose of `extend`: what lies outside is added where it was taken from.

    Sums copy by copy, in a fixed order, so that the same input gives the same bits on any device.
    """
    size = y.shape[dim] - before - after
    if boundary == "zero":
        return y.narrow(dim, before, size)
    parts: list[Tensor] = []
    for copy in range(-before // size, (size + after - 1) // size + 1):
        low, high = max(copy * size, -before), min((copy + 1) * size, size + after)
        part = y.narrow(dim, low + before, high - low)
        head, tail = low - copy * size, (copy + 1) * size - high
        if boundary == "reflect" and copy % 2:
            part, head, tail = part.flip(dim), tail, head
        parts.append(extend(part, dim, head, tail, "zero"))
    return reduce(torch.add, parts)


def convolve(
    x: Float[Tensor, "b c h w"], kernel: Float[Tensor, "kh kw"], boundary: Boundary
) -> Float[Tensor, "b c h w"]:
    """Convolve every channel: a bright point becomes the kernel, centered at (kh // 2, kw // 2).

        y[i, j] = sum_mn kernel[m, n] x[i - m + kh // 2, j - n + kw // 2]

    Args:
        x: pictures or measurements of any size, 1 pixel included.
        kernel: any size, larger than the picture included.
        boundary: what x is beyond its edge.

    Example:
        >>> point = torch.tensor([0.0, 0, 1, 0, 0]).view(1, 1, 1, 5)
        >>> convolve(point, torch.tensor([[1.0, 2, 3]]), "zero").tolist()
        [[[[0.0, 1.0, 2.0, 3.0, 0.0]]]]
    """
    kernel = kernel.to(dtype=x.dtype).to(x.device)
    for dim, (before, after) in _margins(kernel):
        x = extend(x, dim, before, after, boundary)
    if kernel.numel() <= DIRECT:
        y = F.conv2d(x.flatten(0, 1)[:, None], kernel.flip(0, 1)[None, None])
        return y.unflatten(0, x.shape[:2])[:, :, 0]
    size = x.shape[-2:]
    product = torch.fft.rfft2(x) * torch.fft.rfft2(kernel, s=size)
    return torch.fft.irfft2(product, s=size)[..., kernel.shape[0] - 1 :, kernel.shape[1] - 1 :]


def convolve_adjoint(
    y: Float[Tensor, "b c h w"], kernel: Float[Tensor, "kh kw"], boundary: Boundary
) -> Float[Tensor, "b c h w"]:
    """The transpose of `convolve`."""
    kernel = kernel.to(dtype=y.dtype).to(y.device)
    if kernel.numel() <= DIRECT:
        x = F.conv_transpose2d(y.flatten(0, 1)[:, None], kernel.flip(0, 1)[None, None])
        x = x.unflatten(0, y.shape[:2])[:, :, 0]
    else:
        padded = F.pad(y, (kernel.shape[1] - 1, 0, kernel.shape[0] - 1, 0))
        size = padded.shape[-2:]
        product = torch.fft.rfft2(padded) * torch.fft.rfft2(kernel, s=size).conj()
        x = torch.fft.irfft2(product, s=size)
    for dim, (before, after) in _margins(kernel):
        x = extend_adjoint(x, dim, before, after, boundary)
    return x


def spectrum(kernel: Float[Tensor, "kh kw"], size: tuple[int, int]) -> Tensor:
    """Eigenvalues of the circular convolution of pictures of that size, in the order of `rfft2`.

    Kernels larger than the picture are wrapped around it.
    """
    for dim, length in enumerate(size):
        index = (torch.arange(kernel.shape[dim]) - kernel.shape[dim] // 2) % length
        wrapped = kernel.new_zeros([length if d == dim else n for d, n in enumerate(kernel.shape)])
        kernel = wrapped.index_add(dim, index.to(kernel.device), kernel)
    return torch.fft.rfft2(kernel)


def _margins(kernel: Tensor) -> list[tuple[int, tuple[int, int]]]:
    """For both axes, how far a kernel looks before and after a pixel."""
    return [(d - 2, (n - 1 - n // 2, n // 2)) for d, n in enumerate(kernel.shape)]
