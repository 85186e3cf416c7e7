"""The task Inpaint: paint what a prompt asks for into holes, keep every other pixel.

Importing this file needs no torch, so that `dreamsampler --help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, final

from dreamsampler.files import InputError, numbered
from dreamsampler.images.header import MOST_PIXELS, check_mask, check_picture, open_header
from dreamsampler.tasks.limits import Limits, check_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dreamsampler.images.picture import InMemoryImages
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.inpaint.run import InpaintRun

InpaintPreset: TypeAlias = Literal["default", "paper"]
MaskMode: TypeAlias = Literal["white", "black", "alpha"]
MASK_MODES: tuple[MaskMode, ...] = ("white", "black", "alpha")


@final
@dataclass(frozen=True)
class InpaintSettings:
    """What a preset leaves open, and its choice; None marks an option that it does not have.

    Args:
        num_inference_steps: noise levels visited (by `paper` twice: up and down).
        guidance_scale: CFG weight of the prompts.
        fresh: share of the noise that every step draws anew; 1 all of it.
    """

    num_inference_steps: int
    guidance_scale: float | None
    fresh: float | None


INPAINT_PRESETS: dict[InpaintPreset, InpaintSettings] = {
    "default": InpaintSettings(20, 5.0, 0.5),
    "paper": InpaintSettings(200, None, None),
}


@final
@dataclass(frozen=True)
class Inpaint:
    """Paint what a prompt asks for into holes of a picture; every other pixel stays as it is."""

    image: Path | str
    """picture to paint into: any size, any common format"""
    prompt: tuple[str, ...]
    """what the whole picture should show in the end; one for each mask, or one for all"""
    mask_image: tuple[Path, ...] = ()
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
    negative_prompt: str | None = None
    """what it should not show (the null prompt if left out)"""
    preset: InpaintPreset = "default"
    """default: best measured, the one to begin with; paper: DreamSampler as published, to compare
    with it, many times slower"""
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
        "num_inference_steps": (1, 1000),
        "guidance_scale": (0.0, 100.0),
        "feather": (0.0, 4096.0),
        "padding_mask_crop": (0, 65536),
        "seed": (0, 2**63 - 1),
        "num_images": (1, 64),
        "size": (16, 8192),
    }

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", _several(self.prompt))
        object.__setattr__(self, "mask_image", tuple(Path(m) for m in _several(self.mask_image)))
        if self.expand is not None:
            object.__setattr__(self, "expand", _several(self.expand))

    @property
    def settings(self) -> InpaintSettings:
        """The preset, with this task's own choices in it."""
        base, names = INPAINT_PRESETS[self.preset], [f.name for f in fields(InpaintSettings)]
        own: dict[str, Any] = {name: getattr(self, name, None) for name in names}
        return InpaintSettings(**{n: getattr(base, n) if own[n] is None else own[n] for n in names})

    @property
    def holes(self) -> int:
        """How many holes there are: one for each mask, one for the picture's own, one around it."""
        own = self.mask_mode == "alpha" and not self.mask_image
        return len(self.mask_image) + own + (self.expand is not None)

    def check(self) -> None:
        """Refuse what cannot be meant, before anything is loaded.

        Raises:
            ValueError: with one line that says what came, what was wanted and what to do.
        """
        self._check_choices()
        self._check_holes()
        check_numbers(self, self.LIMITS)
        base = INPAINT_PRESETS[self.preset]
        if self.guidance_scale is not None and base.guidance_scale is None:
            raise ValueError(
                f"preset {self.preset} has no guidance_scale: it weighs the prompts by alpha_bar, "
                "as published; leave it out"
            )
        if self.negative_prompt and base.guidance_scale is None:
            raise ValueError(
                f"preset {self.preset} keeps most of what it sees under the null prompt, so a "
                "negative prompt would be approached: leave negative_prompt out"
            )
        if self.negative_prompt and self.guidance_scale == 1:
            raise ValueError(
                "negative_prompt does nothing at guidance_scale 1: raise guidance_scale, such as "
                f"{base.guidance_scale:g}, or leave negative_prompt out"
            )

    def _check_choices(self) -> None:
        if not self.prompt or not all(isinstance(p, str) and p.strip() for p in self.prompt):
            raise ValueError("a prompt is empty: say what the picture should show")
        for name, known in (("preset", tuple(INPAINT_PRESETS)), ("mask_mode", MASK_MODES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"there is no {name} {getattr(self, name)!r}: choose one of {', '.join(known)}"
                )

    def _check_holes(self) -> None:
        if not self.holes:
            raise ValueError(
                "nothing is to be painted: pass a mask_image (white is painted), mask_mode alpha "
                "for the picture's transparent pixels, or expand for more canvas"
            )
        if len(self.prompt) not in (1, self.holes):
            raise ValueError(
                f"{len(self.prompt)} prompts came for {_counted(self)}: pass one prompt for each, "
                "or a single one"
            )
        if self.padding_mask_crop is not None and not self.crop:
            raise ValueError("padding_mask_crop only says how much crop shows: pass crop as well")
        if self.expand is None:
            return
        sides: tuple[Any, ...] = self.expand
        if (
            len(sides) != 4
            or not all(isinstance(n, int) and n >= 0 for n in sides)
            or not any(sides)
        ):
            raise ValueError(
                f"expand is {' '.join(map(str, sides))}, but must be four whole numbers of pixels "
                "from 0, LEFT TOP RIGHT BOTTOM, and not all of them 0"
            )

    def inputs(self) -> list[Path]:
        """The picture and the masks."""
        return [Path(self.image), *self.mask_image]

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of the pictures to be written.

        Raises:
            InputError: a file that cannot be used, or a mask of another size.
        """
        height, width = check_picture(self.image)
        for mask in self.mask_image:
            check_mask(mask, (height, width))
        if self.mask_mode == "alpha":
            for path in self.mask_image or (Path(self.image),):
                _check_transparency(path)
        if self.expand is None:
            return height, width
        left, top, right, bottom = self.expand
        wide = (height + top + bottom, width + left + right)
        if wide[0] * wide[1] > MOST_PIXELS:
            raise InputError(f"expand makes {wide[1]}x{wide[0]} pixels, too many: expand less")
        return wide

    def outputs(self, path: Path) -> list[Path]:
        """One picture, or OUT-0, OUT-1, ... for several."""
        return numbered(path, self.num_images)

    def start(self, prior: Prior, held: InMemoryImages | None = None) -> InpaintRun:
        """Open the pictures and encode them; iterate over the result to run.

        Args:
            prior: the model.
            held: pictures that are in memory (`images.memory.picture_of`), by the names under which
                this task asks for them; every other name is a file.

        Example:
            >>> from dreamsampler import from_pretrained                        # doctest: +SKIP
            >>> from dreamsampler.tasks import Inpaint                          # doctest: +SKIP
            >>> task = Inpaint("face.png", "nerd face", mask_image="eyes.png")  # doctest: +SKIP
            >>> task.start(from_pretrained()).run().save("nerd.png")            # doctest: +SKIP

        Raises:
            ValueError: options that cannot be meant, or pictures that cannot be used.
        """
        from dreamsampler.tasks.inpaint.run import InpaintRun

        self.check()
        return InpaintRun(self, prior, held)


def _several(value: Any) -> Sequence[Any]:
    """A tuple of what may be one thing."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _counted(task: Inpaint) -> str:
    masks = len(task.mask_image)
    parts = [f"{masks} mask{'s' * (masks > 1)}"] if masks else []
    if task.mask_mode == "alpha" and not masks:
        parts.append("the picture's own hole")
    if task.expand is not None:
        parts.append("the new canvas")
    return " and ".join(parts)


def _check_transparency(path: Path) -> None:
    with open_header(path) as image:
        if not image.has_transparency_data:
            raise InputError(
                f"{path} has no transparency, and mask mode alpha paints transparent pixels: pass "
                "a picture with an alpha channel, or mask mode white or black"
            )
