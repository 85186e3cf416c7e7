"""What the page has to know before anything is run: the model, tasks, their fields, operators."""

from __future__ import annotations

import re
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from dreamsampler.interfaces.studio.specs import TABS, TabSpec
from dreamsampler.interfaces.studio.submission import CALL, CALL_FILES, OPERATOR_FILES, is_scene
from dreamsampler.methods.registry import Method, methods_of
from dreamsampler.models.alias import BUNDLED
from dreamsampler.operators.registry import OPERATORS, Parameter
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import Option, options_of
from dreamsampler.tasks.recipe import describe_model
from dreamsampler.version import __version__


def model_and_tasks(model: Any) -> dict[str, Any]:
    """The version, the model, and every task."""
    loaded, arguments = describe_model(model), arguments_of_call(model)
    name = Path(str(loaded["name"])).name
    return {
        "version": __version__,
        "title": " · ".join(filter(None, [name, loaded["device"], loaded["dtype"]])),
        "card": card(name),
        "concepts": concepts(name),
        "tasks": [_task(spec, bool(arguments)) for spec in TABS],
        "call_arguments": list(arguments),
    }


def _task(spec: TabSpec, calls: bool) -> dict[str, Any]:
    options = [*options_of(spec.task).values()]
    options += [OPERATOR_FILES] if "operator" in options_of(spec.task) else []
    options += [CALL, CALL_FILES] if calls else []
    pictures = [f"/api/examples/{e.picture}" if "." in e.picture else None for e in spec.examples]
    return {
        **{name: getattr(spec, name) for name in ("name", "title", "hint", "verb")},
        "fields": [_option(option, spec) for option in options],
        "examples": [
            {**vars(each), "picture": picture}
            for each, picture in zip(spec.examples, pictures, strict=True)
        ],
    }


def _option(option: Option, spec: TabSpec) -> dict[str, Any]:
    """A task's option as a field of its form; a method comes with its settings and prompts."""
    methods = methods_of(spec.name)  # type: ignore[arg-type]
    having = [name for name, each in methods.items() if option.name in each.settings]
    choices = [{"value": word, "text": text} for word, text in option.about.items()]
    if option.name == "method":
        choices = [_method(each) for each in methods.values()]
    more = {"front": option.name in spec.front, "methods": having or None}
    return {**field(option, _kind(option, spec.task), choices), **more}


def field(option: Option, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    """What every form needs to know of a value."""
    least, most = (x if isfinite(x) else None for x in option.limits or (float("inf"),) * 2)
    return {
        "name": option.name,
        "label": option.label,
        "help": option.help[:1].upper() + option.help[1:],
        "kind": kind,
        "default": None if option.required else option.default,
        "choices": choices or None,
        "minimum": least,
        "maximum": most,
        "step": 1 if option.whole else 0.05 if option.limits == (0.0, 1.0) else None,
        "count": option.count,
        "optional": not option.required,
        "front": True,
    }


def _kind(option: Option, task: type[Task]) -> str:
    match option.kind, option.name:
        case "file", "mask_image":
            return "mask"
        case "file", name:
            return "scene" if is_scene(task, name) else "picture"
        case "files", "mask_image":
            return "masks"
        case "number", _:
            return "integer" if option.whole else "number"
        case "text", "operator":
            return "operator"
        case "texts", _:
            return "lines"
    return option.kind


def _method(method: Method) -> dict[str, Any]:
    names = ("title", "paper", "draws", "source_prompt", "negative_prompt")
    about = {name: getattr(method, name) for name in names}
    return {"value": method.name, "text": method.use, "settings": dict(method.settings), **about}


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


def _parameter(name: str, given: Parameter) -> dict[str, Any]:
    kinds = {int: "integer", float: "number", tuple: "numbers", str: "file"}
    help = "or ? to have it found out" if given.fitted is not None else ""
    limits, count = (given.low, given.high), 3 if given.kind is tuple else 1
    whole = given.kind is int
    option = Option(name, "number", help, given.default, False, whole, count, (), limits)
    choices = [{"value": word, "text": ""} for word in given.choices]
    kind = "choice" if choices else kinds[given.kind]
    return {**field(option, kind, choices), "fitted": given.fitted}


def concepts(name: str) -> list[str]:
    """What the bundled model can draw, as prompts; empty for other models.

    Example:
        >>> concepts("iconic")[:2], concepts("sd15")
        (['grinning face', 'slightly smiling face'], [])
    """
    return _bundled("concepts.txt").splitlines() if name == BUNDLED else []


def _bundled(file: str) -> str:
    return files("dreamsampler.models").joinpath("bundled", file).read_text("utf-8")


def card(name: str) -> str:
    """What the bundled model knows, from its card; empty for other models.

    Example:
        >>> card("sd15")
        ''
    """
    if name != BUNDLED:
        return ""
    text = _bundled("README.md")
    found = re.search(r"^## What it knows\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def arguments_of_call(model: Any) -> tuple[str, ...]:
    """The arguments that the call of a model's pipeline takes; none if it is asked without."""
    from dreamsampler.models.driven.arguments import arguments_of

    pipeline = getattr(getattr(model, "family", None), "pipeline", None)
    return tuple(each.name for each in arguments_of(type(pipeline.pipe))) if pipeline else ()
