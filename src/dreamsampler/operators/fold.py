"""Convolution with a boundary, and its exact transpose.

A picture is continued beyond its edge, then convolved, then only its own pixels are kept. All of it
is linear, works for kernels longer than the picture, and every step has its transpose beside it.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal, TypeAlias, final, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Boundary: TypeAlias = Literal["reflect", "circular", "zero"]
"""Beyond the edge: the mirrored picture (edge pixel twice), the picture again, or black."""

DIRECT = 33
"""Kernels of at most this many taps are convolved tap by tap, larger ones by FFT. On a CPU that is
2 to 20 times as fast as torch's own convolution of single channels, forward and backward."""


def check_boundary(boundary: str) -> None:
    """Refuse any boundary but the three.

    Raises:
        ValueError: naming them.
    """
    if boundary not in get_args(Boundary):
        known = ", ".join(get_args(Boundary))
        raise ValueError(f"there is no boundary {boundary!r}: choose one of {known}")


def fold(index: Tensor, size: int, boundary: Boundary) -> Tensor:
    """The index of the pixel that continues a picture at any index; not for "zero".

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

    Example:
        >>> point = torch.tensor([0.0, 0, 1, 0, 0]).view(1, 1, 1, 5)
        >>> convolve(point, torch.tensor([[1.0, 2, 3]]), "zero").tolist()
        [[[[0.0, 1.0, 2.0, 3.0, 0.0]]]]
    """
    kernel = kernel.to(dtype=x.dtype)
    return _Convolve.apply(x, kernel, boundary, False)  # type: ignore[no-any-return]


def convolve_adjoint(
    y: Float[Tensor, "b c h w"], kernel: Float[Tensor, "kh kw"], boundary: Boundary
) -> Float[Tensor, "b c h w"]:
    """The transpose of `convolve`."""
    kernel = kernel.to(dtype=y.dtype)
    return _Convolve.apply(y, kernel, boundary, True)  # type: ignore[no-any-return]


@final
class _Convolve(torch.autograd.Function):
    """The convolution or its transpose; the gradient of each is the other."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, boundary: Boundary, adjoint: bool) -> Tensor:
        ctx.kernel, ctx.boundary, ctx.adjoint = kernel, boundary, adjoint
        x, move = (_inside_adjoint(x, kernel), extend_adjoint) if adjoint else (x, extend)
        for dim, n in enumerate(kernel.shape, -2):
            x = move(x, dim, n - 1 - n // 2, n // 2, boundary)
        return x if adjoint else _inside(x, kernel)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        inputs = gradients[0], ctx.kernel, ctx.boundary, not ctx.adjoint
        return _Convolve.apply(*inputs), None, None, None


def _inside(x: Tensor, kernel: Tensor) -> Tensor:
    """The convolution of a continued picture, where the kernel lies inside of it."""
    kh, kw = kernel.shape
    h, w = x.shape[-2] - kh + 1, x.shape[-1] - kw + 1
    if kernel.numel() <= DIRECT:
        y = x.new_zeros(*x.shape[:-2], h, w)
        for i, row in enumerate(kernel.flip(0, 1).tolist()):
            for j, tap in enumerate(row):
                y.add_(x[..., i : i + h, j : j + w], alpha=tap)
        return y
    axes = [d for d in (-2, -1) if kernel.shape[d] > 1]
    y = _by_waves(x, kernel, [x.shape[d] for d in axes], axes, adjoint=False)
    return y[..., kh - 1 :, kw - 1 :]


def _inside_adjoint(y: Tensor, kernel: Tensor) -> Tensor:
    """The transpose of `_inside`."""
    (kh, kw), (h, w) = kernel.shape, y.shape[-2:]
    if kernel.numel() <= DIRECT:
        x = y.new_zeros(*y.shape[:-2], h + kh - 1, w + kw - 1)
        for i, row in enumerate(kernel.flip(0, 1).tolist()):
            for j, tap in enumerate(row):
                x[..., i : i + h, j : j + w].add_(y, alpha=tap)
        return x
    axes = [d for d in (-2, -1) if kernel.shape[d] > 1]
    padded = F.pad(y, (kw - 1, 0, kh - 1, 0))
    return _by_waves(padded, kernel, [padded.shape[d] for d in axes], axes, adjoint=True)


def _by_waves(x: Tensor, kernel: Tensor, size: list[int], axes: list[int], adjoint: bool) -> Tensor:
    """The circular convolution, or its transpose, along those axes."""
    wave = torch.fft.rfftn(kernel.to(x.device), s=size, dim=axes)
    product = torch.fft.rfftn(x, dim=axes) * (wave.conj() if adjoint else wave)
    return torch.fft.irfftn(product, s=size, dim=axes)


def spectrum(kernel: Float[Tensor, "kh kw"], size: tuple[int, int]) -> Tensor:
    """Eigenvalues of the circular convolution of pictures of that size, in the order of `rfft2`.

    Kernels larger than the picture are wrapped around it.
    """
    for dim, length in enumerate(size):
        index = (torch.arange(kernel.shape[dim]) - kernel.shape[dim] // 2) % length
        wrapped = kernel.new_zeros([length if d == dim else n for d, n in enumerate(kernel.shape)])
        kernel = wrapped.index_add(dim, index.to(kernel.device), kernel)
    return torch.fft.rfft2(kernel)
