"""The grammar of descriptions: names, arguments, quotes; nothing is ever evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final


@final
@dataclass(frozen=True)
class Argument:
    """One argument: its name ("" if it goes by place) and its text, quotes and all."""

    key: str
    text: str


@final
@dataclass(frozen=True)
class Call:
    """One operator: a name and its arguments."""

    name: str
    arguments: tuple[Argument, ...] = ()


Read: TypeAlias = float | int | str | tuple[float, ...] | None


def split(text: str) -> list[Call]:
    """Take a description apart.

    Raises:
        ValueError: of one line, for brackets or quotes that do not close and names left out.

    Example:
        >>> [call.name for call in split("blur(2) | grey")]
        ['blur', 'grey']
    """
    return [_call(part, text) for part in _pieces(text, "|")]


def read_argument(argument: Argument) -> Read:
    """An argument's value: a number, several, a text, or None for `?`.

    Example:
        >>> [read_argument(Argument("", t)) for t in ("2", "2.5", "?", "a.png", "'2'", "1 0 0")]
        [2, 2.5, None, 'a.png', '2', (1.0, 0.0, 0.0)]
    """
    text = argument.text
    if text == "?":
        return None
    if text[0] in "'\"":
        quote = text[0]
        return text[1:-1].replace(2 * quote, quote)
    number = _number(text)
    if number is not None:
        return number
    row = [_number(each) for each in text.split()]
    numbers = [float(each) for each in row if each is not None]
    return tuple(numbers) if len(numbers) == len(row) else text


def with_files(text: str, change: Callable[[str], str], known: Mapping[str, Any]) -> str:
    """A description with other names for its files; one that cannot be read comes back as it is.

    Args:
        change: a file's name -> another one.
        known: what may be called, with its `parameters`: operators, or regularizers.

    Example:
        >>> from dreamsampler.operators.registry import OPERATORS
        >>> with_files("mask(hole.png) | blur(2)", lambda name: f"my masks/{name}", OPERATORS)
        "mask('my masks/hole.png') | blur(2)"
    """
    try:
        calls = split(text)
    except ValueError:
        return text
    parts = []
    for call in calls:
        names = [*known[call.name].parameters] if call.name in known else []
        arguments = []
        for i, each in enumerate(call.arguments):
            key, value = each.key or "".join(names[i : i + 1]), each.text
            if key == "path" and value != "?":
                value = written(change(str(read_argument(each))))
            arguments.append(f"{each.key}={value}" if each.key else value)
        parts.append(f"{call.name}({', '.join(arguments)})" if arguments else call.name)
    return " | ".join(parts)


def written(value: object) -> str:
    """A value as it is written in a description."""
    if value is None:
        return "?"
    if isinstance(value, tuple):
        return " ".join(map(written, value))
    if isinstance(value, float | int):
        whole = abs(value) < 1e15 and value == int(value)
        return f"{int(value)}" if whole else repr(value)
    text = str(value)
    odd = any(sign in ",()|='\"?" or sign.isspace() or not sign.isprintable() for sign in text)
    plain = not odd and not _reads_as_number(text)
    return text if plain else "'" + text.replace("'", "''") + "'"


def _reads_as_number(text: str) -> bool:
    """Whether a path, unquoted, would come back as a number: 2, 1e5, 1_0, nan."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> float | int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number: write one such as 2.5")
    return int(value) if value == int(value) and text.lstrip("+-").isdigit() else value


def _call(part: str, whole: str) -> Call:
    name, bracket, rest = part.partition("(")
    name = name.strip()
    if not name.replace("_", "a").isalnum():
        raise ValueError(
            f"{whole!r} cannot be read at {part.strip() or 'an empty place'!r}: write operators "
            'such as "blur(sigma=2) | downsample(4)"'
        )
    if not bracket:
        return Call(name)
    rest = rest.rstrip()
    if not rest.endswith(")"):
        raise ValueError(f"{whole!r} cannot be read: write | after {part.strip()!r}")
    inner = rest[:-1].strip()
    if not inner:
        return Call(name)
    try:
        pieces = _pieces(inner, ",")
    except ValueError as error:  # the brackets of the whole do match, so these are two operators
        raise ValueError(f"{whole!r} cannot be read: write | between two operators") from error
    return Call(name, tuple(_argument(each, name) for each in pieces))


def _argument(text: str, name: str) -> Argument:
    text = text.strip()
    key, equals, value = text.partition("=")
    if not equals or text[:1] in ("'", '"'):
        key, value = "", text
    key, value = key.strip(), value.strip()
    if not value:
        raise ValueError(f"an argument of {name} is empty: write {name}(name=value)")
    quoted = value[0] in "'\""
    if quoted and (len(value) < 2 or value[-1] != value[0]):
        raise ValueError(f"{value} in {name} cannot be read: close the quote")
    return Argument(key, value)


def _pieces(text: str, separator: str) -> list[str]:
    """Split where the separator stands outside of quotes and brackets."""
    pieces, start, depth, quote = [], 0, 0, ""
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
            if depth < 0:
                break
        elif sign == separator and not depth:
            pieces.append(text[start:i])
            start = i + 1
    if quote or depth:
        what = f"the quote {quote}" if quote else "a bracket"
        raise ValueError(f"{text!r} cannot be read: {what} has no partner")
    return [*pieces, text[start:]]
