"""Tasks as command-line forms: one frozen dataclass of plain values, one subcommand."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import math
import textwrap
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

PLACED = {
    "image": "INPUT",
    "scene": "SCENE",
    "toy": None,
    "task": None,
    "suite": None,
    "manifest": "MANIFEST",
    "result": "RESULT",
    "folder": "FOLDER",
}
"""Fields that are given by their place, not by their name, and what they are called in help; one
that may be None has its name all the same."""

_METAVARS: dict[type, str] = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}
_ALIASES = {"output": ["-o"]}


def form(name: str, parts: Sequence[type], like: type | None = None) -> type:
    """One flat dataclass with the fields of several, dressed for tyro.

    Help is the string below each field; fields of `PLACED` are positional (those that may be
    left out: if their dataclass names them in a `PLACED` of its own), and one that holds a tuple of
    any length may be given several times.

    Args:
        name: of the new class.
        parts: frozen dataclasses without fields of the same name.
        like: whose docstring's first paragraph it has; by default all of the first part's.
    """
    fields: list[Any] = []
    for part in parts:
        hints, docs, chosen = typing.get_type_hints(part), described(part), choices_of(part)
        for each in dataclasses.fields(part):
            help_ = docs.get(each.name, "") + _range(part, each.name, chosen)
            placed = _placed(part, each)
            option = _option(each.name, hints[each.name], help_, each.default, placed)
            default: dict[str, Any] = {}
            if each.default is not dataclasses.MISSING:
                default["default"] = each.default
            fields.append((each.name, option, dataclasses.field(**default)))
    title = name.title().replace("-", "")
    made = dataclasses.make_dataclass(title, fields, frozen=True, kw_only=True)
    words = inspect.getdoc(like or parts[0]) or ""
    made.__doc__ = words if like is None else words.partition("\n\n")[0]
    return made


def listed(part: type) -> list[tuple[str, str, str]]:
    """(how it is typed, its default, its help) of every field, for a page to be read.

    Args:
        part: a frozen dataclass, as `form` takes it.
    """
    docs, chosen, rows = described(part), choices_of(part), []
    for each in dataclasses.fields(part):
        shown = "" if each.default in (None, (), "", False, True) else str(each.default)
        typed = ", ".join([*_ALIASES.get(each.name, ()), _typed(each)])
        if _placed(part, each):
            typed = PLACED[each.name] or each.name.upper()
        needed = each.default is dataclasses.MISSING
        help_ = docs.get(each.name, "") + _range(part, each.name, chosen)
        rows.append((typed, "needed" if needed else shown, help_))
    return rows


def _placed(part: type, field: Any) -> bool:
    """Whether a field is given by its place."""
    own = getattr(part, "PLACED", ())
    return field.name in PLACED and (field.default is not None or field.name in own)


def dressed(forms: Sequence[type], names: Sequence[str]) -> Any:
    """A choice between forms, as tyro takes it: each a subcommand of its name."""
    commands = [
        Annotated[each, tyro.conf.subcommand(name, description=each.__doc__)]
        for name, each in zip(names, forms, strict=True)
    ]
    return tyro.conf.OmitSubcommandPrefixes[typing.Union[tuple(commands)]]  # noqa: UP007


def options_of(form: Any) -> list[str]:
    """The options of a form, with their dashes and short names; of a choice of forms, its own."""
    if not dataclasses.is_dataclass(form):
        return ["--version"]
    fields = dataclasses.fields(form)
    short = [alias for each in fields for alias in _ALIASES.get(each.name, [])]
    return [*map(_typed, fields), *short]


def _typed(field: Any) -> str:
    """A field's option in full; of what is so unless it is switched off, the switch."""
    return ("--no-" if field.default is True else "--") + field.name.replace("_", "-")


def take(part: type, values: Any) -> Any:
    """The fields of one dataclass, out of a filled form."""
    return part(**{each.name: getattr(values, each.name) for each in dataclasses.fields(part)})


def choices_of(part: type) -> dict[str, dict[str, Any]]:
    """What every preset of a task chooses for the fields that are left out, preset by preset.

    None marks an option that a preset does not have. Tasks without presets have no entry.
    """
    fields = {each.name: each for each in dataclasses.fields(part)}
    if "preset" not in fields or not hasattr(part, "settings"):
        return {}
    named: Any = {n: "none" for n, f in fields.items() if f.default is dataclasses.MISSING}
    found = {}
    for preset in typing.get_args(typing.get_type_hints(part)["preset"]):
        settings = part(**named, preset=preset).settings
        found[preset] = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    return found


def _range(part: type, name: str, chosen: dict[str, dict[str, Any]]) -> str:
    """The range of a number that has one to speak of, and what the presets choose for it."""
    told = []
    least, most = getattr(part, "LIMITS", {}).get(name, (0, math.inf))
    if most <= 10_000:
        told.append(f"{least:g} to {most:g}")
    values = {p: each[name] for p, each in chosen.items() if each.get(name) is not None}
    if len(set(map(str, values.values()))) == 1 and len(values) == len(chosen):
        told.append(f"by default {next(iter(values.values())):g}")
    elif values:
        told.append(", ".join(f"{preset} {value:g}" for preset, value in values.items()))
    return f" ({'; '.join(told)})" if told else ""


def described(part: type) -> dict[str, str]:
    """Field name -> help, from the string below each field of a dataclass."""
    body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, text in itertools.pairwise(body.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                docs[name] = " ".join(words.split())
    return docs


def _option(name: str, kind: Any, text: str, default: Any, placed: bool) -> Any:
    """A type with its help, short name and place."""
    settings: dict[str, Any] = {"help": text, "aliases": _ALIASES.get(name)}
    plain = _plain_type(kind)
    if typing.get_origin(plain) is tuple and typing.get_args(plain)[-1] is not ...:
        settings["metavar"] = " ".join(_METAVARS[each] for each in typing.get_args(plain))
    if typing.get_origin(plain) is typing.Literal and plain != kind:  # without its None
        settings["metavar"] = "{" + ",".join(map(str, typing.get_args(plain))) + "}"
    if plain in _METAVARS:
        settings["metavar"] = (PLACED[name] if placed else None) or _METAVARS[plain]
    if default in (None, ""):
        settings["help_behavior_hint"] = ""
    if placed:
        return Annotated[kind, tyro.conf.Positional, tyro.conf.arg(**settings)]
    if typing.get_origin(kind) is tuple and typing.get_args(kind)[-1] is ...:
        settings["help_behavior_hint"] = (
            "" if "several times" in text else "(may be given several times)"
        )
        settings["metavar"] = _METAVARS[_plain_type(typing.get_args(kind)[0])]
        return Annotated[kind, tyro.conf.UseAppendAction, tyro.conf.arg(**settings)]
    if kind is bool:
        settings["help_behavior_hint"] = ""
        return Annotated[kind, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(**settings)]
    return Annotated[kind, tyro.conf.arg(**settings)]


def _plain_type(kind: Any) -> Any:
    """The type without its None."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kinds = [each for each in typing.get_args(kind) if each is not types.NoneType]
        return Path if Path in kinds else kinds[0] if len(kinds) == 1 else None
    return kind
