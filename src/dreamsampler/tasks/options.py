"""The options of a task: what each one is, which values it takes, and how a value is read.

The command line, JSON Schema, the studio, ComfyUI's widgets, batch rows and recipes all read the
fields of a task's dataclass through this module; it needs no torch.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import json
import math
import re
import textwrap
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, final

from dreamsampler.files import InputError
from dreamsampler.tasks.limits import Limits

Kind: TypeAlias = Literal["text", "texts", "number", "numbers", "flag", "choice", "file", "files"]
Options = TypeVar("Options")

_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
_DIGITS = re.compile(r"\s*[+-]?\d{1,40}\s*")


@final
@dataclass(frozen=True)
class Option:
    """One field of a dataclass of options.

    Args:
        name: as in the dataclass and on the command line.
        kind: one or several texts, one or a fixed count of numbers, a flag, one of some words, one
            or several files.
        help: the string below the field.
        default: `...` where it must be given.
        optional: whether it may be None.
        whole: whether its numbers are whole.
        count: how many numbers.
        words: the choices; of a number, the words that may stand in its place ("auto").
        limits: least and largest number.
    """

    name: str
    kind: Kind
    help: str = ""
    default: Any = ...
    optional: bool = False
    whole: bool = False
    count: int = 1
    words: tuple[Any, ...] = ()
    limits: tuple[float, float] | None = None

    @property
    def label(self) -> str:
        """The name in words.

        Example:
            >>> Option("mask_image", "file").label
            'Mask image'
        """
        return self.name.replace("_", " ").capitalize()

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is ...

    @property
    def about(self) -> dict[Any, str]:
        """What the help says of each word, from "a: this; b, c: that"; empty where it says nothing.

        Example:
            >>> Option("init", "choice", "a: best; b, c: as published", words=("a", "b", "c")).about
            {'a': 'best', 'b': 'as published', 'c': 'as published'}
        """
        lines: dict[str, str] = {}
        for part in self.help.split(";"):
            names, colon, line = part.partition(":")
            if colon:
                lines |= {name.strip(): line.strip() for name in names.split(",")}
        return {word: lines.get(str(word), "") for word in self.words}

    def read(self, value: Any) -> Any:
        """A value from JSON, a table, a form or the command line, as the dataclass takes it.

        Numbers may be text; several texts or files may be a list, its JSON, or lines of text.

        Raises:
            InputError: a value of another kind; the range is checked by `check_options`.

        Example:
            >>> Option("seed", "number", whole=True).read("7")
            7
        """
        match self.kind:
            case "flag":
                return self._flag(value)
            case "choice":
                return self._choice(value)
            case "number":
                return self._number(value)
            case "numbers":
                return self._numbers(value)
            case "texts":
                return tuple(self._text(each) for each in self._listed(value))
            case "files":
                return tuple(self._file(each) for each in self._listed(value))
            case "file":
                return self._file(value)
        return self._text(value)

    def _wrong(self, value: Any, expected: str) -> InputError:
        return InputError(f"{self.name} is {shown(value)}, but must be {expected}")

    def _flag(self, value: Any) -> bool:
        word = str(value).strip().lower()
        if isinstance(value, bool):
            return value
        if word not in (*_TRUE, *_FALSE):
            raise self._wrong(value, "true or false")
        return word in _TRUE

    def _choice(self, value: Any) -> Any:
        for word in self.words:
            if not isinstance(value, bool) and str(word) == str(value):
                return word
        raise self._unknown(value)

    def _unknown(self, value: Any) -> InputError:
        known = ", ".join(map(str, self.words))
        return InputError(
            f"there is no {self.name} {shown(value)}{near(value, self.words)}: choose one of "
            f"{known}"
        )

    def _number(self, value: Any) -> int | float | str:
        if str(value).strip() in self.words:
            return str(value).strip()
        expected = "a whole number" if self.whole else "a number"
        expected += "".join(f", or {word}" for word in self.words)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self._wrong(value, expected)
        try:
            digits = isinstance(value, str) and _DIGITS.fullmatch(value)
            number = int(value) if isinstance(value, int) or digits else float(value)
        except (ValueError, OverflowError):
            if re.fullmatch(r"[-+\d.]*,\d+", str(value).strip()):
                expected += ", with a decimal point instead of a comma"
            raise self._wrong(value, expected) from None
        if math.isnan(number):
            raise self._wrong(value, expected)
        if not self.whole:
            return float(number)
        if math.isinf(number) or number != round(number):
            raise self._wrong(value, expected)
        return int(number)

    def _numbers(self, value: Any) -> tuple[int | float | str, ...]:
        parts = json_list(value)
        parts = re.split(r"[\s,]+", parts.strip()) if isinstance(parts, str) else parts
        if not isinstance(parts, list | tuple) or len(parts) != self.count:
            raise self._wrong(value, f"{self.count} numbers")
        return tuple(self._number(each) for each in parts)

    def _listed(self, value: Any) -> list[Any]:
        value = json_list(value)
        if isinstance(value, list | tuple):
            return list(value)
        if isinstance(value, str) and self.kind == "texts":
            return [line.strip() for line in value.splitlines() if line.strip()]
        return [value]

    def _text(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Path):
            raise self._wrong(value, "text")
        return str(value).strip()

    def _file(self, value: Any) -> Path:
        if not isinstance(value, str | Path) or not str(value):
            raise self._wrong(value, "a file name")
        return Path(value)


@cache
def options_of(kind: type) -> dict[str, Option]:
    """The options of a dataclass by their names, in their order.

    Args:
        kind: a frozen dataclass of plain values, with a string below each field; `LIMITS` has the
            ranges of its numbers.

    Raises:
        TypeError: a field of a type that no option has.

    Example:
        >>> from dreamsampler.tasks import Restore
        >>> noise = options_of(Restore)["noise"]
        >>> noise.kind, noise.words, noise.default
        ('number', ('auto',), 'auto')
    """
    hints, docs = typing.get_type_hints(kind), _docs(kind)
    limits: Limits = getattr(kind, "LIMITS", {})
    made = {}
    for field in dataclasses.fields(kind):
        default = ... if field.default is dataclasses.MISSING else field.default
        option = _option(field.name, hints[field.name], docs.get(field.name, ""), default)
        made[field.name] = dataclasses.replace(option, limits=limits.get(field.name))
    return made


def with_python_scalars(values: Any) -> dict[str, Option]:
    """The options of an instance, whose scalars of NumPy and torch become Python's own."""
    known = options_of(type(values))
    for name in known:
        object.__setattr__(values, name, _python(getattr(values, name)))
    return known


