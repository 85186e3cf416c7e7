"""The task Degrade: measure a picture as a bad camera would, to have something to restore.

Importing this file needs no torch, so that `dreamsampler --help` answers at once.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from dreamsampler.files import InputError
from dreamsampler.images.header import SHORTEST_SIDE, check_picture

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.images.picture import Picture
    from dreamsampler.operators.spec import Description

ROUNDING = 1e-5
"""How far outside of [0, 1] a sum in float32 may lie without being clipped."""


@final
@dataclass(frozen=True)
class Degrade:
    """Blur, shrink, spoil a picture in a known way: y = A x + noise, at the picture's own size."""

    image: Path | str
    """picture to degrade: any size, any common format; transparent parts are laid on white"""
    operator: str
    """what is done to it, such as "blur(sigma=3)" or "blur(2) | downsample(4)"; none for noise
    alone"""
    noise: float = 0.0
    """standard deviation of the noise that is added at the end, as a share of white: 0.02 is five
    levels of 255"""
    seed: int = 0
    """seed of the noise"""
    bits: Literal[8, 16] = 8
    """bits per sample of the file; rounding to 8 is itself a noise of 0.0011, 16 needs a .png"""

    @property
    def description(self) -> Description:
        """The operator, read.

        Raises:
            ValueError: for what names no operator, with a suggestion.
        """
        from dreamsampler.operators.spec import parse

        return parse(self.operator)

    def check(self) -> None:
        """Refuse what cannot be meant, before anything is loaded.

        Raises:
            ValueError: with one line that says what came, what was wanted and what to do.
        """
        described = self.description
        if described.unknown:
            raise ValueError(
                f"{described} leaves {', '.join(described.unknown)} open, but a picture is "
                "degraded by a known operator: give numbers instead of ?"
            )
        number = isinstance(self.noise, int | float) and not isinstance(self.noise, bool)
        if not number or not math.isfinite(self.noise) or not 0 <= self.noise <= 1:
            raise ValueError(
                f"noise is {self.noise}, but must be a number from 0 to 1, a share of white: 0.02 "
                "is five levels of 255"
            )
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}, but must be a whole number from 0 to 2^63 - 1")
        if self.bits not in (8, 16):
            raise ValueError(f"bits is {self.bits}, but a file has 8 or 16 of them per sample")

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of what will be written.

        Raises:
            InputError: if the picture or a file of the operator cannot be used.
        """
        size_hw = check_picture(self.image)
        for path in self.description.inputs():
            if not path.is_file():
                raise InputError(f"there is no file {path}, which the operator names")
        return self.description.measured_size(size_hw)

    def inputs(self) -> list[Path]:
        """The picture, and the files of the operator."""
        return [Path(self.image), *self.description.inputs()]

    def outputs(self, path: Path) -> list[Path]:
        """The one picture.

        Raises:
            ValueError: 16 bits, and a format that has only 8.
        """
        if self.bits == 16 and path.suffix.lower() != ".png":
            raise ValueError(f"{path} cannot hold 16 bits: name it {path.stem}.png, or take 8 bits")
        return [path]

    def run(self) -> Tensor:
        """The measurement y = A x + noise, (3, h, w), neither clipped nor rounded.

        A gray measurement comes three times; what a mask hides or an operator does not see at all
        is 0 (black) and has no noise.

        Example:
            >>> from dreamsampler.tasks.degrade import Degrade
            >>> task = Degrade("cat.png", "blur(sigma=3)", noise=0.02)  # doctest: +SKIP
            >>> task.run().shape                                        # doctest: +SKIP
            torch.Size([3, 480, 640])

        Raises:
            ValueError: options that cannot be meant, or a picture that cannot be used.
        """
        from dreamsampler.images.picture import open_picture

        self.check()
        return self._measure(open_picture(self.image))

    def _measure(self, source: Picture) -> Tensor:
        import torch

        x = source.flat()[None]
        op = self.description.build(source.size)
        y, seen = op.A(x), op.A(torch.ones_like(x)).abs() > 1e-6
        if not bool(y.isfinite().all()):
            raise ValueError(f"{self.operator} makes infinite values: give it smaller numbers")
        rng = torch.Generator("cpu").manual_seed(self.seed)
        y = y + self.noise * torch.randn(y.shape, generator=rng)
        return torch.where(seen, y, 0.0)[0].expand(3, -1, -1)

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Degrade, and write the measurement, the recipe in it; whole or not at all.

        A file holds numbers from 0 to 1 in steps of 1/255 (1/65535 with 16 bits). Clipping cuts off
        the noise of black and white grounds, so that it is weaker and one-sided there; rounding
        adds 0.29 steps of noise. Restoring from the file meets both, as with a real photograph.

        Args:
            path: where to; the suffix chooses the format. JPEG and small files are warned of.
            recipe: what the file should say about its making; by default all of it.

        Raises:
            ValueError: as for `run`.
            OutputError: if the file cannot be written.
        """
        from dreamsampler.images.picture import open_picture, save_picture

        self.check()
        (path,) = self.outputs(Path(path))
        source = open_picture(self.image)
        y = self._measure(source)
        clipped = float(((y < -ROUNDING) | (y > 1 + ROUNDING)).float().mean())
        recipe = self._recipe(source, clipped) if recipe is None else recipe
        _warn(path, (y.shape[-2], y.shape[-1]))
        like = replace(source, rgb=y, alpha=None, depth=self.bits)
        save_picture(path, y, like, recipe)
        return [path]

    def _recipe(self, source: Picture, clipped: float) -> dict[str, Any]:
        from dreamsampler.tasks.recipe import make_recipe

        asked: Any = self  # neither starts nor iterates, as other tasks and runs do
        told: Any = _Told(source, [self.seed], clipped)
        recipe = make_recipe(asked, told, None, {})
        return {key: recipe[key] for key in recipe if key not in ("model", "evaluations")}


@final
class _Told:
    """What a recipe asks of a run: here there is no model, and nothing to iterate."""

    evaluations = 0

    def __init__(self, source: Picture, seeds: list[int], clipped: float) -> None:
        self.source, self.seeds = source, seeds
        self.report: dict[str, Any] = {"clipped": round(clipped, 5)}
        self.seconds: dict[str, float] = {}


def _warn(path: Path, size_hw: tuple[int, int]) -> None:
    if path.suffix.lower() in (".jpg", ".jpeg"):
        warnings.warn(f"{path}: JPEG spoils it once more; write a .png", stacklevel=3)
    if min(size_hw) < SHORTEST_SIDE:
        warnings.warn(
            f"{path} has {size_hw[1]}x{size_hw[0]} pixels, and files of fewer than "
            f"{SHORTEST_SIDE} a side are not read again",
            stacklevel=3,
        )
