"""Which conditions a guidance scale means, by how a network is guided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dreamsampler.maths import Weight, weigh
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Family


def guided_conditions(
    family: Family, name: str, condition: Any, null: Any, scale: Weight
) -> list[tuple[Any, Weight]]:
    """See `NetworkPrior.guided`.

    Args:
        family: of the network.
        name: of the model.
        condition: of the prompt.
        null: of the negative or null prompt.
        scale: 1 is the prompt alone.
    """
    name = name or "this model"
    if family.guides_itself and (null.prompt or scale != 1):
        raise ModelError(
            f"{name} guides itself by its call: leave guidance_scale and the negative prompt "
            "out of the task, or guidance_scale out of the call"
        )
    if family.guidance == "cfg" or null.prompt:
        return [(null, lambda level: 1 - weigh(scale, level)), (condition, scale)]
    if callable(scale):
        raise ModelError(
            f"{name} was distilled to one guidance scale for a whole run, so it cannot change "
            "with the level: pass a number"
        )
    if family.guidance == "embedded":
        return [(replace(condition, guidance_scale=scale), 1.0)]
    if scale != 1 and family.guidance == "none":
        raise ModelError(f"{name} reads no prompts: leave guidance_scale out")
    if scale != 1:
        raise ModelError(
            f"{name} was distilled with guidance and without the null prompt, so "
            f"guidance_scale {scale:g} means nothing to it: pass guidance_scale 1, or a "
            "negative prompt to be guided away from"
        )
    return [(condition, 1.0)]
