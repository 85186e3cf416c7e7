"""The command `bench`: this library beside its peers, in a checkout."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, final

from dreamsampler.files import InputError
from dreamsampler.interfaces.cli.command import Where

SuiteName = Literal[
    "editing", "inpainting", "restoration", "vectorization", "radiance", "collapse", "cost"
]


@final
@dataclass(frozen=True)
class Benched:
    """Measure this library beside its peers: a record a picture, tables with intervals, plots.

    It works in a checkout of the repository, whose pictures and judge it needs; a run that was
    stopped goes on where it ended.
    """

    suite: SuiteName
    """what is compared"""
    output: Path
    """folder of the records, pictures, table and plots; what is in it is not measured again"""
    methods: tuple[str, ...] = ()
    """only this row of the table, such as "SDEdit"; may be given several times"""
    limit: int | None = None
    """only so many of the pictures"""
    jobs: int = 1
    """processes, each with the model in its memory"""
    published_only: bool = False
    """only every method's published settings: no curves, no tuned rows"""
    data: Path | None = None
    """editing: a folder of your own in PIE-Bench's layout (mapping_file.json, annotation_images)"""
    clip: Path | None = None
    """editing: folder of a CLIP model, for the CLIP score"""
    dino: Path | None = None
    """editing: folder of a DINO ViT, for the structure distance"""
    lpips: bool = False
    """editing: LPIPS of the background, where the package lpips is installed"""
    readme: Path | None = None
    """editing, vectorization: a page whose table between <!-- bench --> and <!-- /bench --> (or
    <!-- bench vectorization --> and its end) is replaced"""
    against: str | None = None
    """compare with the SUITE.json of another run, or with the committed one (the word committed):
    which figures lie within the intervals stated there"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""


def bench(wanted: Benched, where: Where) -> None:
    """Measure what is not yet recorded, and print the page."""
    root = checkout()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    runner = import_module("benchmarks.suites.run")
    asked = runner.Wanted(
        suite=wanted.suite,
        where=where,
        output=wanted.output,
        methods=wanted.methods,
        limit=wanted.limit,
        jobs=wanted.jobs,
        curves=not wanted.published_only,
        data=wanted.data,
        clip=wanted.clip,
        dino=wanted.dino,
        lpips=wanted.lpips,
        readme=wanted.readme,
        against=wanted.against,
    )
    path = runner.bench(asked)
    print(path.read_text(encoding="utf-8"))
    print(f"page: {path}")


def checkout() -> Path:
    """The folder of the repository: the package's own, or the current one.

    Raises:
        InputError: neither holds the benchmarks.
    """
    for root in (Path(__file__).parents[4], Path.cwd()):
        if (root / "benchmarks" / "suites" / "run.py").is_file():
            return root
    raise InputError(
        "bench needs the pictures and the judge of a checkout: clone the repository, run it there"
    )