def _python(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_python(each) for each in value)
    return value.item() if getattr(value, "ndim", None) == 0 else value


def read_options(kind: type[Options], values: Mapping[str, Any], name: str) -> Options:
    """An instance of a dataclass from plain values; None and blank text leave an option out.

    Args:
        kind: the dataclass.
        values: option -> value.
        name: what errors call it.

    Raises:
        InputError: an unknown or a missing option, or a value of another kind.
    """
    known, given = options_of(kind), {}
    for option, value in values.items():
        if option not in known:
            raise unknown_option(name, option, known)
        if value is not None and not (isinstance(value, str) and not value.strip()):
            given[option] = known[option].read(value)
    for option in known.values():
        if option.required and option.name not in given:
            raise InputError(f"{name} needs {option.name}, and it is missing: {option.help}")
    return kind(**given)


def unknown_option(name: str, option: Any, known: Iterable[str]) -> InputError:
    """The error for an option that a task does not have."""
    known = list(known)
    return InputError(
        f"{name} has no option {shown(option)}{near(option, known)}; it has {', '.join(known)}"
    )


def check_options(values: Any, names: Iterable[str] | None = None) -> None:
    """Refuse a number that is none or out of its range, and a word that is no choice.

    Args:
        values: an instance of a dataclass of options; None in a field is left alone.
        names: of the options to look at; None for all.

    Raises:
        ValueError: with the name, what came and what was expected.

    Example:
        >>> from dreamsampler.tasks import Edit
        >>> check_options(Edit("cat.png", "a dog", seed=-1))
        Traceback (most recent call last):
        dreamsampler.files.InputError: seed is -1, but must be a whole number from 0 to 2^63 - 1
    """
    known = options_of(type(values))
    for name in known if names is None else names:
        option, value = known[name], getattr(values, name)
        if value is None and option.optional:
            continue
        if option.kind == "choice":
            option._choice(value)
        elif option.kind == "number" and option.limits and value not in option.words:
            _check_number(option, value)


