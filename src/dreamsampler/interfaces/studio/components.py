"""A field as a component of the page, and its values on the way there and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import gradio as gr

from dreamsampler.interfaces.studio.fields import Field

PICTURES = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif"]


def component(field: Field, settings: Mapping[str, Any] | None = None, height: int = 240) -> Any:
    """The component of a field; what it says is what the command line says.

    A number that may be left empty is a text box: gradio's own shows 0 where there is none.

    Args:
        field: of a task.
        settings: what the chosen preset takes where the field is left empty.
        height: of pictures, in pixels.
    """
    told: dict[str, Any] = {"label": field.label, "info": information(field)}
    value = shown(field, None if field.required else field.default)
    match field.kind:
        case "flag":
            return gr.Checkbox(value, **told)
        case "choice":
            choices = [(said(word, line), word) for word, line in field.choices.items()]
            if any(field.choices.values()):
                return gr.Radio(choices, value=value, elem_classes="ds-lines", label=field.label)
            return gr.Dropdown(choices, value=value, **told)
        case "number" if not field.choices and not field.optional:
            return _number(field, value, told)
        case "number" | "numbers":
            return gr.Textbox(value, placeholder=placeholder(field, settings or {}), **told)
        case "texts":
            return gr.Textbox(value, lines=2, **told)
        case "file":
            return gr.Image(
                label=f"{field.label}: {field.help.partition(':')[0]}",
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                height=height,
                buttons=[],
            )
        case "files":
            label = f"{field.label}: {field.help}"
            return gr.File(label=label, file_count="multiple", file_types=PICTURES, height=120)
    return gr.Textbox(value, lines=1, max_lines=4, **told)


def _number(field: Field, value: Any, told: dict[str, Any]) -> Any:
    """A slider from 0 to 1, else a box."""
    if field.limits == (0, 1):
        return gr.Slider(0, 1, value, step=0.05, **told)
    least, most = field.limits or (None, None)
    whole = 0 if field.whole else None
    return gr.Number(value, precision=whole, minimum=least, maximum=most, **told)


def information(field: Field) -> str:
    """Its help, and the range of its numbers unless that is none to speak of.

    Example:
        >>> information(Field("gamma", "number", "weight", limits=(0.0, 100.0)))
        'Weight (0 to 100)'
    """
    told = field.help[:1].upper() + field.help[1:]
    least, most = field.limits or (0, inf)
    return f"{told} ({least:g} to {most:g})" if most <= 10_000 else told


def shown(field: Field, value: Any) -> Any:
    """A value as its component shows it."""
    match field.kind:
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
        case "number" if field.choices or field.optional:
            return "" if value is None else str(value)
    return value


def placeholder(field: Field, settings: Mapping[str, Any]) -> str | None:
    """What is taken where a number is left empty."""
    value = settings.get(field.name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}, as the preset has it"
    if field.name in settings:
        return "not in this preset"
    return "automatic" if field.optional and field.kind == "number" else None


def offered(field: Field, settings: Mapping[str, Any]) -> bool:
    """Whether a preset has an option at all."""
    return settings.get(field.name, ...) is not None


def said(word: Any, line: str) -> str:
    """A choice with when to take it."""
    return f"{word}: {line}" if line else str(word)
