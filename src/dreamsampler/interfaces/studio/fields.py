"""A task's dataclass as the fields of a form: what each is, what it says, how its value is read.

Needs neither gradio nor torch: the page, the HTTP interface and recipes that are uploaded all read
values through here.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from dreamsampler.interfaces.cli.form import choices_of, described

_DIGITS = re.compile(r"\s*[+-]?\d{1,40}\s*")
Kind: TypeAlias = Literal["text", "texts", "number", "numbers", "flag", "choice", "file", "files"]


@final
@dataclass(frozen=True)
class Field:
    """One field of a task.

    Args:
        name: as in the dataclass and on the command line.
        kind: what is asked for: one or several texts, one or a fixed count of numbers, yes or no,
            one of some words, one or several files.
        help: the string below the field.
        default: `...` where it must be given.
        optional: whether it may be left out (None).
        whole: whether its numbers are whole.
        count: how many numbers.
        choices: word (or number) -> when to take it, as the help tells; words that a number may
            be replaced with, for numbers.
        limits: least and largest number.
    """

    name: str
    kind: Kind
    help: str
    default: Any = ...
    optional: bool = False
    whole: bool = False
    count: int = 1
    choices: Mapping[Any, str] = dataclasses.field(default_factory=dict)
    limits: tuple[float, float] | None = None

    @property
    def label(self) -> str:
        """Its name in words.

        Example:
            >>> Field("mask_image", "file", "").label
            'Mask image'
        """
        return self.name.replace("_", " ").capitalize()

    @property
    def required(self) -> bool:
        """Whether there is no value to fall back on."""
        return self.default is ...


def fields_of(task: type) -> list[Field]:
    """The fields of a task, in their order.

    Args:
        task: a frozen dataclass of plain values, with a string below each field.

    Raises:
        TypeError: a field of a type that no form knows.

    Example:
        >>> from dreamsampler.tasks import Restore
        >>> noise = next(each for each in fields_of(Restore) if each.name == "noise")
        >>> noise.kind, list(noise.choices), noise.default
        ('number', ['auto'], 'auto')
    """
    hints, docs = typing.get_type_hints(task), described(task)
    limits = getattr(task, "LIMITS", {})
    made = [
        _field(each.name, hints[each.name], docs.get(each.name, ""), each.default)
        for each in dataclasses.fields(task)
    ]
    return [dataclasses.replace(field, limits=limits.get(field.name)) for field in made]


def lines_of(text: str, words: Sequence[Any]) -> dict[Any, str]:
    """What a help says of each word, from "a: this; b, c: that"; empty where it says nothing.

    Example:
        >>> lines_of("a: best; b, c: as published", ["a", "b", "c", "d"])
        {'a': 'best', 'b': 'as published', 'c': 'as published', 'd': ''}
    """
    said: dict[str, str] = {}
    for part in text.split(";"):
        names, colon, line = part.partition(":")
        if colon:
            said |= {name.strip(): line.strip() for name in names.split(",")}
    return {word: said.get(str(word), "") for word in words}


def read(field: Field, value: Any) -> Any:
    """A value as it came from a form or from JSON, as the task wants it.

    Nothing (None, or blank text) is the default, or None where that is allowed.

    Raises:
        ValueError: in one line, for what cannot be read.

    Example:
        >>> read(Field("seed", "number", "", default=0, whole=True), "7")
        7
    """
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        if field.required and not field.optional:
            raise ValueError(f"{field.label.lower()} is empty: {field.help}")
        return None if field.required else field.default
    match field.kind:
        case "flag":
            return _flag(field, value)
        case "choice":
            return _choice(field, value)
        case "number":
            return _number(field, value)
        case "numbers":
            return _numbers(field, value)
        case "texts":
            lines = value.splitlines() if isinstance(value, str) else _listed(field, value)
            return tuple(str(line).strip() for line in lines if str(line).strip())
        case "files":
            return tuple(Path(str(each)) for each in _listed(field, value))
        case "file":
            return Path(str(value))
    if not isinstance(value, str):
        raise ValueError(f"{field.label.lower()} is {value!r}, but must be text")
    return value.strip()


def fill(task: type, values: Mapping[str, Any]) -> Any:
    """A task, from the values of a form; what is not named keeps its default.

    Raises:
        ValueError: a value that cannot be read, or a name that the task does not have.
    """
    known = {field.name: field for field in fields_of(task)}
    for name in values:
        if name not in known:
            raise ValueError(f"{task.__name__.lower()} has no option {name!r}")
    return task(**{name: read(field, values.get(name)) for name, field in known.items()})


def preset_settings(task: type, preset: str) -> dict[str, Any]:
    """What a preset chooses for the fields of a task that are left empty.

    None marks an option that the preset does not have. Tasks without presets choose nothing.
    """
    return choices_of(task).get(preset, {})


def _field(name: str, hint: Any, text: str, default: Any) -> Field:
    default = ... if default is dataclasses.MISSING else default
    kinds = _kinds(hint)
    optional = types.NoneType in kinds
    kinds = [kind for kind in kinds if kind is not types.NoneType]
    words = [w for k in kinds if typing.get_origin(k) is Literal for w in typing.get_args(k)]
    plain = [kind for kind in kinds if typing.get_origin(kind) is not Literal]
    if words and not plain:
        return Field(name, "choice", text, default, optional, choices=lines_of(text, words))
    if Path in plain:
        return Field(name, "file", text, default, optional)
    if len(plain) != 1:
        raise TypeError(f"no form knows {name}: {hint}")
    (kind,), said = plain, lines_of(text, words)
    if kind in (int, float):
        return Field(name, "number", text, default, optional, whole=kind is int, choices=said)
    if kind is bool:
        return Field(name, "flag", text, default)
    if kind is str:
        return Field(name, "text", text, default, optional)
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and parts[-1] is ...:
        return Field(name, "files" if parts[0] is Path else "texts", text, default, optional)
    if typing.get_origin(kind) is tuple and set(parts) <= {int, float}:
        whole = set(parts) == {int}
        return Field(name, "numbers", text, default, optional, whole=whole, count=len(parts))
    raise TypeError(f"no form knows {name}: {hint}")


def _kinds(hint: Any) -> list[Any]:
    """The alternatives of a union, or the one type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return list(typing.get_args(hint))
    return [hint]


