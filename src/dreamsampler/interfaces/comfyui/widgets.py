"""The options of a dataclass as the widgets of a node, and the values of widgets as options."""

from __future__ import annotations

from typing import Any, TypeAlias

from dreamsampler.tasks.base import Task
from dreamsampler.tasks.options import Option, options_of

Widget: TypeAlias = tuple[Any, dict[str, Any]]
UNSET, DEFAULT = -1, "default"
"""What a number (all are >= 0) and a choice show where the task takes its own."""
_LONG = ("prompt", "source_prompt", "negative_prompt")
_RANGE = (-(2**31), 2**31 - 1)
SEEDS = 2**63
"""Seeds of a task; other nodes have twice as many, which are folded."""


def widgets(part: type) -> tuple[dict[str, Widget], dict[str, Widget]]:
    """(required, optional) widgets, in the order of the options; pictures are wires.

    A text that is left empty, a number at -1 and a choice at "default" are the option's default.
    """
    required: dict[str, Widget] = {}
    optional: dict[str, Widget] = {}
    for option in options_of(part).values():
        if option.name not in Task.PICTURES:
            kind, settings = _widget(option)
            place = required if option.required else optional
            place[option.name] = (kind, {**settings, "tooltip": option.help})
    return required, optional


def read_widgets(part: type, values: dict[str, Any]) -> dict[str, Any]:
    """Values of widgets as arguments of the dataclass, without those that are left out.

    Example:
        >>> from dreamsampler.tasks import Edit
        >>> read_widgets(Edit, {"prompt": "a dog", "strength": -1.0, "seed": 3})
        {'prompt': 'a dog', 'seed': 3}
        >>> read_widgets(Edit, {"prompt": "a dog", "seed": 2**64 - 1})["seed"] == 2**63 - 1
        True
    """
    found: dict[str, Any] = {}
    for option in options_of(part).values():
        value = values.get(option.name)
        unset = option.default is None and value in (UNSET, DEFAULT)
        empty = isinstance(value, str) and not value.strip()
        if value is None or (not option.required and (empty or unset)):
            continue
        if option.kind in ("texts", "files"):  # a line may begin with [, which is no JSON here
            value = [line for line in str(value).splitlines() if line.strip()]
        if option.name == "seed" and isinstance(value, int) and value >= SEEDS:
            value %= SEEDS
        found[option.name] = option.read(value)
    return found


def _widget(option: Option) -> Widget:
    default = option.default
    if option.kind == "choice":
        words = [str(each) for each in option.words]
        return (
            (words, {"default": default}) if default else ([DEFAULT, *words], {"default": DEFAULT})
        )
    if option.kind == "flag":
        return "BOOLEAN", {"default": default}
    if option.kind == "number" and not option.words:
        return _number(option)
    text = "" if default in (None, (), ...) else str(default)
    return "STRING", {
        "default": text,
        "multiline": option.name in _LONG or option.kind in ("texts", "files"),
    }


def _number(option: Option) -> Widget:
    kind = int if option.whole else float
    low, high = option.limits or _RANGE
    unset = option.default is None
    settings: dict[str, Any] = {
        "default": kind(UNSET if unset else option.default),
        "min": kind(UNSET if unset else low),
        "max": kind(high),
    }
    if option.name == "seed":
        settings["control_after_generate"] = True
    if not option.whole:
        settings |= {"step": 0.01 if high <= 1 else 0.1, "round": False}
    return ("INT" if option.whole else "FLOAT"), settings
