"""Descriptions of operators: "blur(sigma=2) | downsample(4)", or the operators themselves.

A description is plain data; `build` makes the operator of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, final

from dreamsampler.files import local
from dreamsampler.operators.composition import Composition, LinearComposition, compose
from dreamsampler.operators.grammar import Argument, Call, read_argument, split, written
from dreamsampler.operators.operator import (
    Operator,
    input_size,
    is_linear,
    measured,
    shape_of_zeros,
)
from dreamsampler.operators.registry import OPERATORS, Parameter, Size, Value

ALIASES: Final = {"gray": "grey", "identity": "none"}
IN_MEMORY: Final = "an object in memory, which a recipe cannot rebuild"


@final
@dataclass(frozen=True)
class NamedOperator:
    """One operator of a description: its name, and the value of every parameter.

    Args:
        name: one of `OPERATORS`, or the class of the object.
        values: of its parameters.
        in_memory: an object that no text rebuilds, instead of values.
    """

    name: str
    values: tuple[tuple[str, Value], ...] = ()
    in_memory: Operator | None = None

    def __str__(self) -> str:
        if self.in_memory is not None:
            return f"{self.name} ({IN_MEMORY})"
        table = OPERATORS[self.name].parameters
        given = [f"{n}={written(v)}" for n, v in self.values if v != table[n].default]
        return f"{self.name}({', '.join(given)})" if given else self.name

    @property
    def linear(self) -> bool:
        """Whether it has a transpose."""
        return OPERATORS[self.name].linear if self.in_memory is None else is_linear(self.in_memory)

    def build(self, size: Size | None, device: str) -> Operator:
        """The operator; see `Description.build`."""
        if self.in_memory is not None:
            return self.in_memory
        return OPERATORS[self.name].build(dict(self.values), size, device)

    def input_size(self, y_size: Size) -> Size:
        """Size of the picture of a measurement; ValueError if an object takes no such picture."""
        if self.in_memory is not None:
            size = input_size(self.in_memory, y_size)
            shape_of_zeros(self.in_memory, (3, *size))
            return size
        return input_size(self._known(), y_size) if OPERATORS[self.name].sized else y_size

    def measured_size(self, size: Size) -> Size:
        """Size of the measurement of a picture; ValueError if an object takes no such picture."""
        if self.in_memory is not None:
            return shape_of_zeros(self.in_memory, (3, *size))[1:]
        return measured(self._known(), (3, *size))[1:] if OPERATORS[self.name].sized else size

    def _known(self) -> Operator:
        """The operator with some number for every unknown parameter: sizes do not depend on it."""
        table = OPERATORS[self.name].parameters
        known = [(n, (table[n].fitted or (1.0,))[0] if v is None else v) for n, v in self.values]
        return NamedOperator(self.name, tuple(known)).build(None, "cpu")


@final
@dataclass(frozen=True)
class Description:
    """Operators in a row, the first one first; none is the identity.

    Example:
        >>> str(parse("blur(2) | downsample(factor=4, method=bicubic)"))
        'blur(sigma=2) | downsample(factor=4)'
    """

    steps: tuple[NamedOperator, ...] = ()

    def __str__(self) -> str:
        return " | ".join(map(str, self.steps)) or "none"

    @property
    def linear(self) -> bool:
        """Whether all of it is linear."""
        return all(step.linear for step in self.steps)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the parameters written `?`, in order.

        Example:
            >>> parse("blur(sigma=?)").unknown
            ('sigma',)
        """
        return tuple(name for _, name, _ in self._unknown())

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Between which numbers each unknown is searched."""
        return tuple(p.fitted for _, _, p in self._unknown() if p.fitted is not None)

    @property
    def whole(self) -> tuple[bool, ...]:
        """Which of the unknowns are whole numbers."""
        return tuple(parameter.kind is int for _, _, parameter in self._unknown())

    def filled(self, *values: float) -> Description:
        """The same with a number for every unknown, in the order of `unknown`.

        Raises:
            ValueError: for another count of numbers, or one that its parameter refuses.

        Example:
            >>> str(parse("blur(sigma=?)").filled(2.5))
            'blur(sigma=2.5)'
        """
        places = [(i, name) for i, name, _ in self._unknown()]
        if len(values) != len(places):
            raise ValueError(f"{self} has {len(places)} unknowns, but {len(values)} numbers came")
        numbers = dict(zip(places, values, strict=True))
        steps = []
        for i, step in enumerate(self.steps):
            if step.in_memory is None:
                table, given = OPERATORS[step.name].parameters, dict(step.values)
                for name in given:
                    if (i, name) in numbers:
                        value = numbers[i, name]
                        given[name] = round(value) if table[name].kind is int else value
                step = replace(step, values=_checked_all(step.name, table, given))
            steps.append(step)
        return Description(tuple(steps))

    def input_size(self, y_size: Size) -> Size:
        """Height and width of the picture that a measurement of this height and width is of."""
        for step in reversed(self.steps):
            y_size = step.input_size(y_size)
        return y_size

    def measured_size(self, size: Size) -> Size:
        """Height and width of the measurement of a picture of this height and width."""
        for step in self.steps:
            size = step.measured_size(size)
        return size

    def scaled(self, scale: float) -> tuple[Description, float] | None:
        """The same for a picture at another scale, and the scale of what it then measures.

        None where it holds on to the pixels (JPEG, files) or is an object in memory.

        Example:
            >>> small = parse("blur(8) | downsample(2)").scaled(0.25)
            >>> str(small[0]), small[1]
            ('blur(sigma=2) | downsample(factor=1)', 0.5)
        """
        steps = []
        for step in self.steps:
            given, entry = dict(step.values), OPERATORS.get(step.name)
            if step.name == "downsample":
                whole = int(given["factor"])  # type: ignore[arg-type]
                given["factor"] = max(1, round(scale * whole))
                scale *= whole / given["factor"]
            elif step.in_memory is not None or not (scale == 1 or (entry and entry.scales)):
                return None
            elif entry:
                table = entry.parameters
                given = {n: v * scale if table[n].pixels else v for n, v in given.items()}  # type: ignore[operator]
            steps.append(replace(step, values=tuple(given.items())))
        return Description(tuple(steps)), scale

    def check_files(self, size: Size) -> None:
        """Refuse files that are no mask of the picture, or no kernel; ValueError."""
        for step in self.steps:
            if any(name == "path" for name, _ in step.values):
                step.build(size, "cpu")
            size = step.measured_size(size)

    def inputs(self) -> list[Path]:
        """The files that it names."""
        return [Path(str(v)) for step in self.steps for n, v in step.values if n == "path"]

    def build(self, size: Size | None = None, device: str = "cpu") -> Operator:
        """The operator.

        Args:
            size: height and width of the pictures: masks are then checked against it, and
                downsampling knows it where it is no multiple of the factor.

        Raises:
            ValueError: if a parameter is still unknown, or a mask is of another size.
            InputError: for a file that cannot be used.
        """
        if self.unknown:
            names = ", ".join(self.unknown)
            raise ValueError(f"{self} leaves {names} open: fit it, or give it a value")
        ops: list[Operator] = []
        for step in self.steps:
            ops.append(step.build(size, device))
            size = None if size is None else measured(ops[-1], (3, *size))[1:]
        return compose(*ops)

    def _unknown(self) -> Iterator[tuple[int, str, Parameter]]:
        for i, step in enumerate(self.steps):
            for name, value in step.values:
                if value is None:
                    yield i, name, OPERATORS[step.name].parameters[name]


def as_description(operator: object) -> Description:
    """The description of an operator, however it is given.

    Text is parsed. An operator of this package becomes the description that builds it. Other
    objects with A(x), such as deepinv's, and masks and kernels without a file are kept as they are.

    Args:
        operator: text, a description or an operator.

    Raises:
        ValueError: of one line, for text that cannot be read and for what is no operator.

    Example:
        >>> from dreamsampler.operators import GaussianBlur, compose
        >>> str(as_description(compose(GaussianBlur(3), GaussianBlur(1, "zero"))))
        'blur(sigma=3) | blur(sigma=1, boundary=zero)'
    """
    if isinstance(operator, str):
        return parse(operator)
    if isinstance(operator, Description):
        return operator
    if isinstance(operator, Composition | LinearComposition):
        parts = [as_description(part).steps for part in operator.parts]
        return Description(tuple(step for steps in parts for step in steps))
    if isinstance(operator, Operator) and not isinstance(operator, type):
        for name, entry in OPERATORS.items():
            if type(operator) is entry.operator and (values := entry.values(operator)) is not None:
                checked = _checked_all(name, entry.parameters, values)
                return Description((NamedOperator(name, checked),))
        return Description((NamedOperator(type(operator).__name__, in_memory=operator),))
    raise ValueError(
        f'the operator is a {type(operator).__name__}, but must be text such as "blur(sigma=3)" '
        "or an object that measures a picture by A(x)"
    )


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
    if not text.strip():
        raise ValueError('the operator is empty: write for instance "blur(sigma=3)", or "none"')
    if IN_MEMORY in text:
        raise ValueError(f"{text} was used: pass that object again")
    steps = []
    for call in split(text):
        name = ALIASES.get(call.name, call.name)
        if name == "none":
            if call.arguments:
                raise ValueError("none takes no arguments: it leaves the picture as it is")
        elif name in OPERATORS:
            steps.append(NamedOperator(name, values_of(name, call, OPERATORS[name].parameters)))
        else:
            raise ValueError(f"there is no operator {call.name!r}{meant(call.name, [*OPERATORS])}")
    return Description(tuple(steps))


def values_of(
    name: str, call: Call, table: Mapping[str, Parameter]
) -> tuple[tuple[str, Value], ...]:
    """The value of every parameter, from the arguments of a call.

    Raises:
        ValueError: of one line, for arguments that the table does not have.
    """
    try:
        return _values_of(name, call, table)
    except ValueError as error:
        for a, b in itertools.pairwise(call.arguments):
            if a.text.lstrip("+-").isdigit() and b.text.isdigit() and not b.key:
                do = f"a comma separates two values: for a decimal write {a.text}.{b.text}"
                raise ValueError(f"{error}; {do}") from error
        raise


def _values_of(
    name: str, call: Call, table: Mapping[str, Parameter]
) -> tuple[tuple[str, Value], ...]:
    given: dict[str, Argument] = {}
    for i, argument in enumerate(call.arguments):
        if not argument.key and i >= len(table):
            takes = f"takes {', '.join(table)}" if table else "takes no arguments"
            raise ValueError(f"{argument.text} is one argument too many: {name} {takes}")
        key = argument.key or list(table)[i]
        if key not in table:
            raise ValueError(f"{name} has no argument {key!r}{meant(key, [*table])}")
        if key in given:
            raise ValueError(f"{key} of {name} is given twice")
        given[key] = argument
    return _checked_all(name, table, {key: read_argument(each) for key, each in given.items()})


def _checked_all(
    name: str, table: Mapping[str, Parameter], given: Mapping[str, Any]
) -> tuple[tuple[str, Value], ...]:
    """Every parameter and its value, given or by default."""
    values = []
    for key, parameter in table.items():
        if key not in given and parameter.default is ...:
            raise ValueError(f"{name} needs {key}: write {name}({key}=...)")
        value = given.get(key, parameter.default)
        values.append((key, _checked(name, key, parameter, value)))
    return tuple(values)


def _checked(name: str, key: str, parameter: Parameter, value: object) -> Value:
    """The value, converted; ValueError for one that its parameter refuses."""
    what, kind = f"{key} of {name} is {written(value)}", parameter.kind
    if value is None:
        if parameter.fitted is None:
            raise ValueError(f"{key} of {name} cannot be fitted: give it a value instead of ?")
        return None
    if kind is tuple:
        if not (isinstance(value, tuple) and len(value) == 3):
            raise ValueError(f"{what}, but must be a row of three numbers, such as 0.9 0.1 0")
        return value
    if kind is str:
        text = written(value) if not isinstance(value, str) else value
        text = str(local(text)) if key == "path" and text else text
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


def meant(word: str, known: list[str]) -> str:
    """The end of an error: the known name that is similar, and all known names."""
    close = get_close_matches(word, known, 1, 0.5)
    hint = f": did you mean {close[0]}?" if close else ""
    if len(known) > 1:
        return f"{hint} (there are {', '.join(known)})"
    return hint or (f": its only argument is {known[0]}" if known else ": it takes none")
