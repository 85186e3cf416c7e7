"""The command `models`: the names of models, or what one is, takes and knows."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from dreamsampler.interfaces.cli.options import Json

if TYPE_CHECKING:
    from dreamsampler.models.describe import Described


@final
@dataclass(frozen=True)
class Models(Json):
    """List the models that have names, or what one is, its words, and what `--call` may pass."""

    describe: str | None = None
    """iconic, an alias, a hub id, a folder or a file: its pipeline and the arguments of its call"""
    pipeline: str | None = None
    """describe this class of diffusers with the model"""
    controlnet: tuple[str, ...] = ()
    """folder or hub id of a control network, with which the model has another pipeline"""
    config: str | None = None
    """for a .safetensors file only: folder, alias or hub id of its configuration and tokenizer"""
    revision: str | None = None
    """branch, tag or commit of a hub model"""
    local_files_only: bool = False
    """never ask the network for a model"""


def list_models(options: Models) -> None:
    """Print a line a model, or some lines about one; or one JSON document."""
    from dreamsampler.models.alias import ALIASES, BUNDLED, PHOTO

    if options.describe is None:
        listed = dict.fromkeys((BUNDLED, PHOTO), ("comes with the package",)) | ALIASES
        lines = [f"{name:15} {' or '.join(where)}" for name, where in listed.items()]
        print(json.dumps(listed) if options.json else "\n".join(lines))
        return
    from dreamsampler.models.describe import describe

    found = describe(
        options.describe,
        pipeline=options.pipeline,
        controlnet=options.controlnet,
        config=options.config,
        revision=options.revision,
        local_files_only=options.local_files_only or None,
    )
    print(json.dumps(_document(found)) if options.json else "\n".join(_lines(options, found)))


def _document(found: Described) -> dict[str, object]:
    arguments = [{**each._asdict(), "default": _plain(each.default)} for each in found.arguments]
    made = {"pipeline": found.pipeline.__name__, "parts": found.parts, "call": arguments}
    return {**made, "words": found.words} if found.words else made


def _plain(default: object) -> object:
    return default if isinstance(default, bool | int | float | str | None) else str(default)


def _lines(options: Models, found: Described) -> list[str]:
    width = shutil.get_terminal_size().columns
    parts = ", ".join(f"{name} {kind}" for name, kind in found.parts.items())
    lines = textwrap.wrap(f"{options.describe}: {found.pipeline.__name__} ({parts})", width)
    if found.words:
        lines += textwrap.wrap(f"words: {', '.join(found.words)}", width, subsequent_indent="  ")
    for each in found.arguments:
        default = "" if each.default is None else f", by default {each.default}"
        lines.append(f"  --call {each.name}=: {each.takes}{default}")
        lines += textwrap.wrap(each.about, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines
