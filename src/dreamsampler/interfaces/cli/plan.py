"""The command `plan`: what a task would take, before anything is loaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

from dreamsampler.tasks.plan_inputs import TaskName


@final
@dataclass(frozen=True)
class Planned:
    """What a task would take: memory and network evaluations; nothing is loaded.

    Of the model only its configuration is read (and fetched, if it is not here); no picture is
    needed.
    """

    task: TaskName
    """what would be done"""
    model: str = "iconic"
    """iconic (comes with the package), an alias (sd15, sdxl, flux-dev, ...), a hub id, or a
    diffusers folder"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area the model knows best)"""
    preset: str | None = None
    """of the task"""
    num_inference_steps: int | None = None
    """noise levels to visit"""
    guidance_scale: float | None = None
    """CFG weight of the prompt; 1 asks the model less often"""
    operator: str | None = None
    """restore, vectorize, reconstruct: what was done to the picture"""
    num_images: int | None = None
    """how many variations at a time"""
    views: int | None = None
    """reconstruct: how many views"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """precision of the networks"""
    device: str | None = None
    """where it would run (the best one there is, if left out)"""
    memory: float | None = None
    """GiB of a device that is not here, such as 24; by default what is free on the device"""
    offload: Literal["model", "sequential"] | None = None
    """weights wait in main memory: whole networks, or layer by layer (slow)"""
    release_text_encoders: bool = False
    """forget them once the prompts are read"""
    tiling: int | None = None
    """side of the tiles, in pixels, in which pictures are encoded and decoded"""
    gradient_checkpointing: bool = False
    """less memory for gradients, for a third more time"""
    distilled: Literal["turbo", "lcm", "lightning", "schnell", "none"] | None = None
    """how a model came to need few steps, where its name does not say it"""
    revision: str | None = None
    """branch, tag or commit of a hub model"""
    local_files_only: bool = False
    """never ask the network for a model"""
    json: bool = False
    """print the plan as one JSON document"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""


def plan(wanted: Planned) -> None:
    """Count, and say what would happen and whether it fits."""
    from dreamsampler.models.device import choose_device
    from dreamsampler.tasks.plan import make_plan
    from dreamsampler.tasks.plan_inputs import sketched

    if wanted.memory is not None and not 0 < wanted.memory < 1e5:
        raise ValueError(f"memory is {wanted.memory:g}, but must be GiB above 0, such as 24")
    if wanted.views is not None and wanted.task != "reconstruct":
        raise ValueError(f"{wanted.task} has no views: leave it out")
    device = wanted.device
    if device is None and wanted.memory is None:
        device = str(choose_device(None))
    names = ("size", "preset", "num_inference_steps", "guidance_scale", "operator", "num_images")
    options: dict[str, Any] = {name: getattr(wanted, name) for name in names}
    with sketched(wanted.task, options, wanted.views or 20) as (task, held):
        made = make_plan(
            task,
            wanted.model,
            held=held,
            dtype=wanted.dtype,
            device=device,
            memory=None if wanted.memory is None else round(wanted.memory * 2**30),
            offload=wanted.offload,
            release_text_encoders=wanted.release_text_encoders,
            tiling=wanted.tiling,
            gradient_checkpointing=wanted.gradient_checkpointing,
            distilled=wanted.distilled,
            revision=wanted.revision,
            local_files_only=wanted.local_files_only or None,
        )
    if wanted.json:
        print(json.dumps({**asdict(made), "fits": made.fits}))
    else:
        print("\n".join(made.lines()))
