"""A frozen dataclass as the widgets of a node, and what the widgets say as a dataclass again."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeAlias

from dreamsampler.interfaces.cli.form import described

Widget: TypeAlias = tuple[Any, dict[str, Any]]
LEFT_OUT = -1
"""What a number's widget shows where the task takes its own choice: all such numbers are >= 0."""
UNCHOSEN = "default"
"""What a choice shows where the task takes its own."""
SOCKETS = ("image", "mask_image")
"""Fields that are wires, not widgets."""
_LONG = ("prompt", "source_prompt", "negative_prompt")
_BOUNDS = (-(2**31), 2**31 - 1)


def widgets(part: type) -> tuple[dict[str, Widget], dict[str, Widget]]:
    """(required, optional) widgets, in the order of the fields.

    Texts take their help from the string below each field, numbers their range from `LIMITS`. A
    text that is left empty, a number at -1 and a choice at "default" are the field's own default.

    Args:
        part: a frozen dataclass of plain values.
    """
    hints, docs = typing.get_type_hints(part), described(part)
    required: dict[str, Widget] = {}
    optional: dict[str, Widget] = {}
    for each in dataclasses.fields(part):
        if each.name in SOCKETS:
            continue
        kind, settings = _widget(part, each, hints[each.name])
        settings["tooltip"] = docs.get(each.name, "")
        place = required if each.default is dataclasses.MISSING else optional
        place[each.name] = (kind, settings)
    return required, optional


def filled(part: type, values: dict[str, Any]) -> dict[str, Any]:
    """What widgets say, as arguments of the dataclass; what is left out is not among them.

    Raises:
        ValueError: a text that is no number where one is wanted.

    Example:
        >>> from dreamsampler.tasks import Edit
        >>> filled(Edit, {"prompt": "a dog", "strength": -1.0, "seed": 3, "source_prompt": ""})
        {'prompt': 'a dog', 'seed': 3}
    """
    hints = typing.get_type_hints(part)
    found: dict[str, Any] = {}
    for each in dataclasses.fields(part):
        if each.name in SOCKETS or each.name not in values:
            continue
        value = values[each.name]
        value = value.strip() if isinstance(value, str) else value
        needed = each.default is dataclasses.MISSING
        unset = each.default is None and value in (LEFT_OUT, UNCHOSEN)
        if not needed and (value == "" or unset):
            continue
        found[each.name] = _read(each.name, hints[each.name], value)
    return found


def _widget(part: type, field: Any, hint: Any) -> Widget:
    kind, default = _plain(hint), field.default
    if typing.get_origin(kind) is typing.Literal:
        choices = [str(each) for each in typing.get_args(kind)]
        if default is None:
            return [UNCHOSEN, *choices], {"default": UNCHOSEN}
        return choices, {"default": default}
    if kind is bool:
        return "BOOLEAN", {"default": default}
    if kind in (int, float):
        return _number(part, field.name, kind, default)
    text = "" if default in (None, (), dataclasses.MISSING) else str(default)
    several = typing.get_origin(kind) is tuple and typing.get_args(kind)[-1] is ...
    return "STRING", {"default": text, "multiline": field.name in _LONG or several}


def _number(part: type, name: str, kind: type, default: Any) -> Widget:
    low, high = getattr(part, "LIMITS", {}).get(name, _BOUNDS)
    settings: dict[str, Any] = {"default": kind(default if default is not None else LEFT_OUT)}
    settings["min"] = kind(low if default is not None else LEFT_OUT)
    settings["max"] = kind(high)
    if name == "seed":
        settings["control_after_generate"] = True
    if kind is float:
        settings["step"] = 0.01 if high <= 1 else 0.1
        settings["round"] = False
    return ("INT" if kind is int else "FLOAT"), settings


def _plain(hint: Any) -> Any:
    """The type that a widget is made for: without its None, `str` where words are allowed too."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    kinds = [each for each in typing.get_args(hint) if each is not types.NoneType]
    return kinds[0] if len(kinds) == 1 else Path if Path in kinds else str


def _read(name: str, hint: Any, value: Any) -> Any:
    """A text as the several values, or the number, that a field wants."""
    kind = _plain(hint)
    if not isinstance(value, str):
        return value
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        if inner[-1] is ...:
            return tuple(line.strip() for line in value.splitlines() if line.strip())
        return tuple(_whole(name, each) for each in value.replace(",", " ").split())
    words = typing.get_origin(hint) in (typing.Union, types.UnionType)
    if words and float in typing.get_args(hint) and value != "auto":
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"{name} is {value!r}, but must be a number or auto") from None
    return value


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} holds {text!r}, but must be whole numbers") from None
