"""What calls with a stubbed network tell of a pipeline: its guidance, its batches, its sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.models.driven.call import LoopError, same
from dreamsampler.models.driven.pipeline import Pipeline
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Guidance

_PROMPT = "a photo of a cat"
_LONGER = "a photo of a cat and another photo of a cat"
Slot = dict[tuple[Any, ...], Any]
"""The inputs of a network under one condition: path of an input -> value."""


@final
@dataclass(frozen=True)
class Learned:
    """What a pipeline does with its call's arguments.

    Args:
        guidance: how it is guided ("cfg": by us, with its null prompt).
        scale: the argument that means its guidance scale, or None.
        default_scale: the scale by default.
        batches: whether its call takes a list of prompts.
        null: inputs of the network under the pipeline's own null prompt, where they are not those
            of an empty prompt.
        null_fits: whether those have the shapes of another prompt's, so that both go in one call.
        rows: evaluations of the network for one prompt.
    """

    guidance: Guidance
    scale: str | None
    default_scale: float
    batches: bool
    null: Slot
    null_fits: bool
    rows: int


def learn(pipeline: Pipeline) -> Learned:
    """Learn a pipeline's guidance and batches; sets `pipeline.settings`.

    Raises:
        ModelError: the pipeline cannot be driven.
    """
    has_prompt = "prompt" in pipeline.parameters and "prompt_embeds" not in pipeline.call
    prompt = _PROMPT if has_prompt else ""
    _find_reference(pipeline, prompt)
    if not pipeline.guides_itself:
        _turn_off(pipeline, prompt)
    slots = _slots(pipeline, prompt, {})
    _check_loop(pipeline, prompt)
    guidance, scale = (
        ("distilled", None) if pipeline.guides_itself else _guidance(pipeline, prompt, slots)
    )
    usual = 1.0
    if scale is not None and guidance != "distilled":
        default = pipeline.default(scale)
        usual = float(default) if isinstance(default, (int, float)) else 5.0
    null = _null(pipeline, str(scale), slots) if guidance == "cfg" and has_prompt else {}
    fits = not null or _fits(null, slots[0], _slots(pipeline, _LONGER, {})[0])
    return Learned(guidance, scale, usual, _batches(pipeline, prompt), null, fits, len(slots))


def _slots(pipeline: Pipeline, prompt: str, more: Mapping[str, Any]) -> list[Slot]:
    """The conditions that the network is asked under, in the first step of a call."""
    record: list[Any] = []
    pipeline.open(pipeline.arguments([prompt], pipeline.probed, 2, more), record=record).close()
    return [slot for args, kwargs in record for slot in _split(args, kwargs)]


def _split(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Slot]:
    """The inputs of a network row by row, without those that are no tensors."""
    inputs: Slot = dict(_flat({**dict(enumerate(args)), **kwargs}))
    first = next(value for value in inputs.values() if isinstance(value, (Tensor, list)))
    count = len(first)
    for row in range(count):
        yield {
            path: value[row : row + 1]
            if isinstance(value, (Tensor, list)) and _length(value) == count
            else value
            for path, value in inputs.items()
        }


def _length(value: Any) -> int:
    return len(value) if not isinstance(value, Tensor) or value.ndim else 0


def _flat(inputs: Mapping[Any, Any], path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*path, name))
        elif isinstance(value, (Tensor, list)):
            yield (*path, name), value


def _differences(a: Slot, b: Slot) -> Slot:
    """What is in a and not the same in b."""
    return {path: value for path, value in a.items() if not same(value, b.get(path))}


def _find_reference(pipeline: Pipeline, prompt: str) -> None:
    """Learn whether a call needs a picture; calls with a stubbed network get a gray one."""
    if not pipeline.shown or "image" in pipeline.call:
        return
    try:
        _slots(pipeline, prompt, {})
    except ModelError as error:
        pipeline.needs_reference = True
        try:
            _slots(pipeline, prompt, {})
        except ModelError:
            raise error from None


def _turn_off(pipeline: Pipeline, prompt: str) -> None:
    """Find the scale at which the network is asked least: 1, or 0 in some pipelines."""
    if "guidance_scale" not in pipeline.parameters:
        return
    counts = {}
    for off in (1.0, 0.0):
        try:
            counts[off] = len(_slots(pipeline, prompt, {"guidance_scale": off}))
        except ModelError:
            if off == 1.0:
                raise
    pipeline.settings["guidance_scale"] = min(counts, key=lambda off: (counts[off], -off))


def _guidance(pipeline: Pipeline, prompt: str, slots: list[Slot]) -> tuple[Guidance, str | None]:
    """How a pipeline is guided, and by which argument."""
    embedded: str | None = None
    for name in ("true_cfg_scale", "guidance_scale"):
        if name not in pipeline.parameters:
            continue
        on = _guided(pipeline, name, prompt)
        if len(on) > len(slots) and name == "guidance_scale":
            return "cfg", name
        if len(on) > len(slots) and pipeline.default(name) not in (None, 1.0):
            return "cfg", name
        if len(on) == len(slots) and _differences(on[0], slots[0]):
            embedded = name
    return ("embedded", embedded) if embedded else ("distilled", None)


def _guided(pipeline: Pipeline, scale: str, prompt: str) -> list[Slot]:
    """The conditions under a scale of 3, with an empty negative prompt if that is what it takes."""
    more: dict[str, Any] = {scale: 3.0}
    if scale == "true_cfg_scale" and "negative_prompt" in pipeline.parameters:
        more["negative_prompt"] = " "
    return _slots(pipeline, prompt, more)


def _null(pipeline: Pipeline, scale: str, slots: list[Slot]) -> Slot:
    """The inputs under the pipeline's own null prompt that an empty prompt does not give."""
    on = _guided(pipeline, scale, _PROMPT)
    others = [slot for slot in on if any(_differences(slots[0], slot))]
    if len(on) != 2 or len(others) != 1:
        return {}
    empty = _slots(pipeline, "", {})[0]
    pipeline.spare.clear()  # other latents: what depends on them is no null prompt
    other = _slots(pipeline, "", {"generator": torch.Generator().manual_seed(1)})[0]
    noisy = _differences(other, empty)
    return {p: v for p, v in _differences(others[0], empty).items() if p not in noisy}


