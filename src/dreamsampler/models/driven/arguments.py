"""The arguments of a pipeline's call: what there are, who sets them, from text and from files."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import inspect
import json
import re
import textwrap
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union

import numpy as np
from PIL import Image
from torch import Tensor

from dreamsampler.files import InputError, local, sha256
from dreamsampler.images.picture import open_picture
from dreamsampler.images.save import as_pil
from dreamsampler.models.driven.call import same
from dreamsampler.models.errors import ModelError
from dreamsampler.models.weights import read_header, refuse_pickle

ALWAYS = {
    "skip_layer_guidance_start": -1.0,
    "skip_layer_guidance_stop": 2.0,
    "edit_warmup_steps": 0,
    "edit_cooldown_steps": None,
}
"""Between which steps a guider acts, and the values with which it acts at every one."""
_OURS = {
    **dict.fromkeys(ALWAYS, "every step, since levels are chosen freely and have no numbers"),
    "num_inference_steps": "the task's num_inference_steps",
    "timesteps": "the task's num_inference_steps",
    "sigmas": "the task's num_inference_steps",
    "strength": "the task's strength",
    "denoising_start": "the task's strength",
    "denoising_end": "the task's num_inference_steps",
    "original_inference_steps": "the task's num_inference_steps",
    "eta": "the task's method",
    "generator": "the task's seed",
    "latents": "the task's seed",
    "num_images_per_prompt": "the task's num_images",
    "height": "the task's size",
    "width": "the task's size",
    "max_area": "the task's size",
    "use_resolution_binning": "the task's size",
    "_auto_resize": "the task's size",
    "output_type": "",
    "return_dict": "",
    "callback_on_step_end": "`task.start(model)`, which gives every step",
    "callback_on_step_end_tensor_inputs": "",
    "callback": "`task.start(model)`, which gives every step",
    "callback_steps": "",
}
GUIDANCE = ("guidance_scale", "true_cfg_scale")
GUIDERS = {"pag_scale": 0.0, "sag_scale": 0.0}
"""Guidance that is on by default in a pipeline's call, and what turns it off."""
_BY_STEP = {
    "control_guidance_start": 0.0,
    "control_guidance_end": 1.0,
    "cfg_trunc_ratio": 1.0,
    "adapter_conditioning_factor": 1.0,
}
"""Arguments whose effect depends on the number of the step, and the value that does not."""
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "dict": "a JSON object",
    "list": "a JSON list",
    "tuple": "a JSON list",
    "Image": "a picture (@FILE)",
    "ndarray": "a picture (@FILE)",
}
_TENSOR = "a tensor (@FILE.safetensors)"
_ARGUMENTS = re.compile(r"^ *Args:\n(.*?)(?=\n *(?:Returns|Examples?|Raises):|\Z)", re.M | re.S)
_TYPE = re.compile(r"^\s*:?\s*(?:\(.*?\)\s*:|:)?\s*", re.S)
_FULL_STOP = re.compile(r"(?<=[\w`)\]\"']\.)\s+(?=[A-Z`])")
"""Of a docstring: its arguments, the type before the words, the end of a sentence."""


class Argument(NamedTuple):
    """An argument of a pipeline's call that may be passed.

    Args:
        name: of the argument.
        takes: in words.
        default: of the call; None if it is none, or must be given.
        about: the first sentence of its documentation.
    """

    name: str
    takes: str
    default: Any
    about: str


def parameters_of(pipeline: type) -> dict[str, inspect.Parameter]:
    """The arguments that the call of a pipeline's class names."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(pipeline.__call__).parameters
    return {n: p for n, p in found.items() if p.kind in named and n != "self"}


def arguments_of(pipeline: type) -> list[Argument]:
    """What may be passed to the call of a pipeline's class, without what a task sets."""
    hints, about = _hints(pipeline), _documented(pipeline)
    return [
        Argument(
            name,
            words_of(hints.get(name, Any)),
            None if parameter.default is parameter.empty else parameter.default,
            about.get(name, ""),
        )
        for name, parameter in parameters_of(pipeline).items()
        if name not in (*_OURS, *_BY_STEP, "prompt")
    ]


