"""Options that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final


@dataclass(frozen=True, kw_only=True)
class Debug:
    """What every command has."""

    debug: bool = False
    """show tracebacks, and the warnings of other packages"""


@dataclass(frozen=True, kw_only=True)
class Json(Debug):
    """What every command has that prints JSON as well."""

    json: bool = False
    """print one JSON document"""


@dataclass(frozen=True, kw_only=True)
class Files(Json):
    """What every command has that writes the results of a task."""

    no_metadata: bool = False
    """leave the recipe out of the files: no prompt, no file name, no version"""


@final
@dataclass(frozen=True)
class Output(Files):
    """Which files are written, and what is printed."""

    output: Path
    """file to write: .png, .jpg, .webp or .tif, of vectorize .svg; of several, OUT.png becomes
    OUT-0.png and OUT-1.png; an older file is replaced once the new one is whole"""


@final
@dataclass(frozen=True)
class Folder(Files):
    """Which folder is written, and what is printed."""

    output: Path
    """folder to write; an older result in it is replaced once the new one is whole"""


@final
@dataclass(frozen=True)
class Record:
    """Whether a record of the run is kept."""

    record: Path | None = None
    """folder for the pictures and the numbers of the steps: PNG, GIF, JSON"""


@final
@dataclass(frozen=True)
class Sweep:
    """Whether the task is run over a grid of options."""

    sweep: tuple[str, ...] = ()
    """NAME=VALUES, such as guidance_scale=3,5,7 or seed=0..3 (JSON lists too): one run for each,
    all on the sheet OUT, each also beside it; may be given several times: then the last one goes
    across the sheet, the others down"""
