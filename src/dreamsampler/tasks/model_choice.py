"""The model of a task where none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamsampler.files import InputError


def model_of(task: Any, model: Any) -> tuple[Any, str]:
    """A model, and why it was taken if it was not named.

    Args:
        task: what it is for.
        model: a prior, `BundledModels`, or None, which stands for them.

    Raises:
        InputError: the name of a model in place of one.
    """
    if isinstance(model, str | Path):
        name = str(model)
        raise InputError(f"{name} is a name: pass dreamsampler.from_pretrained({name!r})")
    if not task.USES_MODEL:
        return model, ""
    from dreamsampler.models.bundled_models import BundledModels

    model = BundledModels() if model is None else model
    if not isinstance(model, BundledModels):
        return model, ""
    task.check()
    return model.choose(task.shown())
