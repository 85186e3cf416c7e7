"""The command `plan`: what a task would take, before anything is loaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.cli.options import Json
from dreamsampler.interfaces.model_options import LoadOptions
from dreamsampler.tasks.plan_inputs import PlannedTask


@final
@dataclass(frozen=True)
class Plan(Json):
    """Print what a task would take: memory and network evaluations; nothing is loaded.

    Of the model only its configuration is read (and fetched, if it is not here); no picture is
    needed.
    """

    task: PlannedTask
    """which task"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area the model knows best; models
    of pictures of any size, such as photo, need it)"""
    method: str | None = None
    """of the task; `dreamsampler methods` lists them"""
    num_inference_steps: int | None = None
    """noise levels to visit"""
    guidance_scale: float | None = None
    """CFG weight of the prompt; 1 takes fewer evaluations"""
    operator: str | None = None
    """restore, vectorize, reconstruct: what was done to the picture"""
    num_images: int | None = None
    """how many variations at a time"""
    views: int | None = None
    """reconstruct: how many views"""
    memory: float | None = None
    """GiB of a device that is not here, such as 24; by default what is free on the device"""


def print_plan(options: Plan, model: LoadOptions) -> None:
    """Count, and print what would happen and whether it fits."""
    from dreamsampler.models.device import choose_device
    from dreamsampler.tasks.plan import make_plan
    from dreamsampler.tasks.plan_inputs import placeholder_task

    memory = options.memory
    if memory is not None and not 0 < memory < 1e5:
        raise InputError(f"memory is {memory:g}, but must be GiB above 0, such as 24")
    if options.views is not None and options.task != "reconstruct":
        raise InputError(f"{options.task} has no views: leave it out")
    loading = {**model.arguments(), "memory": None if memory is None else round(memory * 2**30)}
    if model.device is None and memory is None:
        loading["device"] = str(choose_device(None))
    names = ("size", "method", "num_inference_steps", "guidance_scale", "operator", "num_images")
    given: dict[str, Any] = {name: getattr(options, name) for name in names}
    with placeholder_task(options.task, given, options.views or 20) as task:
        made = make_plan(task, model.named, **loading)
    if options.size is None and not made.own_size:
        raise InputError(
            f"{model.named} sees pictures at their own size: pass --size and their longer side"
        )
    if options.json:
        print(json.dumps({**asdict(made), "fits": made.fits}))
    else:
        print("\n".join(made.lines()))
