"""Operators in words: "blur(sigma=2) | downsample(4)".

A description is plain data; `build` makes the operator of it. This file itself needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Final, TypeAlias, final

from dreamsampler.operators.grammar import Argument, Word, read_argument, split

if TYPE_CHECKING:
    from dreamsampler.operators.operator import Operator

Row: TypeAlias = tuple[float, float, float]
Value: TypeAlias = float | int | str | Row | None
"""Of a parameter; None is one that shall be fitted, written `?`."""


@final
@dataclass(frozen=True)
class Parameter:
    """What an argument may be.

    Args:
        kind: float, int, str (a file), or tuple (three numbers).
        low: least value, itself allowed for whole numbers only.
        high: largest value.
        default: what it is if left out; `...` where it must be given.
        choices: the only words allowed.
        fitted: (low, high) between which `?` is searched; None where `?` is refused.
    """

    kind: type
    low: float = -math.inf
    high: float = math.inf
    default: Value | EllipsisType = ...
    choices: tuple[str, ...] = ()
    fitted: tuple[float, float] | None = None


_BOUNDARY = Parameter(str, default="reflect", choices=("reflect", "circular", "zero"))
OPERATORS: Final[Mapping[str, Mapping[str, Parameter]]] = {
    "blur": {"sigma": Parameter(float, 0, 1000, fitted=(0.3, 12.0)), "boundary": _BOUNDARY},
    "motion_blur": {
        "length": Parameter(float, 0, 2000, fitted=(1.0, 40.0)),
        "angle": Parameter(float, default=0.0, fitted=(-90.0, 90.0)),
        "boundary": _BOUNDARY,
    },
    "kernel": {"path": Parameter(str), "boundary": _BOUNDARY},
    "downsample": {
        "factor": Parameter(int, 1, 64),
        "method": Parameter(str, default="bicubic", choices=("bicubic", "area")),
    },
    "mask": {"path": Parameter(str)},
    "grey": {},
    "color_matrix": {name: Parameter(tuple) for name in ("red", "green", "blue")},
    "jpeg": {
        "quality": Parameter(int, 1, 100, fitted=(1, 100)),
        "subsampling": Parameter(str, default="4:2:0", choices=("4:2:0", "4:4:4")),
    },
}
"""Every operator that has a name, and its parameters in their order."""

_ALIASES = {"gray": "grey", "identity": "none"}


@final
@dataclass(frozen=True)
class Step:
    """One operator of a description: its name, and the value of every parameter."""

    name: str
    values: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        table = OPERATORS[self.name]
        told = [f"{n}={_written(v)}" for n, v in self.values if v != table[n].default]
        return f"{self.name}({', '.join(told)})" if told else self.name


@final
@dataclass(frozen=True)
class Description:
    """Operators in a row, the first one first; none is the identity.

    Example:
        >>> str(parse("blur(2) | downsample(factor=4, method=bicubic)"))
        'blur(sigma=2) | downsample(factor=4)'
    """

    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return " | ".join(map(str, self.steps)) or "none"

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the parameters written `?`, in order.

        Example:
            >>> parse("blur(sigma=?)").unknown
            ('sigma',)
        """
        return tuple(name for _, name in self._unknown())

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Between which numbers each unknown is searched."""
        found = (OPERATORS[self.steps[i].name][name].fitted for i, name in self._unknown())
        return tuple(each for each in found if each is not None)

    @property
    def whole(self) -> tuple[bool, ...]:
        """Which of the unknowns are whole numbers."""
        found = (OPERATORS[self.steps[i].name][name].kind for i, name in self._unknown())
        return tuple(kind is int for kind in found)

    def filled(self, *values: float) -> Description:
        """The same with a number for every unknown, in the order of `unknown`.

        Raises:
            ValueError: for another count of numbers, or one that its parameter refuses.

        Example:
            >>> str(parse("blur(sigma=?)").filled(2.5))
            'blur(sigma=2.5)'
        """
        places = list(self._unknown())
        if len(values) != len(places):
            raise ValueError(f"{self} has {len(places)} unknowns, but {len(values)} numbers came")
        told = dict(zip(places, values, strict=True))
        steps = []
        for i, step in enumerate(self.steps):
            table, pairs = OPERATORS[step.name], []
            for name, value in step.values:
                new = told.get((i, name), value)
                if (i, name) in told and table[name].kind is int:
                    new = round(told[i, name])
                pairs.append((name, _checked(step.name, name, table[name], new)))
            steps.append(Step(step.name, tuple(pairs)))
        return Description(tuple(steps))

    def input_size(self, y_size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the picture that a measurement of this height and width is of."""
        factor = math.prod(self._factors())
        return y_size[0] * factor, y_size[1] * factor

    def measured_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the measurement of a picture of this height and width."""
        for factor in self._factors():
            size = -(-size[0] // factor), -(-size[1] // factor)
        return size

    def inputs(self) -> list[Path]:
        """The files that it names."""
        return [Path(str(v)) for step in self.steps for n, v in step.values if n == "path"]

    def build(self, size: tuple[int, int] | None = None, device: str = "cpu") -> Operator:
        """The operator.

        Args:
            size: height and width of the pictures: masks are then checked against it, and
                downsampling knows it where it is no multiple of the factor.
            device: where masks and matrices are kept.

        Raises:
            ValueError: if a parameter is still unknown, or a mask is of another size.
            InputError: for a file that cannot be used.
        """
        from dreamsampler.operators.build import build

        return build(self, size, device)

    def _factors(self) -> list[int]:
        values = [value for step in self.steps for name, value in step.values if name == "factor"]
        return [value for value in values if isinstance(value, int)]

    def _unknown(self) -> Iterator[tuple[int, str]]:
        for i, step in enumerate(self.steps):
            yield from ((i, name) for name, value in step.values if value is None)


def parse(text: str) -> Description:
    """Read a description of operators, the first one first, separated by `|`.

        blur(sigma, boundary=reflect)                   Gaussian, sigma in pixels
        motion_blur(length, angle=0, boundary=reflect)  pixels; degrees counterclockwise
        kernel(path, boundary=reflect)                  picture, .npy, .safetensors or table
        downsample(factor, method=bicubic)              bicubic or area
        mask(path)                                      white is lost, black was measured
        grey
        color_matrix(red, green, blue)                  rows of three numbers: 1 0 0, 0 1 0, 0 0 1
        jpeg(quality, subsampling=4:2:0)                quality 1 ... 100
        none                                            the picture itself

    Arguments go by place or by name; paths with blanks, commas or brackets need quotes. `?` stands
    for a number that shall be fitted (sigma, length, angle, quality).

    Raises:
        ValueError: of one line, with a suggestion where a name was misspelt.

    Example:
        >>> parse("blur(sigma=0)")
        Traceback (most recent call last):
        ...
        ValueError: sigma of blur is 0, but must be above 0 (at most 1000)
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError('the operator is empty: write for instance "blur(sigma=3)", or "none"')
    return Description(tuple(step for word in split(text) for step in _step(word)))


