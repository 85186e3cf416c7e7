"""A prior around a diffusers pipeline in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsampler.models.driven.arguments import read_call, typed_call
from dreamsampler.models.driven.codec import DrivenCodec
from dreamsampler.models.driven.family import DrivenFamily
from dreamsampler.models.errors import ModelError
from dreamsampler.models.families import FAMILIES
from dreamsampler.models.family import Family, check_start
from dreamsampler.models.few_steps import few_steps
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.weights import memory_revision


def from_pipe(pipeline: Any, **call: Any) -> NetworkPrior:
    """A prior around a diffusers pipeline in memory, of any class whose loop steps a scheduler.

        output = what the pipeline's own loop passes to scheduler.step, asked for z at a level

    The pipeline's own call encodes prompts and asks its networks, so what it takes, and what is
    loaded into it (ControlNet, IP-Adapter, LoRA, quantized or offloaded weights), counts. Nothing
    is copied, moved, cast, or set to require gradients; what happens to the pipeline later happens
    to the prior. Stable Diffusion 1.x, 2.x and XL without further arguments are asked directly.

    Args:
        call: arguments of its call that hold for every prompt: control_image, ip_adapter_image,
            image as a reference, prompt_embeds, ... A path stands for the picture, or for the
            tensor of a .safetensors file. With guidance_scale among them the pipeline
            guides itself, and tasks take no guidance scale.

    Raises:
        ModelError: an argument that the call does not have, or a pipeline that cannot be used
            (no scheduler.step, videos, two networks by noise level), and why.
        InputError: a file that is missing, or no picture.

    Example:
        >>> prior = from_pipe(StableDiffusionPipeline.from_pretrained(...))    # doctest: +SKIP
        >>> prior = from_pipe(control_net_pipeline, image="edges.png")         # doctest: +SKIP
    """
    name = str(getattr(pipeline, "name_or_path", None) or type(pipeline).__name__)
    own = None if call else native(pipeline)
    values, recorded = read_call(type(pipeline), call)
    family: Any = DrivenFamily(pipeline, values) if own is None else own
    codec: Any = DrivenCodec(family) if own is None else own.codec(pipeline.components, None)
    prior = NetworkPrior(family, codec, name=name, revision=memory_revision(family.network))
    check_start(prior.schedule(1.0).alpha, prior.target)
    prior.added = {"call": recorded} if recorded else {}
    few_steps([name], type(pipeline.scheduler).__name__).apply(prior)
    return prior


def with_call(prior: NetworkPrior, call: Mapping[str, Any]) -> NetworkPrior | None:
    """A prior under other arguments of its pipeline's call; None if it has no pipeline.

    Args:
        prior: of `from_pretrained` with a call, or of `from_pipe`; it stays as it is.
        call: the arguments, in place of its own.

    Raises:
        ModelError: as `from_pipe`.
    """
    family = getattr(prior, "family", None)
    if not isinstance(family, DrivenFamily):
        return None
    made = from_pipe(family.pipeline.pipe, **call)
    made.name, made.revision = prior.name, prior.revision
    made.grid = prior.grid
    made.added |= {name: value for name, value in prior.added.items() if name != "call"}
    return made


def call_of(prior: Any, entries: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of a prior's pipeline's call from text, with files as paths (`typed_call`).

    Raises:
        ModelError: an argument that it does not have, text of another kind, or a prior that is
            asked without a call.
    """
    family = getattr(prior, "family", None)
    if not isinstance(family, DrivenFamily):
        raise ModelError(
            "this model is not asked through a pipeline's call: leave call out, or load it with "
            "pipeline and the name of its class"
        )
    return typed_call(type(family.pipeline.pipe), entries)


def with_more(prior: NetworkPrior, entries: Mapping[str, str]) -> NetworkPrior:
    """A prior under further arguments of its call, given as text, beside its own.

    Raises:
        ModelError: as `call_of` and `from_pipe`.
    """
    typed = call_of(prior, entries)
    family: Any = prior.family
    made = with_call(prior, {**family.pipeline.call, **typed})
    assert made is not None
    recorded = made.added["call"]
    made.added["call"] = {**recorded, **prior.added.get("call", {})}
    made.added["call"] |= {name: recorded[name] for name in typed}
    return made


def native(pipeline: Any) -> Family | None:
    """The adapter of a pipeline's class, if it has one that fits its parts."""
    name = type(pipeline).__name__
    kind = next((kind for kind in FAMILIES if name in kind.pipelines), None)
    if kind is None:
        return None
    parts = {n: getattr(pipeline, n, None) for n in (*kind.parts, "scheduler")}
    missing = [n for n, part in parts.items() if part is None]
    if missing:
        raise ModelError(f"{name} has no {missing[0]}: load the pipeline with it")
    return kind(parts, dict(getattr(pipeline, "config", None) or {}))
