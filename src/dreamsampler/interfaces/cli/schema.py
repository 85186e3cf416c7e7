"""The command `schema`: a task's options as JSON Schema; needs no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

from dreamsampler.interfaces.cli.options import Debug
from dreamsampler.tasks import TASKS
from dreamsampler.tasks.from_values import task_type
from dreamsampler.tasks.options import Option, options_of

TaskName: TypeAlias = Literal[tuple(TASKS)]  # type: ignore[valid-type]
DRAFT = "https://json-schema.org/draft/2020-12/schema"


@final
@dataclass(frozen=True)
class Schema(Debug):
    """Print a task's options as JSON Schema: names, kinds, ranges, defaults, descriptions."""

    task: TaskName
    """which task"""


def print_schema(options: Schema) -> None:
    """One JSON document on stdout."""
    print(json.dumps(schema_of(options.task), indent=2, ensure_ascii=False))


def schema_of(task: str) -> dict[str, Any]:
    """The JSON Schema of a row of a batch for a task, or of a recipe's options.

    Example:
        >>> schema_of("edit")["properties"]["seed"]["minimum"]
        0
    """
    kind = task_type(task)
    known = options_of(kind)
    return {
        "$schema": DRAFT,
        "title": task,
        "description": " ".join((kind.__doc__ or "").split("\n\n")[0].split()),
        "type": "object",
        "properties": {name: _property(option) for name, option in known.items()},
        "required": [name for name, option in known.items() if option.required],
        "additionalProperties": False,
    }


def _property(option: Option) -> dict[str, Any]:
    kinds = _kinds(option) + ([{"type": "null"}] if option.optional else [])
    entry = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    more = {} if option.required else {"default": default}
    return {**entry, "description": option.help, **more}


def _kinds(option: Option) -> list[dict[str, Any]]:
    """What a value may be, one schema for each kind."""
    words = [{"enum": list(option.words)}] if option.words else []
    if option.kind == "choice":
        return words
    number: dict[str, Any] = {"type": "integer" if option.whole else "number"}
    if option.kind == "numbers":
        size = {"minItems": option.count, "maxItems": option.count}
        return [{"type": "array", "items": number, **size}]
    if option.kind == "number":
        limits = option.limits or ()
        return [{**number, **dict(zip(("minimum", "maximum"), limits, strict=False))}, *words]
    plain = {"type": "boolean" if option.kind == "flag" else "string"}
    if option.kind in ("texts", "files"):
        return [{"type": "array", "items": plain}, plain]
    return [plain]
