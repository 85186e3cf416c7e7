"""The options of the task Inpaint; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from dreamsampler.files import InputError
from dreamsampler.images.header import MOST_PIXELS, check_mask, check_picture, transparent
from dreamsampler.methods.inpaint.entries import REMOVE
from dreamsampler.methods.registry import Method, methods_of
from dreamsampler.tasks.inputs import ImageInput
from dreamsampler.tasks.limits import Limits
from dreamsampler.tasks.method_task import MethodTask

InpaintMethod: TypeAlias = Literal[tuple(methods_of("inpaint"))]  # type: ignore[valid-type]
MaskMode: TypeAlias = Literal["white", "black", "alpha"]
MASK_MODES: tuple[MaskMode, ...] = ("white", "black", "alpha")


@dataclass(frozen=True)
class InpaintOptions(MethodTask):
    """The options of an inpainting."""

    image: ImageInput
    """picture to paint into: any size, any common format"""
    prompt: str | tuple[str, ...] = ()
    """what the whole picture should show in the end; one for each mask, or one for all"""
    mask_image: ImageInput | tuple[ImageInput, ...] = ()
    """white is painted, black stays, grey is painted in part; of the size of the picture"""
    mask_mode: MaskMode = "white"
    """what is painted: white, black, or the transparent pixels (without a mask: of the picture)"""
    expand: tuple[int, int, int, int] | None = None
    """pixels of new canvas LEFT TOP RIGHT BOTTOM, painted with the last prompt (outpainting)"""
    feather: float | None = None
    """pixels over which the painting meets the colors along the hole's edge, inside the hole"""
    crop: bool = False
    """work on a window around the holes, at the model's own size: for holes in large pictures"""
    padding_mask_crop: int | None = None
    """with crop: pixels of context around the holes (by default half their extent)"""
    remove: bool = False
    """take away what the mask covers, without a prompt: what lies around it fills the hole"""
    negative_prompt: str | None = None
    """what it should not show (the null prompt if left out)"""
    method: InpaintMethod = "default"
    """how; `dreamsampler methods` lists them"""
    num_inference_steps: int | None = None
    """noise levels to visit; more is slower"""
    guidance_scale: float | None = None
    """CFG weight of the prompts: higher follows them more closely"""
    seed: int = 0
    """seed of the noise; image i of several takes seed + i"""
    num_images: int = 1
    """how many variations"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area the model knows best)"""

    LIMITS: ClassVar[Limits] = {
        **MethodTask.LIMITS,
        "feather": (0.0, 4096.0),
        "padding_mask_crop": (0, 65536),
    }

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", _several(self.prompt))
        object.__setattr__(self, "mask_image", _several(self.mask_image))
        if self.expand is not None:
            object.__setattr__(self, "expand", _several(self.expand))
        super().__post_init__()

    @property
    def masks(self) -> tuple[Any, ...]:
        """The masks, each a path or a picture in memory."""
        return tuple(_several(self.mask_image))

    @property
    def masked(self) -> bool:
        """Whether a mask keeps pixels of the picture to the bit."""
        return bool(self.masks)

    @property
    def holes(self) -> int:
        """How many holes there are: one for each mask, one for the picture's own, one around it."""
        own = self.mask_mode == "alpha" and not self.masks
        return len(self.masks) + own + (self.expand is not None)

    @property
    def chosen(self) -> Method:
        """The method; that of `remove` is no choice."""
        return REMOVE if self.remove else super().chosen

    def check(self) -> None:
        """Refuse options that cannot be meant; ValueError."""
        if self.remove:
            self._check_removal()
        elif not self.prompt:
            raise InputError(
                "a prompt is missing: say what the picture should show, or pass remove to take "
                "away what the mask covers"
            )
        elif not all(isinstance(p, str) and p.strip() for p in self.prompt):
            raise InputError("a prompt is empty: say what the picture should show")
        super().check()
        self._check_holes()

    def _check_removal(self) -> None:
        words = [p for p in self.prompt if not isinstance(p, str) or p.strip()]
        for name, value in {"prompt": words, "negative_prompt": self.negative_prompt,
                            "expand": self.expand}.items():  # fmt: skip
            if value:
                raise InputError(
                    f"remove fills the hole from what lies around it, and takes no {name}: leave "
                    f"{name} out, or leave remove out"
                )
        if self.method != "default":
            raise InputError(
                f"remove has a method of its own: leave method {self.method} out, or leave remove "
                "out and say what the picture should show"
            )

    def _check_holes(self) -> None:
        if not self.holes:
            raise InputError(
                "nothing is to be painted: pass a mask_image (white is painted), mask_mode alpha "
                "for the picture's transparent pixels, or expand for more canvas"
            )
        if len(self.prompt) not in (1, self.holes) and not self.remove:
            raise InputError(
                f"{len(self.prompt)} prompts came for {_counted(self)}: pass one prompt for each, "
                "or a single one"
            )
        if self.padding_mask_crop is not None and not self.crop:
            raise InputError("padding_mask_crop only says how much crop shows: pass crop as well")
        if self.expand is None:
            return
        sides: tuple[Any, ...] = self.expand
        if (
            len(sides) != 4
            or not all(isinstance(n, int) and n >= 0 for n in sides)
            or not any(sides)
        ):
            raise InputError(
                f"expand is {' '.join(map(str, sides))}, but must be four whole numbers of pixels "
                "from 0, LEFT TOP RIGHT BOTTOM, and not all of them 0"
            )

    def inputs(self) -> list[Any]:
        """The picture and the masks."""
        return [self.image, *self.masks]

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of the pictures to be written.

        Raises:
            InputError: a file that cannot be used, or a mask of another size.
        """
        height, width = check_picture(self.image)
        for mask in self.masks:
            check_mask(mask, (height, width))
        if self.mask_mode == "alpha":
            for path in self.masks or (self.image,):
                _check_transparency(path)
        if self.expand is None:
            return height, width
        left, top, right, bottom = self.expand
        wide = (height + top + bottom, width + left + right)
        if wide[0] * wide[1] > MOST_PIXELS:
            raise InputError(f"expand makes {wide[1]}x{wide[0]} pixels, too many: expand less")
        return wide


def _several(value: Any) -> Sequence[Any]:
    """A tuple of what may be one thing."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _counted(task: InpaintOptions) -> str:
    masks = len(task.masks)
    parts = [f"{masks} mask{'s' * (masks > 1)}"] if masks else []
    if task.mask_mode == "alpha" and not masks:
        parts.append("the picture's own hole")
    if task.expand is not None:
        parts.append("the new canvas")
    return " and ".join(parts)


def _check_transparency(path: Any) -> None:
    name = path if isinstance(path, str | Path) else "the picture"
    if not transparent(path):
        raise InputError(
            f"{name} has no transparency, and mask mode alpha paints transparent pixels: pass "
            "a picture with an alpha channel, or mask mode white or black"
        )
