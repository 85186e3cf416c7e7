"""The task Degrade: measure a picture as a bad camera would, to have something to restore.

Needs no model, and no torch until it is run.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from dreamsampler.files import InputError
from dreamsampler.images.header import SHORTEST_SIDE, check_picture
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.inputs import ImageInput, OperatorInput
from dreamsampler.tasks.operator_task import OperatorTask

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.images.picture import Picture

ROUNDING = 1e-5
"""How far outside of [0, 1] a sum in float32 may lie without being clipped."""


@dataclass(frozen=True)
class DegradeOptions(OperatorTask):
    """The options of a measurement."""

    image: ImageInput
    """picture to degrade: any size, any common format; transparency is degraded as colors are"""
    operator: OperatorInput
    """what is done to it, such as "blur(sigma=3)" or "blur(2) | downsample(4)"; none for noise
    alone"""
    noise: float = 0.0
    """standard deviation of the noise that is added at the end, as a share of white: 0.02 is five
    levels of 255"""
    seed: int = 0
    """seed of the noise"""
    bits: Literal[8, 16] = 8
    """bits per sample of the file; rounding to 8 is itself a noise of 0.0011, 16 needs a .png"""

    USES_MODEL: ClassVar[bool] = False

    def check(self) -> None:
        """Refuse options that cannot be meant; ValueError."""
        super().check()
        self.check_known()

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of what will be written."""
        size_hw = check_picture(self.image)
        self.check_operator_files(size_hw)
        return self.description.measured_size(size_hw)

    def inputs(self) -> list[Any]:
        """The picture, and the files of the operator."""
        return [self.image, *self.description.inputs()]

    def outputs(self, path: Path) -> list[Path]:
        """The one picture.

        Raises:
            ValueError: 16 bits, and a format that has only 8.
        """
        if self.bits == 16 and path.suffix.lower() != ".png":
            raise InputError(f"{path} cannot hold 16 bits: name it {path.stem}.png, or take 8 bits")
        return [path]


@final
class DegradeRun(Run[DegradeOptions]):
    """A measurement; made by `Degrade.start`. It has no steps.

    A file holds numbers from 0 to 1 in steps of 1/255 (1/65535 with 16 bits). Clipping cuts off the
    noise of black and white grounds, so that it is weaker and one-sided there; rounding adds 0.29
    steps of noise. Restoring from the file meets both, as with a real photograph.

    Attributes:
        measurement: y = A x + noise, (3, h, w), neither clipped nor rounded. A gray measurement
            comes three times; what an operator does not see at all is 0 (black) and has no noise.
        alpha: of a transparent picture A alpha / A 1, (1, h, w), else None; `measurement` lies on
        the picture's `ground`.
    """

    def __init__(self, task: DegradeOptions) -> None:
        from dreamsampler.images.picture import open_picture

        super().__init__(task, None, [task.seed])
        self.source = open_picture(task.image)
        self.measurement, self.alpha = self._measured(self.source)

    def _measured(self, source: Picture) -> tuple[Tensor, Tensor | None]:
        import torch

        task, x = self.task, source.flat()[None]
        op = task.description.build(source.size)
        y, one = op.A(x), op.A(torch.ones_like(x))
        seen, alpha = one.abs() > 1e-6, source.alpha
        if alpha is not None:
            share = op.A(alpha.expand(1, 3, -1, -1)) / torch.where(seen, one, 1.0)
            alpha = torch.where(seen, share, 1.0)[0].mean(0, keepdim=True).clamp(0, 1)
        if not bool(y.isfinite().all()):
            raise InputError(f"{task.operator} makes infinite values: give it smaller numbers")
        rng = torch.Generator("cpu").manual_seed(task.seed)
        y = y + task.noise * torch.randn(y.shape, generator=rng)
        return torch.where(seen, y, 0.0)[0].expand(3, -1, -1), alpha

    def _decoded(self) -> list[Tensor]:
        return [self.measurement]

    def files(self) -> list[tuple[Tensor, Picture, dict[str, Any]]]:
        """The measurement, with the requested bits."""
        y, ground = self.measurement, self.source.ground
        like = replace(self.source, rgb=y, alpha=self.alpha, depth=self.task.bits)
        return [(like.unflat(y, ground), like, {})]

    @property
    def report(self) -> dict[str, Any]:
        """The share of the numbers that a file cannot hold."""
        y = self.measurement
        clipped = ((y < -ROUNDING) | (y > 1 + ROUNDING)).float().mean()
        return {"clipped": round(float(clipped), 5)}

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the measurement; JPEG and small files are warned of."""
        height, width = self.measurement.shape[-2:]
        _warn(Path(path), (height, width))
        return super().save(path, recipe)


@final
@dataclass(frozen=True)
class Degrade(DegradeOptions):
    """Blur, shrink, spoil a picture in a known way: y = A x + noise, at the picture's own size.

    Example:
        >>> import numpy as np
        >>> from dreamsampler import Degrade
        >>> gray = np.full((32, 48, 3), 128, np.uint8)
        >>> Degrade(gray, "downsample(2)", noise=0.02)().images[0].size
        (24, 16)
    """

    def start(self, model: Any = None) -> DegradeRun:
        """Measure; the model is not used.

        Raises:
            ValueError: options that cannot be meant, or a picture that cannot be used.
        """
        del model
        self.check()
        return DegradeRun(self)


def _warn(path: Path, size_hw: tuple[int, int]) -> None:
    if path.suffix.lower() in (".jpg", ".jpeg"):
        warnings.warn(f"{path}: JPEG spoils it once more; write a .png", stacklevel=3)
    if min(size_hw) < SHORTEST_SIDE:
        warnings.warn(
            f"{path} has {size_hw[1]}x{size_hw[0]} pixels, and files of fewer than "
            f"{SHORTEST_SIDE} a side are not read again",
            stacklevel=3,
        )
