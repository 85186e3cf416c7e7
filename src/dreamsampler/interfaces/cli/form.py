"""Options of a command, as the option parser (tyro) takes them."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import tyro

from dreamsampler.methods.registry import methods_of
from dreamsampler.tasks.method_task import MethodTask
from dreamsampler.tasks.options import Option, options_of

Part = TypeVar("Part")

POSITIONAL = {
    "image": "INPUT",
    "toy": None,
    "task": None,
    "suite": None,
    "manifest": "MANIFEST",
    "result": "RESULT",
    "folder": "FOLDER",
}
"""Options given by position (words that may be left out are not), and their names in help."""

_METAVARS = {"text": "TEXT", "texts": "TEXT", "file": "PATH", "files": "PATH"}
_ALIASES = {"output": ["-o"]}


def form(name: str, parts: Sequence[type], *, choices: bool = False) -> type:
    """One flat dataclass with the options of several, as text, for tyro.

    Options that have several values may be given several times. `read_part` turns the text into
    values, so that every interface refuses a wrong one in the same words.

    Args:
        name: of the new class.
        parts: frozen dataclasses without fields of the same name; the first one has the docstring.
        choices: whether tyro knows the choices, as completions of a shell need it.
    """
    fields: list[Any] = []
    for part in parts:
        for option in ordered(part):
            annotated = _annotated(option, option.help + _range(part, option), choices)
            default = {} if option.required else {"default": _as_text(option.default)}
            fields.append((option.name, annotated, dataclasses.field(**default)))
    title = name.title().replace("-", "")
    made = dataclasses.make_dataclass(title, fields, frozen=True, kw_only=True)
    made.__doc__ = (inspect.getdoc(parts[0]) or "").partition("\n\nExample:")[0]
    return made


def read_part(part: type[Part], filled: Any) -> Part:
    """One of the dataclasses, from a filled form."""
    given = {option.name: (option, getattr(filled, option.name)) for option in ordered(part)}
    as_is = (None, (), True, False)
    return part(**{n: v if v in as_is else option.read(v) for n, (option, v) in given.items()})


def listed(part: type) -> list[tuple[str, str, str]]:
    """(how it is typed, its default, its help) of every option, for a page to be read."""
    rows = []
    for option in ordered(part):
        usual = option.default
        default = "needed" if option.required else str(usual or "") if usual is not True else ""
        typed = ", ".join([*_ALIASES.get(option.name, ()), _typed(option.name, usual)])
        if _positional(option):
            typed = POSITIONAL[option.name] or option.name.upper()
        rows.append((typed, default, option.help + _range(part, option)))
    return rows


def choice_of(forms: Sequence[type], names: Sequence[str]) -> Any:
    """A choice between forms, as tyro takes it: each a subcommand of its name."""
    commands = [
        Annotated[each, tyro.conf.subcommand(name, description=each.__doc__)]
        for name, each in zip(names, forms, strict=True)
    ]
    return tyro.conf.OmitSubcommandPrefixes[typing.Union[tuple(commands)]]  # noqa: UP007


def typed_names(form: type) -> list[str]:
    """The options of a form as they are typed, with their short names."""
    fields = dataclasses.fields(form)
    short = [alias for each in fields for alias in _ALIASES.get(each.name, [])]
    return [*(_typed(each.name, each.default) for each in fields), *short]


def ordered(part: type) -> list[Option]:
    """The options of a dataclass; those of its base classes (json, debug) come last."""
    known, fields = options_of(part), dataclasses.fields(part)
    own = [each.name for each in fields if not each.kw_only]
    return [known[name] for name in [*own, *(f.name for f in reversed(fields) if f.kw_only)]]


def _positional(option: Option) -> bool:
    return option.name in POSITIONAL and (option.default is not None or option.kind == "file")


def _typed(name: str, default: Any) -> str:
    """An option in full; of what is so unless it is switched off, the switch."""
    return ("--no-" if default is True else "--") + name.replace("_", "-")


def _range(part: type, option: Option) -> str:
    """The range of a number, and what the default method takes for it."""
    notes = []
    if option.limits is not None and option.limits[1] <= 10_000:
        notes.append(f"{option.limits[0]:g} to {option.limits[1]:g}")
    if issubclass(part, MethodTask) and option.name in part.METHOD_OPTIONS:
        default = methods_of(part.name())[options_of(part)["method"].default]
        usual = default.settings.get(option.name)
        notes += [] if usual is None else [f"by default {usual:g}"]
    return f" ({'; '.join(notes)})" if notes else ""


def _as_text(default: Any) -> Any:
    return default if default is None or isinstance(default, bool | tuple) else str(default)


def _annotated(option: Option, text: str, choices: bool) -> Any:
    """Text, a tuple of texts or a flag, with its help, short name and position."""
    settings: dict[str, Any] = {"help": text, "aliases": _ALIASES.get(option.name)}
    if option.kind == "flag":
        settings["help_behavior_hint"] = ""
        return Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(**settings)]
    settings["metavar"] = _metavar(option)
    if option.default in (None, ""):
        settings["help_behavior_hint"] = ""
    kind: Any = str
    if option.kind == "choice" and choices:
        kind = Literal[tuple(map(str, option.words))]
    if option.kind == "numbers":
        kind = tuple[(str,) * option.count]  # type: ignore[misc]
    if option.kind in ("texts", "files"):
        several = "" if "several times" in text else "(may be given several times)"
        settings["help_behavior_hint"] = several
        kind = tuple[str, ...]
        return Annotated[kind, tyro.conf.UseAppendAction, tyro.conf.arg(**settings)]
    kind = kind | None if option.default is None else kind
    if _positional(option):
        return Annotated[kind, tyro.conf.Positional, tyro.conf.arg(**settings)]
    return Annotated[kind, tyro.conf.arg(**settings)]


def _metavar(option: Option) -> str:
    if _positional(option) and POSITIONAL[option.name] is not None:
        return str(POSITIONAL[option.name])
    words = list(map(str, option.words))
    if option.kind == "choice":
        return "{" + ",".join(words) + "}"
    number = "INT" if option.whole else "FLOAT"
    kind = _METAVARS.get(option.kind) or " ".join([number] * option.count)
    return "|".join([kind, *words])
