"""The options of the task Restore; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dreamsampler.files import InputError
from dreamsampler.methods.registry import methods_of
from dreamsampler.tasks.inputs import ImageInput, OperatorInput
from dreamsampler.tasks.method_task import MethodTask
from dreamsampler.tasks.operator_task import OperatorTask

RestoreMethod: TypeAlias = Literal[tuple(methods_of("restore"))]  # type: ignore[valid-type]


@dataclass(frozen=True)
class RestoreOptions(OperatorTask, MethodTask):
    """The options of a restoration."""

    image: ImageInput
    """degraded picture: any size, any common format"""
    operator: OperatorInput
    """what was done to it, such as "blur(sigma=3)" or "blur(2) | downsample(4)"; ? in place of a
    number has it found out"""
    noise: float | Literal["auto"] = "auto"
    """standard deviation of its noise, as a share of white; auto measures it (and takes less than
    0.01 for none where pixels are lost, so that the others stay to the bit)"""
    prompt: str | None = None
    """what the sharp picture shows, if that is known"""
    negative_prompt: str | None = None
    """what it does not show; acts where guidance_scale is not 1"""
    method: RestoreMethod = "default"
    """how; `dreamsampler methods` lists them"""
    num_inference_steps: int | None = None
    """noise levels to visit"""
    guidance_scale: float | None = None
    """CFG weight of the prompt; 1 follows the prompt without guidance"""
    adaptive_negation: bool = False
    """treg: move the null prompt, level by level, away from what the estimate shows"""
    num_images: int = 1
    """how many restorations; of several, their mean and spread are written as well"""
    seed: int = 0
    """seed of the noise; image i takes seed + i"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area the model knows best)"""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The method's settings, with the options that were given in their place."""
        more = {"adaptive_negation": True} if self.adaptive_negation else {}
        return {**super().settings, **more}

    def check(self) -> None:
        """Refuse options that cannot be meant; ValueError."""
        super().check()
        if self.adaptive_negation:
            self._check_negation()
        linear = self.description.linear
        if self.chosen.linear and not linear:
            others = [n for n, each in methods_of("restore").items() if not each.linear]
            raise InputError(
                f"method {self.method} needs a linear operator, and {self.operator} is not: take "
                f"one of {', '.join(others)}"
            )

    def check_negative_prompt(self) -> None:
        """Refuse guidance without a prompt, and a negative prompt without effect; InputError."""
        for name in ("guidance_scale", "negative_prompt"):
            if getattr(self, name) is not None and not (self.prompt or "").strip():
                raise InputError(f"{name} came without a prompt: name what the picture shows")
        super().check_negative_prompt()

    def _check_negation(self) -> None:
        if "adaptive_negation" not in self.chosen.settings:
            raise InputError(
                f"adaptive_negation is a part of method treg, which {self.method} does not have"
            )
        if not (self.prompt or "").strip() or self.settings["guidance_scale"] == 1:
            raise InputError(
                "adaptive_negation moves what a prompt is guided away from: pass a prompt, and a "
                "guidance_scale above 1"
            )

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of what will be written."""
        return self.check_measured(self.image)

    def inputs(self) -> list[Any]:
        """The picture, and the files of the operator."""
        return [self.image, *self.description.inputs()]

    def outputs(self, path: Path) -> list[Path]:
        """One picture; of several, OUT-0, OUT-1, ... and then OUT-mean and OUT-spread."""
        names = super().outputs(path)
        if self.num_images == 1:
            return names
        return names + [path.with_stem(f"{path.stem}-{word}") for word in ("mean", "spread")]
