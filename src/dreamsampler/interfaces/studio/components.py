"""An option as a component of the page, and its values on the way there and back."""

from __future__ import annotations

from math import inf
from typing import Any

import gradio as gr

from dreamsampler.methods.registry import Method, methods_of
from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import Option, options_of

PICTURES = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif"]
QUIET: Any = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""For events that are answered at once and are no part of the HTTP interface."""
MOST_LINES = 6
"""Choices that are shown with a line each; more are a list that opens."""


def methods(kind: type[Task]) -> dict[str, Method]:
    """The methods of a task by their names; empty for a task without."""
    return methods_of(kind.name())  # type: ignore[arg-type]


def method_options(kind: type[Task]) -> list[str]:
    """The options of a task that some of its methods have."""
    settings = {name for method in methods(kind).values() for name in method.settings}
    return [name for name in options_of(kind) if name in settings]


def component(option: Option, kind: type[Task]) -> Any:
    """The component of an option; its help is that of the command line.

    A number that may be left empty is a text box: gradio's own shows 0 where there is none.
    """
    method = methods(kind).get("default")
    visible = option.name not in method_options(kind) or option.name in method.settings  # type: ignore[union-attr]
    labels: dict[str, Any] = {"label": option.label, "info": information(option)}
    labels["visible"] = visible
    value = shown(option, None if option.required else option.default)
    match option.kind:
        case "flag":
            return gr.Checkbox(value, **labels)
        case "choice":
            lines = option.about
            if option.name == "method":
                lines = {name: each.use for name, each in methods(kind).items()}
            choices = [(f"{w}: {line}" if line else str(w), w) for w, line in lines.items()]
            if any(lines.values()) and len(lines) <= MOST_LINES:
                about = {"elem_classes": "ds-lines", "label": option.label, "visible": visible}
                return gr.Radio(choices, value=value, **about)
            return gr.Dropdown(choices, value=value, **labels)
        case "number" if option.limits == (0, 1) and not (option.words or option.optional):
            return gr.Slider(0, 1, value, step=0.05, **labels)
        case "number" if not option.words and not option.optional:
            least, most = option.limits or (None, None)
            digits = 0 if option.whole else None
            return gr.Number(value, precision=digits, minimum=least, maximum=most, **labels)
        case "number" | "numbers":
            return gr.Textbox(value, placeholder=placeholder(option, method), **labels)
        case "texts":
            return gr.Textbox(value, lines=2, **labels)
        case "file" if option.name not in kind.PICTURES:
            label = "Scene: transforms.json, and the pictures that it names"
            return gr.File(label=label, file_count="multiple", height=160)
        case "file":
            return gr.Image(
                label=f"{option.label}: {option.help.partition(':')[0]}",
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                height=240,
                buttons=[],
            )
        case "files":
            label = f"{option.label}: {option.help}"
            return gr.File(label=label, file_count="multiple", file_types=PICTURES, height=120)
    return gr.Textbox(value, lines=1, max_lines=4, **labels)


def information(option: Option) -> str:
    """Its help, and the range of its numbers unless that is very wide.

    Example:
        >>> information(Option("gamma", "number", "weight", limits=(0.0, 100.0)))
        'Weight (0 to 100)'
    """
    text = option.help[:1].upper() + option.help[1:]
    least, most = option.limits or (0, inf)
    return f"{text} ({least:g} to {most:g})" if most <= 10_000 else text


def shown(option: Option, value: Any) -> Any:
    """A value as its component shows it."""
    match option.kind:
        case "texts":
            return "\n".join([value] if isinstance(value, str) else value or [])
        case "numbers":
            return " ".join(map(str, value or []))
        case "text":
            return value or ""
        case "file":
            return value or None
        case "files":
            return list(value) if value else None
        case "number" if option.words or option.optional:
            return "" if value is None else str(value)
    return value


def placeholder(option: Option, method: Method | None) -> str | None:
    """What is taken where a number is left empty."""
    value = None if method is None else method.settings.get(option.name)
    if isinstance(value, int | float):
        return f"{value:g}, as the method has it"
    return "automatic" if option.optional and option.kind == "number" else None