def _check_number(option: Option, value: Any) -> None:
    assert option.limits is not None
    (low, high), kinds = option.limits, int if option.whole else (int, float)
    # NaN is not between them either
    fits = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
    if not fits:
        kind = "a whole number" if option.whole else "a number"
        words = "".join(f", or {word}" for word in option.words)
        raise InputError(
            f"{option.name} is {shown(value)}, but must be {kind} from {_limit(low)} to "
            f"{_limit(high)}{words}"
        )


def _limit(number: float) -> str:
    """A limit in a message; 2^63 - 1 as such."""
    return "2^63 - 1" if number == 2**63 - 1 else f"{number:g}"


def near(name: Any, known: Iterable[Any]) -> str:
    """The known name nearest to a mistyped one, as a question; nothing if none is near."""
    close = difflib.get_close_matches(str(name)[:64], [str(each) for each in known], n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def shown(value: Any) -> str:
    """A value in a message: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def json_list(value: Any) -> Any:
    """What text in brackets holds if it is a list in JSON; anything else as it is; InputError."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        if re.match(r'\s*\[\s*"', value):
            raise InputError(f"{shown(value)} begins as a JSON list: end it as one") from None
        return value


def _alternatives(hint: Any) -> list[Any]:
    """The alternatives of a union, or the one type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [each for inner in typing.get_args(hint) for each in _alternatives(inner)]
    return [hint]


def _option(name: str, hint: Any, text: str, default: Any) -> Option:
    kinds = _alternatives(hint)
    optional = types.NoneType in kinds
    # objects in memory (a picture, an operator) are no plain values; what is left describes them
    kinds = [kind for kind in kinds if kind not in (types.NoneType, Any)]
    words = tuple(w for k in kinds if typing.get_origin(k) is Literal for w in typing.get_args(k))
    plain = [kind for kind in kinds if typing.get_origin(kind) is not Literal]
    tuples = [typing.get_args(kind) for kind in plain if typing.get_origin(kind) is tuple]
    base = Option(name, "text", text, default, optional, words=words)
    if words and not plain:
        return dataclasses.replace(base, kind="choice")
    if tuples and tuples[0][-1] is ...:
        files = Path in _alternatives(tuples[0][0])
        return dataclasses.replace(base, kind="files" if files else "texts")
    if Path in plain:
        return dataclasses.replace(base, kind="file")
    if tuples and set(tuples[0]) <= {int, float}:
        whole = set(tuples[0]) == {int}
        return dataclasses.replace(base, kind="numbers", whole=whole, count=len(tuples[0]))
    if plain in ([int], [float]):
        return dataclasses.replace(base, kind="number", whole=plain == [int])
    if plain == [bool]:
        return dataclasses.replace(base, kind="flag")
    if plain == [str]:
        return base
    raise TypeError(f"no option is of the type of {name}: {hint}")


@cache
def _docs(kind: type) -> dict[str, str]:
    """Field name -> the string below it, in the class or one that it inherits from."""
    docs: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(each):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in itertools.pairwise(body.body):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    docs[name] = " ".join(words.split())
    return docs
