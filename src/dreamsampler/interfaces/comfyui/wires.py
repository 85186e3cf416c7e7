"""The inputs of a node that take ComfyUI's own objects: MODEL, VAE and CONDITIONING."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsampler.interfaces.comfyui.prior import ComfyPrior
from dreamsampler.models.prior import Prior
from dreamsampler.tasks import Task
from dreamsampler.tasks.options import options_of

PROMPTS = {"positive": "prompt", "negative": "negative_prompt", "source": "source_prompt"}
"""CONDITIONING input -> the option whose words it stands for."""
_KINDS = {
    "vae": ("VAE", "with a MODEL: the VAE of its latents"),
    "positive": ("CONDITIONING", "with a MODEL: what the picture should show; leave prompt empty"),
    "negative": ("CONDITIONING", "with a MODEL: of an empty text, or what should not be shown"),
    "source": ("CONDITIONING", "with a MODEL: what the picture shows now"),
}


def wires_of(task: type[Task]) -> dict[str, tuple[str, str]]:
    """Optional inputs of a task's node: name -> (ComfyUI's type, tooltip)."""
    known = options_of(task)
    return {name: kind for name, kind in _KINDS.items() if PROMPTS.get(name, "prompt") in known}


def connected(
    task: type[Task], model: Any, wires: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[Prior, dict[str, Any]]:
    """The prior of a node, and the options that its CONDITIONING stands for.

    Args:
        wires: `wires_of(task)` -> what is connected, or None.
    """
    given = {name: wire for name, wire in wires.items() if wire is not None}
    if isinstance(model, Prior):
        if given:
            raise ValueError(
                f"{' and '.join(given)} came with a model of the DreamSampler Loader, which has "
                "its own: disconnect them, or connect a MODEL instead"
            )
        return model, {}
    words = [name for name in PROMPTS.values() if options.get(name)]
    if words:
        raise ValueError(
            f"{' and '.join(words)} came as text, but a MODEL takes CONDITIONING: empty the text "
            "and connect it, or take the DreamSampler Loader"
        )
    needed = ["vae", "negative"] + ["positive"] * options_of(task)["prompt"].required
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(
            f"a MODEL came without {' and '.join(missing)}: connect them as for a KSampler"
        )
    vae = given.pop("vae")
    prior = ComfyPrior(model, vae, given)
    same = given.get("source") is given.get("positive")  # one condition cancels to the last bit
    words = {"positive": "positive", "source": "positive" if same else "source"}
    return prior, {PROMPTS[n]: f"CONDITIONING {words[n]}" for n in words if n in given}
