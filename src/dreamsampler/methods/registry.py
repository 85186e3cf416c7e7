"""Every method that a task can be asked for, by name; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final


@final
@dataclass(frozen=True)
class Method:
    """One method."""

    name: str
    title: str
    task: Literal["edit", "inpaint", "restore"]
    function: str
    settings: Mapping[str, Any]
    paper: str = ""
    use: str = ""
    evaluations: int = 0
    draws: bool = True
    source_prompt: str = "used"
    negative_prompt: str = "used"
    attention: bool = False


_E = (
    "num_inference_steps",
    "guidance_scale",
    "source_guidance_scale",
    "strength",
    "shift",
    "gamma",
)


def _edit(name: str, *values: Any, **more: Any) -> Method:
    settings = {k: v for k, v in zip(_E, values, strict=True) if v is not None}
    return Method(name, name, "edit", "", settings, **more)


METHODS: tuple[Method, ...] = (
    _edit("default", 16, 5.0, None, 0.75, 1.0, None),
    _edit(
        "ledits", 20, 7.5, None, 0.65, 1.0, None, source_prompt="unused", negative_prompt="unused"
    ),
    _edit("flowedit", 33, 13.5, 3.5, 0.853, 3.0, None),
    _edit(
        "dreamsampler",
        200,
        None,
        None,
        None,
        None,
        0.2,
        draws=False,
        source_prompt="unused",
        negative_prompt="unused",
    ),
    Method(
        "default",
        "",
        "inpaint",
        "",
        {"num_inference_steps": 20, "guidance_scale": 5.0, "fresh": 0.5},
    ),
    Method(
        "dreamsampler", "", "inpaint", "", {"num_inference_steps": 200}, negative_prompt="unused"
    ),
    Method(
        "default",
        "",
        "restore",
        "",
        {
            "num_inference_steps": 20,
            "guidance_scale": 1.0,
            "starts": (0.3, 0.2, 0.2, 0.2),
            "spread": 0.5,
        },
    ),
    Method("treg", "", "restore", "", {"num_inference_steps": 50, "guidance_scale": 7.5}),
    Method("flowdps", "", "restore", "", {"num_inference_steps": 28, "guidance_scale": 2.0}),
    Method("dps", "", "restore", "", {"num_inference_steps": 200, "guidance_scale": 1.0}),
    Method("psld", "", "restore", "", {"num_inference_steps": 200, "guidance_scale": 1.0}),
    Method(
        "dreamsampler", "", "restore", "", {"num_inference_steps": 200}, negative_prompt="unused"
    ),
)


def methods_of(task: str) -> dict[str, Method]:
    """The methods of a task by name."""
    return {each.name: each for each in METHODS if each.task == task}


def method(task: str, name: str) -> Method:
    """A method by name."""
    return methods_of(task)[name]
