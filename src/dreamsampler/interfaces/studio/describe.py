"""What the page has to know before anything is run: tasks, their fields, operators, words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dreamsampler.interfaces.studio.specs import TABS, Example, TabSpec
from dreamsampler.interfaces.studio.submission import BESIDE, CALL, CALL_FILES, is_scene
from dreamsampler.methods.registry import Method, methods_of
from dreamsampler.operators.registry import OPERATORS, Parameter
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import Option, options_of

KINDS = {"texts": "lines", "files": "files"}
"""Kinds of options that forms call otherwise."""


def tasks_of(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Every task, with its fields and examples.

    Args:
        arguments: of the call of the model's pipeline; without any there is no field for them.
    """
    return [_task(spec, bool(arguments)) for spec in TABS]


def _task(spec: TabSpec, calls: bool) -> dict[str, Any]:
    options = [*options_of(spec.task).values()]
    named = {option.name for option in options}
    beside = [o for o in BESIDE if o in (CALL, CALL_FILES)] if calls else []
    beside += [o for o in BESIDE if o not in (CALL, CALL_FILES) and "operator" in named]
    front = (*spec.front, *spec.hidden)
    about = {"name": spec.name, "title": spec.title, "hint": spec.hint, "verb": spec.verb}
    fields = [field(option, spec.task, option.name in front) for option in [*options, *beside]]
    return {**about, "fields": fields, "examples": [_example(each) for each in spec.examples]}


def field(option: Option, kind: type[Task], front: bool = False) -> dict[str, Any]:
    """An option as a field of a form."""
    least, most = option.limits or (None, None)
    return {
        "name": option.name,
        "label": option.label,
        "help": option.help[:1].upper() + option.help[1:],
        "kind": _kind(option, kind),
        "default": None if option.required else option.default,
        "choices": _choices(option, kind),
        "minimum": least,
        "maximum": most,
        "step": 1 if option.whole else 0.05 if option.limits == (0.0, 1.0) else None,
        "count": option.count,
        "front": front,
        "optional": not option.required,
        "methods": _methods_with(option, kind),
    }


def _kind(option: Option, kind: type[Task]) -> str:
    match option.kind:
        case "file":
            mask = "mask" if option.name == "mask_image" else "picture"
            return "scene" if is_scene(kind, option.name) else mask
        case "files":
            return "masks" if option.name == "mask_image" else "files"
        case "number":
            return "integer" if option.whole else "number"
        case "text" if option.name == "operator":
            return "operator"
        case "texts":
            return "lines"
    return option.kind


def _choices(option: Option, kind: type[Task]) -> list[dict[str, Any]] | None:
    """The words of an option, and what each does; a method with its settings and prompts."""
    if option.name == "method":
        return [_method(each) for each in _methods(kind).values()]
    if not option.words:
        return None
    return [{"value": word, "text": text} for word, text in option.about.items()]


def _method(method: Method) -> dict[str, Any]:
    return {
        "value": method.name,
        "text": method.use,
        "title": method.title,
        "paper": method.paper,
        "settings": dict(method.settings),
        "draws": method.draws,
        "source_prompt": method.source_prompt,
        "negative_prompt": method.negative_prompt,
    }


def _methods(kind: type[Task]) -> Mapping[str, Method]:
    return methods_of(kind.name())  # type: ignore[arg-type]


def _methods_with(option: Option, kind: type[Task]) -> list[str] | None:
    """The methods that have an option; None for one that does not depend on the method."""
    found = [name for name, each in _methods(kind).items() if option.name in each.settings]
    return found or None


def _example(example: Example) -> dict[str, Any]:
    picture = f"/api/examples/{example.picture}" if example.picture.endswith(".png") else None
    return {
        "label": example.label,
        "picture": picture,
        "values": dict(example.values),
        "degraded": example.degraded,
        "hole": example.hole,
    }


def operators() -> list[dict[str, Any]]:
    """Every operator that has a name, with its parameters as fields."""
    return [
        {
            "name": name,
            "text": entry.title,
            "parameters": [_parameter(*each) for each in entry.parameters.items()],
        }
        for name, entry in OPERATORS.items()
    ]


def _parameter(name: str, parameter: Parameter) -> dict[str, Any]:
    kinds = {int: "integer", float: "number", tuple: "numbers", str: "file"}
    finite = [None if abs(x) == float("inf") else x for x in (parameter.low, parameter.high)]
    choices = [{"value": word, "text": ""} for word in parameter.choices] or None
    return {
        "name": name,
        "label": name.capitalize(),
        "help": "or ? to have it found out" if parameter.fitted is not None else "",
        "kind": "choice" if choices else kinds[parameter.kind],
        "default": None if parameter.default is ... else parameter.default,
        "choices": choices,
        "minimum": finite[0],
        "maximum": finite[1],
        "step": 1 if parameter.kind is int else None,
        "count": 3 if parameter.kind is tuple else 1,
        "front": True,
        "optional": parameter.default is not ...,
        "fitted": parameter.fitted,
    }


@cache
def card(name: str) -> str:
    """What the bundled model knows, from its card; empty for other models.

    Example:
        >>> card("sd15")
        ''
    """
    from importlib.resources import files

    from dreamsampler.models.alias import BUNDLED

    if name != BUNDLED:
        return ""
    text = files("dreamsampler.models").joinpath("bundled/README.md").read_text("utf-8")
    found = re.search(r"^## What it knows\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def title_of(model: Any) -> tuple[str, str]:
    """The name of a model, and name, device and type in one line."""
    from dreamsampler.tasks.recipe import describe_model

    loaded = describe_model(model)
    name = Path(str(loaded["name"])).name
    return name, " · ".join(filter(None, [name, loaded["device"], loaded["dtype"]]))


def arguments_of_call(model: Any) -> tuple[str, ...]:
    """The arguments that the call of a model's pipeline takes; none if it is asked without."""
    from dreamsampler.models.driven.arguments import arguments_of

    pipeline = getattr(getattr(model, "family", None), "pipeline", None)
    return tuple(each.name for each in arguments_of(type(pipeline.pipe))) if pipeline else ()
