"""The task Restore: undo what a camera, a file format or an accident did to a picture.

Importing this file needs no torch, so that `dreamsampler --help` answers at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, final

from dreamsampler.files import InputError, numbered
from dreamsampler.images.header import MOST_PIXELS, check_picture
from dreamsampler.tasks.limits import Limits, check_numbers

if TYPE_CHECKING:
    from dreamsampler.images.picture import InMemoryImages
    from dreamsampler.models.prior import Prior
    from dreamsampler.operators.spec import Description
    from dreamsampler.tasks.restore.run import RestoreRun

RestorePreset: TypeAlias = Literal["default", "treg", "flowdps", "dps", "psld", "paper"]


@final
@dataclass(frozen=True)
class RestoreSettings:
    """What a preset leaves open, and its choice; None marks an option that it does not have.

    Args:
        num_inference_steps: noise levels visited.
        guidance_scale: CFG weight of the prompt; 1 is the prompt alone.
        starts: flow time u = sigma / (alpha + sigma) of the first level of each walk; None for a
            single one all the way from noise.
        spread: deviation that the estimate of a level is believed up to, over its u.
    """

    num_inference_steps: int
    guidance_scale: float | None
    starts: tuple[float, ...] | None = None
    spread: float | None = None


RESTORE_PRESETS: dict[RestorePreset, RestoreSettings] = {
    "default": RestoreSettings(20, 1.0, (0.3, 0.2, 0.2, 0.2), 0.5),
    "treg": RestoreSettings(50, 7.5),
    "flowdps": RestoreSettings(28, 2.0),
    "dps": RestoreSettings(200, 1.0),
    "psld": RestoreSettings(200, 1.0),
    "paper": RestoreSettings(200, None),
}


@final
@dataclass(frozen=True)
class Restore:
    """Undo a known or guessed degradation of a picture: blur, low resolution, lost pixels, JPEG."""

    image: Path | str
    """degraded picture: any size, any common format"""
    operator: str
    """what was done to it, such as "blur(sigma=3)" or "blur(2) | downsample(4)"; ? in place of a
    number has it found out"""
    noise: float | Literal["auto"] = "auto"
    """standard deviation of its noise, as a share of white; auto measures it"""
    prompt: str | None = None
    """what the sharp picture shows, if that is known"""
    negative_prompt: str | None = None
    """what it does not show; acts where guidance_scale is not 1"""
    preset: RestorePreset = "default"
    """default: best measured, for any operator; treg: as published, for linear operators; flowdps:
    as published, for any operator; dps: as published, slow, its samples spread most truly; psld:
    dps with a gluing term, for linear operators; paper: DreamSampler's alternation, to compare with
    it, slow"""
    num_inference_steps: int | None = None
    """noise levels to visit"""
    guidance_scale: float | None = None
    """CFG weight of the prompt; 1 believes it as the model does"""
    adaptive_negation: bool = False
    """treg: move the null prompt, level by level, away from what the estimate shows"""
    samples: int = 1
    """how many restorations; of several, their mean and spread are written as well"""
    seed: int = 0
    """seed of the noise; sample i takes seed + i"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area the model knows best)"""

    LIMITS: ClassVar[Limits] = {
        "num_inference_steps": (1, 1000),
        "guidance_scale": (0.0, 100.0),
        "seed": (0, 2**63 - 1),
        "samples": (1, 64),
        "size": (16, 8192),
    }

    @property
    def settings(self) -> RestoreSettings:
        """The preset, with this task's own choices in it."""
        base = RESTORE_PRESETS[self.preset]
        own = ("num_inference_steps", "guidance_scale")
        chosen = {name: getattr(self, name) for name in own if getattr(self, name) is not None}
        return RestoreSettings(
            **{f.name: getattr(base, f.name) for f in fields(RestoreSettings)} | chosen
        )

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
        if self.preset not in RESTORE_PRESETS:
            known = ", ".join(RESTORE_PRESETS)
            raise ValueError(f"there is no preset {self.preset!r}: choose one of {known}")
        check_numbers(self, self.LIMITS)
        _check_noise(self.noise)
        self._check_prompts()
        described = self.description
        linear = all(step.name != "jpeg" for step in described.steps)
        if not linear and self.preset in ("treg", "psld", "paper"):
            raise ValueError(
                f"preset {self.preset} needs a linear operator, and jpeg is not: take default, "
                "flowdps or dps"
            )

    def _check_prompts(self) -> None:
        scale, has = self.settings.guidance_scale, RESTORE_PRESETS[self.preset].guidance_scale
        if has is None:
            for name in ("guidance_scale", "negative_prompt"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"preset {self.preset} has no {name}: leave it out, or take another preset"
                    )
        elif not (self.prompt or "").strip() and self.guidance_scale is not None:
            raise ValueError("guidance_scale came without a prompt to guide to: name one")
        elif self.negative_prompt and not (self.prompt or "").strip():
            raise ValueError("negative_prompt came without a prompt: name what the picture shows")
        elif self.negative_prompt and scale == 1:
            raise ValueError(
                "negative_prompt does nothing at guidance_scale 1: raise guidance_scale, such as 2"
            )
        if self.adaptive_negation:
            self._check_negation()

    def _check_negation(self) -> None:
        if self.preset != "treg":
            raise ValueError(
                f"adaptive_negation is a part of preset treg, which {self.preset} does not have"
            )
        if not (self.prompt or "").strip() or self.settings.guidance_scale == 1:
            raise ValueError(
                "adaptive_negation moves what a prompt is guided away from: pass a prompt, and a "
                "guidance_scale above 1"
            )

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of what will be written.

        Raises:
            InputError: if the picture or a file of the operator cannot be used, or the result
                would be larger than 64 megapixels.
        """
        measured = check_picture(self.image)
        for path in self.description.inputs():
            if not path.is_file():
                raise InputError(f"there is no file {path}, which the operator names")
        height, width = self.description.input_size(measured)
        if height * width > MOST_PIXELS:
            raise InputError(
                f"{self.operator} makes {width}x{height} pixels of {measured[1]}x{measured[0]}: "
                "crop the picture, or take a smaller factor"
            )
        return height, width

    def inputs(self) -> list[Path]:
        """The picture, and the files of the operator."""
        return [Path(self.image), *self.description.inputs()]

    def outputs(self, path: Path) -> list[Path]:
        """One picture; of several OUT-0, OUT-1, ..., then OUT-mean and OUT-spread."""
        names = numbered(path, self.samples)
        if self.samples == 1:
            return names
        return names + [path.with_stem(f"{path.stem}-{word}") for word in ("mean", "spread")]

    def start(self, prior: Prior, held: InMemoryImages | None = None) -> RestoreRun:
        """Open the picture and make a first guess; iterate over the result to run.

        Args:
            prior: the model.
            held: pictures that are in memory (`images.memory.picture_of`), by the names under which
                this task asks for them; every other name is a file.

        Example:
            >>> from dreamsampler import Restore, from_pretrained        # doctest: +SKIP
            >>> task = Restore("blurred.png", "blur(sigma=3)", prompt="cat face")  # doctest: +SKIP
            >>> run = task.start(from_pretrained())                      # doctest: +SKIP
            >>> for step in run: print(step.index, "of", run.total)        # doctest: +SKIP
            >>> run.save("sharp.png"); print(run.report)                 # doctest: +SKIP

        Raises:
            ValueError: options that cannot be meant, or a picture that cannot be used.
        """
        from dreamsampler.tasks.restore.run import RestoreRun

        self.check()
        return RestoreRun(self, prior, held)


def _check_noise(noise: Any) -> None:
    if noise == "auto":
        return
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not math.isfinite(noise):
        raise ValueError(f'noise is {noise!r}, but must be a number from 0 to 1, or "auto"')
    if not 0 <= noise <= 1:
        raise ValueError(
            f"noise is {noise:g}, but must be from 0 to 1, a share of white: 0.02 is five levels "
            "of 255"
        )
