"""The options of the task Edit; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from dreamsampler.files import InputError
from dreamsampler.images.header import check_mask, check_picture
from dreamsampler.methods.registry import methods_of
from dreamsampler.tasks.inputs import ImageInput
from dreamsampler.tasks.limits import Limits
from dreamsampler.tasks.method_task import MethodTask

if TYPE_CHECKING:
    from dreamsampler.regularizers.parse import Regularizers

EditMethod: TypeAlias = Literal[tuple(methods_of("edit"))]  # type: ignore[valid-type]

TRIES = 4
"""Strengths that `auto` tries."""


@dataclass(frozen=True)
class EditOptions(MethodTask):
    """The options of an edit."""

    image: ImageInput
    """picture to edit: any size, any common format"""
    prompt: str
    """what the picture should show"""
    source_prompt: str | None = None
    """what it shows now; naming it keeps more of the picture"""
    negative_prompt: str | None = None
    """what it should not show (the null prompt if left out)"""
    method: EditMethod = "default"
    """how; `dreamsampler methods` lists them"""
    num_inference_steps: int | None = None
    """noise levels to visit; more is slower, not stronger"""
    guidance_scale: float | None = None
    """CFG weight of the prompt: higher changes more"""
    guidance: Literal["cfg", "rectified_cfg_pp"] | None = None
    """how the prompt guides, for the methods that let you choose, such as instruct; cfg: along the
    difference of two prompts; rectified_cfg_pp: along that of half a step ahead, more stable at
    high scales"""
    source_guidance_scale: float | None = None
    """CFG weight of the source prompt, for the methods that have one, such as flowedit"""
    strength: float | Literal["auto"] | None = None
    """0 changes nothing, 1 starts from pure noise: higher may change larger shapes; auto tries
    four (or as many as candidates says) with one seed, and keeps one as candidates does"""
    gamma: float | None = None
    """method dreamsampler only: weight of the prompt in the published update"""
    mask_image: ImageInput | None = None
    """white may change, black comes back bit for bit; of the size of the picture"""
    seed: int = 0
    """seed of the noise; image i of several takes seed + i"""
    num_images: int = 1
    """how many variations"""
    candidates: int | None = None
    """try so many strengths and seeds, and keep the one that changes least among those that the
    model itself finds to show the prompt; num_images is 1"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area the model knows best)"""
    regularize: str | None = None
    """what else the result should be: symmetry, tileable, total_variation(weight),
    palette(picture), reference_style(picture); several with |"""

    METHOD_OPTIONS: ClassVar[tuple[str, ...]] = (
        "num_inference_steps",
        "guidance_scale",
        "guidance",
        "source_guidance_scale",
        "strength",
        "gamma",
    )
    LIMITS: ClassVar[Limits] = {
        **MethodTask.LIMITS,
        "source_guidance_scale": (0.0, 100.0),
        "gamma": (0.0, 100.0),
        "candidates": (2, 16),
    }
    RECORDS: ClassVar[tuple[str, ...]] = ("candidates.png",)

    @property
    def settings(self) -> Mapping[str, Any]:
        """As `MethodTask.settings`; strength auto is the method's own until one is kept."""
        found = dict(super().settings)
        if self.strength == "auto":
            found["strength"] = self.chosen.settings.get("strength")
        return found

    @property
    def tries(self) -> int | None:
        """How many candidates are tried; None where the edit is made once."""
        return self.candidates or (TRIES if self.strength == "auto" else None)

    @property
    def regularizers(self) -> Regularizers | None:
        """What `regularize` says, read; ValueError for what names none."""
        if self.regularize is None:
            return None
        from dreamsampler.regularizers.parse import read_regularizers

        return read_regularizers(self.regularize)

    @property
    def masked(self) -> bool:
        """Whether a mask keeps pixels of the picture to the bit."""
        return self.mask_image is not None

    def check(self) -> None:
        """Refuse options that cannot be meant; ValueError."""
        if not isinstance(self.prompt, str):
            raise InputError(f"prompt is {self.prompt!r}, but must be text")
        if not self.prompt.strip():
            raise InputError("the prompt is empty: say what the picture should show")
        super().check()
        _ = self.regularizers
        if self.tries is None:
            return
        said = f"candidates is {self.candidates}" if self.candidates else "strength is auto"
        if self.num_images != 1:
            raise InputError(
                f"{said} and num_images {self.num_images}: one candidate is kept, so leave "
                "num_images out"
            )
        if not (self.chosen.draws and self.settings.get("strength")):
            raise InputError(
                f"{said}, but candidates differ in strength and seed, and method {self.method} "
                "has none here: pass a strength above 0, or take the default method"
            )

    def inputs(self) -> list[Any]:
        """The picture, the mask if there is one, and the pictures that `regularize` names."""
        found = [each for each in (self.image, self.mask_image) if each is not None]
        return found if self.regularizers is None else [*found, *self.regularizers.inputs()]

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of the picture."""
        size_hw = check_picture(self.image)
        if self.mask_image is not None:
            check_mask(self.mask_image, size_hw)
        if self.regularizers is not None:
            for path in self.regularizers.inputs():
                check_picture(path)
        return size_hw