def _fits(null: Slot, *others: Slot) -> bool:
    """Whether inputs have the same shapes under every prompt."""
    return all(
        isinstance(value, Tensor) and value.shape == getattr(other.get(path), "shape", None)
        for path, value in null.items()
        for other in others
    )


def _batches(pipeline: Pipeline, prompt: str) -> bool:
    """Whether a call takes a list of prompts, one a row."""
    try:
        one = pipeline.open(pipeline.arguments([prompt], pipeline.probed, 2))
        two = pipeline.open(pipeline.arguments([prompt, prompt], pipeline.probed, 2))
    except (ModelError, RuntimeError, IndexError):
        return False
    one.close()
    two.close()
    return two.sample.shape == (2 * len(one.sample), *one.sample.shape[1:])


def _check_loop(pipeline: Pipeline, prompt: str) -> None:
    """Raise ModelError if the loop does more with its latents than pass them on."""
    call = pipeline.open(pipeline.arguments([prompt], pipeline.probed, 4))
    z = torch.randn(call.sample.shape, generator=torch.Generator().manual_seed(0)).to(call.sample)
    time = torch.as_tensor(1, device=z.device)
    try:
        with torch.no_grad():
            _, sample = call.ask(z, time, **pipeline.stubs())
    except LoopError as error:
        raise pipeline.refused(str(error)) from error
    finally:
        call.close()
    if call.read_ahead:
        raise pipeline.refused("its loop looks at other times than the current one")
    if not torch.equal(sample, z):
        raise pipeline.refused("its loop changes the latents between two steps")
