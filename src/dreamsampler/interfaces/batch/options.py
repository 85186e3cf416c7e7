"""The options of a batch; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.model_options import named_values
from dreamsampler.tasks.limits import Limits
from dreamsampler.tasks.options import check_options

LEDGER = "ledger.jsonl"
SUMMARY = "ledger.parquet"
SHEET = "contact-sheet.png"


@final
@dataclass(frozen=True)
class Batch:
    """Do every row of a table, each a recipe of any task; stopped at any moment it goes on."""

    manifest: str
    """.jsonl, .csv or .parquet file with a row a picture, or a folder of pictures; also s3://..."""
    output: str
    """folder for the pictures, the ledger and the contact sheet; also s3://... or gs://..."""
    task: str | None = None
    """edit, inpaint, ...: for rows that name none"""
    set: tuple[str, ...] = ()
    """NAME=VALUE, an option for rows that do not have it, such as prompt="dog face" """
    masks: str | None = None
    """folder of masks, each called like its picture, whatever its suffix"""
    resume: bool = False
    """go on with what this folder holds: rows that are done stay, failed ones are tried again"""
    workers: int = 1
    """processes, each with a model of its own; with ray, at most so many; 0 does the rows in this
    one"""
    min_workers: int = 1
    """with ray: how many there are at least; between the two it scales by itself"""
    rows_at_once: int | None = None
    """rows that go through the network together (by default 1 on a CPU, 8 on a GPU)"""
    retries: int = 2
    """how often a row is tried again whose worker died"""
    ray: str | None = None
    """run on Ray: "local", "auto" for a running cluster here, or an address"""
    gpus_per_worker: float | None = None
    """with ray: GPUs a worker takes, such as 0.5 for two workers on each"""
    no_metadata: bool = False
    """leave the recipes out of the pictures; the ledger has them"""
    json: bool = False
    """print the summary as one JSON document"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""

    LIMITS: ClassVar[Limits] = {
        "workers": (0, 1024),
        "min_workers": (1, 1024),
        "rows_at_once": (1, 256),
        "retries": (0, 10),
        "gpus_per_worker": (0.0, 64.0),
    }

    def check(self) -> None:
        """Refuse options that cannot be used; ValueError."""
        check_options(self)
        if self.ray is None:
            for name, default in (("min_workers", 1), ("gpus_per_worker", None)):
                if getattr(self, name) != default:
                    raise InputError(
                        f"{name} is about Ray: pass ray local as well, or leave it out"
                    )
        elif self.workers < self.min_workers:
            raise InputError(
                f"workers is {self.workers} and min_workers {self.min_workers}: pass more workers"
            )
        self.defaults()

    def defaults(self) -> dict[str, Any]:
        """The options of `set`, for rows that lack them."""
        return {**named_values("set", self.set)}


def is_address(text: str | Path) -> bool:
    """Whether a name is an address such as s3://bucket/name, rather than a path or file://."""
    return "://" in str(text) and not str(text).lower().startswith("file:")
