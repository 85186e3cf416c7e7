"""Blur kernels from tensors and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dreamsampler.files import InputError

LARGEST = 4097
"""Kernels longer than this are refused: a picture passed by mistake is more likely."""


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
    from PIL import Image as PillowImage

    try:
        with PillowImage.open(path) as picture:
            if picture.mode.startswith(("I", "F")):
                return np.asarray(picture, dtype=np.float64)
            return np.asarray(picture.convert("RGB"), dtype=np.float64).mean(-1)
    except PillowImage.DecompressionBombError as error:
        raise ValueError("it is far too large") from error


def _numpy(path: Path) -> np.ndarray:
    numbers = np.load(path, allow_pickle=False)
    if numbers.dtype.kind not in "biuf":
        raise ValueError(f"its numbers are {numbers.dtype}, and real ones were wanted")
    return numbers


def _safetensors(path: Path) -> np.ndarray:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if len(tensors) != 1:
        raise ValueError(f"it holds {len(tensors)} tensors, and one was wanted")
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