def check_call(pipeline: type, call: Mapping[str, Any]) -> None:
    """Raise ModelError for arguments that a call does not have, or that a task sets."""
    title, parameters = pipeline.__name__, parameters_of(pipeline)
    for name, value in call.items():
        if name == "prompt":
            raise ModelError("the prompt is the task's: leave it out of the call")
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, 1)
            hint = f", did you mean {near[0]}?" if near else ""
            listed = ", ".join(n for n in parameters if n not in (*_OURS, "prompt"))
            raise ModelError(f"{title}'s call has no {name!r}{hint} (it has {listed})")
        if name in _OURS:
            instead = f": it is {_OURS[name]}" if _OURS[name] else ""
            raise ModelError(f"{name} is not to be set in {title}'s call{instead}")
        if name in _BY_STEP and not same(value, _BY_STEP[name]):
            raise ModelError(
                f"{name}={value!r} depends on the number of the step, which a free choice of "
                f"levels does not have: leave it at {_BY_STEP[name]}"
            )
    own = [name for name in (*GUIDERS, "skip_guidance_layers") if name in call]
    if own and not any(name in call for name in GUIDANCE):
        raise ModelError(
            f"{own[0]} is part of {title}'s own guidance: pass its guidance_scale in the call, "
            "too, and guidance_scale 1 to the task"
        )


