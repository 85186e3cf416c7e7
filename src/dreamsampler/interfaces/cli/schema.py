"""The command `schema`: a task as JSON Schema, made from its dataclass; needs no torch."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from dreamsampler.interfaces.cli.form import described
from dreamsampler.tasks.options import KINDS, kind_of

TaskName: TypeAlias = Literal[tuple(KINDS)]  # type: ignore[valid-type]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}


@final
@dataclass(frozen=True)
class Schema:
    """Print a task's options as JSON Schema: names, kinds, ranges, defaults, descriptions."""

    task: TaskName
    """which task"""
    debug: bool = False
    """show tracebacks"""


def print_schema(asked: Schema) -> None:
    """One JSON document on stdout."""
    print(json.dumps(schema_of(asked.task), indent=2, ensure_ascii=False))


def schema_of(task: str) -> dict[str, Any]:
    """The JSON Schema of a row of a batch for a task, or of a recipe's options.

    Example:
        >>> schema_of("edit")["properties"]["seed"]["minimum"]
        0
    """
    kind = kind_of(task)
    hints, words = typing.get_type_hints(kind), described(kind)
    limits = getattr(kind, "LIMITS", {})
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        entry = _of(hints[field.name], limits.get(field.name))
        entry["description"] = words.get(field.name, "")
        if field.default is dataclasses.MISSING:
            required.append(field.name)
        else:
            entry["default"] = _json(field.default)
        properties[field.name] = entry
    return {
        "$schema": DRAFT,
        "title": task,
        "description": " ".join((kind.__doc__ or "").split("\n\n")[0].split()),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _of(hint: Any, limits: tuple[float, float] | None) -> dict[str, Any]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        found = [_of(each, limits) for each in inner]
        merged = [each for i, each in enumerate(found) if each not in found[:i]]
        return merged[0] if len(merged) == 1 else {"anyOf": merged}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is tuple and inner[-1] is ...:
        items = _of(inner[0], None)
        return {"anyOf": [{"type": "array", "items": items}, items]}
    if origin is tuple:
        size = len(inner)
        return {"type": "array", "items": _of(inner[0], None), "minItems": size, "maxItems": size}
    if hint is types.NoneType:
        return {"type": "null"}
    plain: dict[str, Any] = {"type": _PLAIN[hint]}
    if limits is not None and hint in (int, float):
        plain |= {"minimum": limits[0], "maximum": limits[1]}
    return plain


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
