"""Tasks from plain values: the rows of a batch, the recipes inside of pictures.

Importing this file needs no torch.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from dreamsampler.files import InputError
from dreamsampler.tasks import TASKS, Degrade
from dreamsampler.tasks.recipe import task_name

KINDS: dict[str, Any] = {task_name(kind): kind for kind in (*TASKS, Degrade)}
"""What a task is called, and its class."""

_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


def task_of(name: Any, options: Mapping[str, Any]) -> Any:
    """A task by its name, from values as JSON, a table or a command line have them.

    Numbers may be text, tuples may be lists or their JSON, and None is an option left out. What a
    task itself refuses (`check`) is not looked at here.

    Args:
        name: "edit", "inpaint", ...
        options: its fields.

    Raises:
        InputError: no such task, no such option, a missing option, or a value of another kind.

    Example:
        >>> task_of("edit", {"image": "cat.png", "prompt": "dog face", "seed": "3"}).seed
        3
    """
    kind = kind_of(name)
    hints = _hints(kind)
    for option in options:
        if option not in hints:
            raise InputError(
                f"{name} has no option {_shown(option)}{near(option, hints)}; it has "
                f"{', '.join(hints)}"
            )
    given = {
        option: value_of(hints[option], value, option)
        for option, value in options.items()
        if value is not None
    }
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in given:
            raise InputError(f"{name} needs {field.name}, and it is missing: add it")
    try:
        return kind(**given)
    except (TypeError, AttributeError) as error:  # in __post_init__
        raise InputError(f"these options make no {name} ({error}): look at their kinds") from None


def kind_of(name: Any) -> Any:
    """A task's class; InputError for a name that no task has."""
    if not isinstance(name, str) or name not in KINDS:
        raise InputError(
            f"there is no task {_shown(name)}{near(name, KINDS)}: choose one of {', '.join(KINDS)}"
        )
    return KINDS[name]


def path_options(name: str) -> list[str]:
    """The options of a task that are files."""
    return [option for option, hint in _hints(kind_of(name)).items() if Path in _kinds(hint)]


def option_of(kind: type, option: str, value: Any) -> Any:
    """One value of a task's option, as `task_of` would read it; InputError."""
    hints = _hints(kind)
    if option not in hints:
        raise InputError(
            f"{task_name(kind)} has no option {_shown(option)}{near(option, hints)}; it has "
            f"{', '.join(hints)}"
        )
    return value_of(hints[option], value, option)


def value_of(hint: Any, value: Any, name: str) -> Any:
    """A plain value as what a type says, if it can be meant; InputError.

    Args:
        hint: of a field.
        value: what came.
        name: of the field, for the complaint.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _any_of(inner, value, name)
    if origin is Literal:
        found = [each for each in inner if each == value or str(each) == value]
        if not found or isinstance(value, bool):
            raise InputError(
                f"{name} is {_shown(value)}: choose one of {', '.join(map(str, inner))}"
            )
        return found[0]
    if origin is tuple:
        return _tuple(inner, value, name)
    read = {bool: _bool, int: _int, float: _float, str: _text, Path: _path}.get(hint)
    if read is None:
        raise InputError(f"{name} cannot be said as a plain value")
    found = read(value)
    if found is None:
        wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        raise InputError(
            f"{name} is {_shown(value)}, and {wanted.get(hint, 'a file name')} was wanted"
        )
    return found


def near(name: Any, known: Any) -> str:
    """The known name nearest to a mistyped one, as a question; nothing if none is near."""
    close = difflib.get_close_matches(str(name)[:64], list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _kinds(hint: Any) -> list[Any]:
    """The plain types that a hint is made of."""
    inner = typing.get_args(hint)
    if not inner or typing.get_origin(hint) is Literal:
        return [hint]
    return [kind for each in inner for kind in _kinds(each)]


def _any_of(inner: tuple[Any, ...], value: Any, name: str) -> Any:
    # text last, since everything can be read as text
    kinds = sorted((k for k in inner if k is not types.NoneType), key=lambda k: k in (str, Path))
    complaint = InputError(f"{name} is {_shown(value)}")
    for kind in kinds:
        try:
            return value_of(kind, value, name)
        except InputError as error:
            complaint = error
    raise complaint


def _tuple(inner: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _from_json(value, name)
    if len(inner) == 2 and inner[1] is ...:
        items = list(value) if isinstance(value, list | tuple) else [value]
        return tuple(value_of(inner[0], each, name) for each in items)
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or len(items) != len(inner):
        raise InputError(f"{name} is {_shown(value)}, and {len(inner)} numbers were wanted")
    return tuple(value_of(kind, each, name) for kind, each in zip(inner, items, strict=True))


def _from_json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{name} is {_shown(text)}, which is no JSON list") from None


def _bool(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Path):
        return None
    return str(value)


def _path(value: Any) -> Path | None:
    return Path(value) if isinstance(value, str | Path) and str(value) else None


def _shown(value: Any) -> str:
    """A value in a message: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
