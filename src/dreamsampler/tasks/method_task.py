"""Tasks with a choice of methods; needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsampler.files import InputError
from dreamsampler.methods.registry import Method, method, methods_of
from dreamsampler.tasks.base import Task

if TYPE_CHECKING:
    from dreamsampler.maths import Step


class MethodTask(Task):
    """A task that a registered method does.

    Attributes:
        METHOD_OPTIONS: options that a method may have or not; None in them is the method's own.
    """

    METHOD_OPTIONS: ClassVar[tuple[str, ...]] = ("num_inference_steps", "guidance_scale")
    method: Any
    prompt: Any
    negative_prompt: Any
    seed: int
    num_images: int
    size: Any

    @property
    def chosen(self) -> Method:
        """The method."""
        return method(self.name(), self.method)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The method's settings, with the options that were given in their place."""
        given = {name: getattr(self, name) for name in self.METHOD_OPTIONS}
        return {**self.chosen.settings, **{n: v for n, v in given.items() if v is not None}}

    def start_method(self, inputs: Any) -> tuple[Iterator[Step], int]:
        """The steps of the method, and how many there are.

        Args:
            inputs: what the method gets (`methods.inputs`).

        Raises:
            ValueError: a model that the method cannot use.
        """
        from dreamsampler.models.prior import scale_for

        chosen, usual = dict(self.settings), self.chosen.settings
        for name in ("guidance_scale", "source_guidance_scale"):
            if name in usual:
                chosen[name] = scale_for(inputs.prior, getattr(self, name), usual[name])
        return self.chosen.start(inputs, chosen)

    @property
    def draws(self) -> bool:
        """Whether another seed makes another result."""
        return self.chosen.draws

    @property
    def images(self) -> int:
        """How many pictures the model works on at a time."""
        return self.num_images

    @property
    def model_side(self) -> int:
        """Longer side in the model that was requested, in pixels; 0 where it is the model's own."""
        return self.size or 0

    def check(self) -> None:
        """Refuse options that cannot be meant; an option that the method does not have is refused.

        Raises:
            ValueError: one line that says what came, what is needed and what to do.
        """
        super().check()
        self.check_method()
        self.check_negative_prompt()

    def check_method(self) -> None:
        """Refuse options that the method does not have; InputError."""
        chosen, had = self.chosen, self.chosen.settings
        for name in self.METHOD_OPTIONS:
            if getattr(self, name) is not None and name not in had:
                options = ", ".join(n for n in self.METHOD_OPTIONS if n in had)
                raise InputError(
                    f"method {chosen.name} has no {name}: leave it out (it has {options}), or take "
                    "another method"
                )
        names = [each.name for each in fields(self)]  # type: ignore[arg-type]
        for name in ("source_prompt", "negative_prompt"):
            if name in names and getattr(self, name) and getattr(chosen, name) == "unused":
                raise InputError(
                    f"method {self.method} has no {name}, as published: leave it out, or take "
                    f"another method ({', '.join(_with(self, name))})"
                )
            if name in names and not getattr(self, name) and getattr(chosen, name) == "needed":
                raise InputError(f"method {self.method} needs a {name}: say what the picture shows")
        if not chosen.draws and (self.num_images > 1 or self.seed):
            raise InputError(
                f"method {chosen.name} draws no noise, so every seed gives the same picture: leave "
                "seed and num_images out"
            )

    def check_negative_prompt(self) -> None:
        """Refuse a negative prompt without effect; InputError."""
        if self.negative_prompt and self.settings.get("guidance_scale") == 1:
            usual = self.chosen.settings.get("guidance_scale") or 0.0
            raise InputError(
                "negative_prompt does nothing at guidance_scale 1: raise guidance_scale, such as "
                f"{max(2.0, usual):g}, or leave negative_prompt out"
            )


def _with(task: MethodTask, name: str) -> list[str]:
    """The methods that have a kind of prompt."""
    known = methods_of(task.name())
    return [method for method, each in known.items() if getattr(each, name) != "unused"]