def _flag(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{field.label.lower()} is {value!r}, but must be true or false")


def _choice(field: Field, value: Any) -> Any:
    for word in field.choices:
        if str(word) == str(value):
            return word
    known = ", ".join(map(str, field.choices))
    raise ValueError(f"{field.label.lower()} is {value!r}: choose one of {known}")


def _number(field: Field, value: Any) -> int | float | str:
    if str(value).strip() in field.choices:
        return str(value).strip()
    try:
        number = int(value) if _whole(value) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or math.isnan(number):
        words = "".join(f", or {word}" for word in field.choices)
        raise ValueError(f"{field.label.lower()} is {value!r}, but must be a number{words}")
    if not field.whole:
        return float(number)
    if math.isinf(number) or number != round(number):
        raise ValueError(f"{field.label.lower()} is {value}, but must be a whole number")
    return int(number)


def _whole(value: Any) -> bool:
    """Whether a value is a whole number in full."""
    return isinstance(value, int) or (isinstance(value, str) and bool(_DIGITS.fullmatch(value)))


def _numbers(field: Field, value: Any) -> tuple[int | float | str, ...]:
    given = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else _listed(field, value)
    if len(given) != field.count:
        raise ValueError(
            f"{field.label.lower()} has {len(given)} numbers and {field.count} were wanted: "
            f"{field.help}"
        )
    return tuple(_number(field, each) for each in given)


def _listed(field: Field, value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str | Path):
        return [value]
    raise ValueError(f"{field.label.lower()} is {value!r}, but must be a list")