def _step(word: Word) -> list[Step]:
    name = _ALIASES.get(word.name, word.name)
    if name == "none":
        if word.arguments:
            raise ValueError("none takes no arguments: it leaves the picture as it is")
        return []
    if name not in OPERATORS:
        raise ValueError(f"there is no operator {word.name!r}{meant(word.name, [*OPERATORS])}")
    return [Step(name, values_of(name, word, OPERATORS[name]))]


def values_of(
    name: str, word: Word, table: Mapping[str, Parameter]
) -> tuple[tuple[str, Value], ...]:
    """The value of every parameter, from the arguments of a word.

    Args:
        name: what the word stands for.
        word: its arguments, by place or by name.
        table: its parameters, in their order.

    Raises:
        ValueError: of one line, for arguments that do not belong there.
    """
    given: dict[str, Argument] = {}
    for i, argument in enumerate(word.arguments):
        if not argument.key and i >= len(table):
            takes = f"takes {', '.join(table)}" if table else "takes no arguments"
            raise ValueError(f"{argument.text} is one argument too many: {name} {takes}")
        key = argument.key or list(table)[i]
        if key not in table:
            raise ValueError(f"{name} has no argument {key!r}{meant(key, [*table])}")
        if key in given:
            raise ValueError(f"{key} of {name} is given twice")
        given[key] = argument
    values = []
    for key, parameter in table.items():
        if key not in given and parameter.default is ...:
            raise ValueError(f"{name} needs {key}: write {name}({key}=...)")
        value = read_argument(given[key]) if key in given else parameter.default
        values.append((key, _checked(name, key, parameter, value)))
    return tuple(values)


def _checked(name: str, key: str, parameter: Parameter, value: object) -> Value:
    """The value as its parameter wants it, or a ValueError that says what that is."""
    what, kind = f"{key} of {name} is {_written(value)}", parameter.kind
    if value is None:
        if parameter.fitted is None:
            raise ValueError(f"{key} of {name} cannot be fitted: give it a value instead of ?")
        return None
    if kind is tuple:
        if not (isinstance(value, tuple) and len(value) == 3):
            raise ValueError(f"{what}, but must be a row of three numbers, such as 0.9 0.1 0")
        return value
    if kind is str:
        text = _written(value) if not isinstance(value, str) else value
        if not text:
            raise ValueError(f"{key} of {name} is empty: name a file")
        if parameter.choices and text not in parameter.choices:
            raise ValueError(f"{what}, but must be one of {', '.join(parameter.choices)}")
        return text
    if not isinstance(value, int | float) or (kind is int and value != round(value)):
        raise ValueError(f"{what}, but must be a {'whole ' if kind is int else ''}number")
    lowest_fails = value <= parameter.low if kind is float else value < parameter.low
    if lowest_fails or value > parameter.high:
        least = "above" if kind is float else "at least"
        limits = f"must be {least} {parameter.low:g} (at most {parameter.high:g})"
        raise ValueError(f"{what}, but {limits}")
    return round(value) if kind is int else float(value)


def _written(value: object) -> str:
    """A value as it is written in a description."""
    if value is None:
        return "?"
    if isinstance(value, tuple):
        return " ".join(map(_written, value))
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


def meant(word: str, known: list[str]) -> str:
    """The end of an error: what a word may have been, and what there is."""
    close = get_close_matches(word, known, 1, 0.5)
    hint = f": did you mean {close[0]}?" if close else ""
    return f"{hint} (there are {', '.join(known)})" if len(known) > 1 else hint or _only(known)


def _only(known: list[str]) -> str:
    return f": its only argument is {known[0]}" if known else ": it takes none"


def as_description(operator: str | Description) -> Description:
    """An operator in words or as a description, read."""
    return operator if isinstance(operator, Description) else parse(operator)
