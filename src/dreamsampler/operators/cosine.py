"""The discrete cosine transform: eigenvectors of every even blur of a mirrored picture."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def dct(x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """The orthonormal DCT-II along the last axis, in n log n.

        X[k] = c[k] sum_i x[i] cos(pi k (2 i + 1) / 2n),   c[0] = sqrt(1/n), c[k] = sqrt(2/n)

    Example:
        >>> dct(torch.ones(1, 4)).round(decimals=6).abs().tolist()
        [[2.0, 0.0, 0.0, 0.0]]

    Source: Makhoul, IEEE Trans. ASSP 28 (1980), eqs. 18-20.
    """
    n = x.shape[-1]
    folded = torch.cat([x[..., ::2], x[..., 1::2].flip(-1)], -1)
    turned = torch.fft.rfft(folded) * _turn(n, x)
    # X[k] is the real part, X[n - k] the imaginary one, as the rest of the waves is conjugate
    upper = turned.imag[..., 1 : (n + 1) // 2].flip(-1)
    return torch.cat([turned.real, -upper], -1) * _scale(n, x)


def idct(x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """The inverse, and so the transpose, of `dct`.

    Example:
        >>> idct(dct(torch.tensor([[3.0, 1.0, 2.0]]))).round(decimals=5).tolist()
        [[3.0, 1.0, 2.0]]
    """
    n = x.shape[-1]
    real = x / _scale(n, x)
    half = (n + 1) // 2
    lower = real[..., : n // 2 + 1]
    imaginary = F.pad(-real[..., n - n // 2 :].flip(-1), (1, 0))
    folded = torch.fft.irfft(torch.complex(lower, imaginary) * _turn(n, x).conj(), n=n)
    back = torch.empty_like(folded)
    back[..., ::2], back[..., 1::2] = folded[..., :half], folded[..., half:].flip(-1)
    return back


def dct2(x: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch h w"]:
    """`dct` along the last two axes."""
    return dct(dct(x).mT).mT


def idct2(x: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch h w"]:
    """`idct` along the last two axes."""
    return idct(idct(x).mT).mT


def even_spectrum(kernel: Float[Tensor, " k"], size: int) -> Float[Tensor, " size"]:
    """Eigenvalues of a mirrored convolution with an even kernel of odd length, in DCT's order.

        lambda[j] = sum_m kernel[m] cos(pi j m / size),   m from the center

    Exact for kernels longer than the picture as well, since the mirrored cosine goes on for ever.
    """
    reach = len(kernel) // 2
    m = torch.arange(-reach, reach + 1, dtype=kernel.dtype, device=kernel.device)
    j = torch.arange(size, dtype=kernel.dtype, device=kernel.device)
    return torch.cos(math.pi / size * j[:, None] * m) @ kernel


def _turn(n: int, like: Tensor) -> Tensor:
    angle = torch.arange(n // 2 + 1, dtype=torch.float64) * (-math.pi / (2 * n))
    turn = torch.polar(torch.ones_like(angle), angle)
    return turn.to(torch.promote_types(like.dtype, torch.complex64)).to(like.device)


def _scale(n: int, like: Tensor) -> Tensor:
    scale = like.new_full((n,), math.sqrt(2 / n))
    scale[0] = math.sqrt(1 / n)
    return scale