def typed_call(pipeline: type, entries: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of a call from text, typed by the call's annotations.

    Text is JSON (a number, true, a list, ...) if the argument takes that, else itself. A file is
    @PATH, also within a JSON list: a picture, or a .safetensors file for a tensor.

    Args:
        entries: argument -> text.

    Returns:
        The arguments, with files as paths, for `read_call`.

    Raises:
        ModelError: an argument that is none, or text of another kind.

    Example:
        >>> from diffusers import StableDiffusionPipeline
        >>> typed_call(StableDiffusionPipeline, {"clip_skip": "2", "negative_prompt": "2"})
        {'clip_skip': 2, 'negative_prompt': '2'}
    """
    call = {name: _typed(_hints(pipeline).get(name, Any), text) for name, text in entries.items()}
    check_call(pipeline, {n: entries[n] if v is _NONE else v for n, v in call.items()})
    for name, value in call.items():
        if value is _NONE:
            expected = words_of(_hints(pipeline).get(name, Any))
            raise ModelError(f"{name} is {entries[name]!r}, but must be {expected}")
    return call


def read_call(pipeline: type, call: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arguments with the contents of their files, the same for a recipe).

    A path becomes a Pillow picture, or the tensor of a .safetensors file, and in the recipe its
    name and hash; what is in memory has no name there.

    Args:
        call: arguments of its call; text is a path where a call takes pictures or tensors only.

    Raises:
        ModelError: an argument that is none, or a file without the tensor.
        InputError: a file that is missing, or no picture.
    """
    if not call:
        return {}, {}
    check_call(pipeline, call)
    hints = _hints(pipeline)
    located = {name: _located(hints.get(name, Any), value) for name, value in call.items()}
    values = {name: _opened(name, value) for name, value in located.items()}
    return values, {name: _described(value) for name, value in located.items()}


def words_of(hint: Any) -> str:
    """What an annotation takes, in words.

    Example:
        >>> words_of(float | list[float] | None)
        'a number or a JSON list'
    """
    words = [w for w in dict.fromkeys(_words(each) for each in _alternatives(hint)) if w]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "a value"


_NONE: Any = object()
"""Text that is nothing of what an argument takes."""


@cache
def _hints(pipeline: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(pipeline.__call__)
    except (NameError, TypeError):
        return {}


def _alternatives(hint: Any) -> list[Any]:
    """The alternatives of a union, or the one type, without None."""
    if typing.get_origin(hint) in (Union, UnionType):
        return [each for inner in typing.get_args(hint) for each in _alternatives(inner)]
    return [] if hint is NoneType else [hint]


def _words(kind: Any) -> str:
    name = getattr(typing.get_origin(kind) or kind, "__name__", "")
    return _TENSOR if name.endswith("Tensor") else _WORDS.get(name, "")


def _typed(hint: Any, text: str) -> Any:
    """Text as an annotation takes it; _NONE if it does not."""
    readings: list[Any] = [_with_paths(text)]
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text)
        readings = [_with_paths(found), found, *readings]  # "@a" in quotes may be text
    return next((fit for each in readings if (fit := _fit(hint, each)) is not _NONE), _NONE)


def _with_paths(value: Any) -> Any:
    """A value with @FILE as a path, also within lists."""
    if isinstance(value, list):
        return [_with_paths(each) for each in value]
    return local(value[1:]) if isinstance(value, str) and value.startswith("@") else value


def _fit(hint: Any, value: Any) -> Any:
    """A value as one of an annotation's alternatives; _NONE if it is none of them."""
    kinds = _alternatives(hint)
    if Any in kinds or (value is None and len(kinds) < len(typing.get_args(hint))):
        return value
    for kind in kinds:
        origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
        if isinstance(value, Path):
            end = _TENSOR if value.suffix.lower() == ".safetensors" else _WORDS["Image"]
            if _words(kind) == end:
                return value
        elif origin in (list, tuple) and isinstance(value, list):
            fixed = origin is tuple and len(inner) > 1 and inner[1] is not ...
            parts = [_fit(inner[0] if inner else Any, each) for each in value]
            if not any(part is _NONE for part in parts) and len(parts) == (
                len(inner) if fixed else len(parts)
            ):
                return origin(parts)
        elif origin is float and type(value) is int:
            return float(value)
        elif type(value) is origin:
            return value
    return _NONE


def _located(hint: Any, value: Any) -> Any:
    """A value whose text is a path, if the argument takes no text but files."""
    if isinstance(value, list | tuple):
        return type(value)(_located(hint, each) for each in value)
    takes = {_words(kind) for kind in _leaves(hint)}
    files = takes & {_TENSOR, _WORDS["Image"]} and _WORDS["str"] not in takes
    return local(value) if isinstance(value, str) and files else value


def _leaves(hint: Any) -> list[Any]:
    """The types in an annotation, also those in its lists."""
    inner = typing.get_args(hint)
    return [leaf for each in inner for leaf in _leaves(each)] if inner else [hint]


def _opened(name: str, value: Any) -> Any:
    """A value with the contents of files in place of their paths."""
    if isinstance(value, list | tuple):
        return type(value)(_opened(name, each) for each in value)
    if not isinstance(value, Path):
        return value
    refuse_pickle(value)
    if value.suffix.lower() != ".safetensors":
        return as_pil(open_picture(value).flat())
    if not value.is_file():
        raise InputError(f"there is no file {value}: check the path")
    from safetensors.torch import load_file

    names = list(read_header(value))
    key = name if name in names else names[0] if len(names) == 1 else None
    if key is None:
        raise ModelError(
            f"{value} holds {len(names)} tensors, none called {name}: give the one that is meant "
            "this name"
        )
    return load_file(value)[key]


def _described(value: Any) -> Any:
    """A value for a recipe: plain ones as they are, of others their names and hashes."""
    if isinstance(value, Mapping):
        return {str(key): _described(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_described(each) for each in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return {"name": value.name, "sha256": sha256(value)}
    if isinstance(value, Tensor):
        value = value.detach().float().cpu().numpy()
    if isinstance(value, np.ndarray | Image.Image):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"name": None, "sha256": digest}
    return {"name": None, "sha256": None, "type": type(value).__name__}


def _documented(pipeline: type) -> dict[str, str]:
    """Argument -> the first sentence about it in the docstring of a pipeline's call."""
    section = _ARGUMENTS.search(inspect.getdoc(pipeline.__call__) or "")
    text = textwrap.dedent(section[1]) if section else ""
    entries = re.findall(r"^`?(\w+)`?(.*(?:\n(?: .*)?)*)", text, re.M)
    return {
        name: " ".join(_FULL_STOP.split(_TYPE.sub("", words, 1), 1)[0].split())
        for name, words in entries
    }
