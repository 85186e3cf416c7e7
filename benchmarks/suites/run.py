"""Run a suite: what is not recorded is measured, then tables and plots are made of all of it."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, final

import torch

from benchmarks.suites import measures
from benchmarks.suites.compare import comparison
from benchmarks.suites.folder import Folder
from benchmarks.suites.protocol import Item
from benchmarks.suites.protocol import Protocol as Frozen
from benchmarks.suites.records import Records, Result, Row, machine_of
from benchmarks.suites.report import between_markers
from benchmarks.suites.results import (
    Results,
    check_comparable,
    found_at,
    read_results,
    results_of,
    text_of,
)
from dreamsampler.files import check_writable, write_whole
from dreamsampler.interfaces.cli.command import Where


class Suite(Protocol):
    """What a suite is to the runner."""

    name: str
    protocol: Frozen
    batch: int

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """What is measured; ValueError for an unknown method."""
        ...

    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """One result an item."""
        ...

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """Markdown of what is recorded; plots go to `out`."""
        ...


@final
@dataclass(frozen=True)
class Wanted:
    """What was asked for, of plain values, so that another process can be told.

    Args:
        suite: its name.
        where: which model, and where it runs.
        output: the folder of records, pictures, table and plots.
        methods: only these rows.
        limit: only the first items; a prefix is spread over the kinds of items.
        jobs: processes, each with the model in its memory.
        curves: also points of each method's curve, for the plot and the tuned rows.
        data: a folder of the user's own, in PIE-Bench's layout (editing only).
        clip: folder of a CLIP model.
        dino: folder of a DINO model.
        lpips: whether LPIPS is measured.
        readme: a page whose table is replaced (editing and vectorization).
        against: SUITE.json of another run, or `committed`, to compare with.
    """

    suite: str
    where: Where
    output: Path
    methods: tuple[str, ...] = ()
    limit: int | None = None
    jobs: int = 1
    curves: bool = True
    data: Path | None = None
    clip: Path | None = None
    dino: Path | None = None
    lpips: bool = False
    readme: Path | None = None
    against: str | None = None


SUITES = ("editing", "inpainting", "restoration", "vectorization", "radiance", "collapse", "cost")
TOLD = {"editing": "bench", "vectorization": "bench vectorization"}
"""Suites with a table for a page, and the markers it goes between."""


def bench(wanted: Wanted) -> Path:
    """Measure, report; returns the table's file.

    Raises:
        ValueError: what cannot be meant, before a model is loaded where possible.
    """
    _check(wanted)
    torch.set_num_threads(1)
    suite = suite_of(wanted)
    rows = suite.rows(list(wanted.methods) or None, curves=wanted.curves)
    items = list(suite.protocol.items)[: wanted.limit]
    suite.protocol.check(items)
    records = records_of(wanted, suite)
    theirs = stated(wanted, records)
    todo = list(pending(records, rows, items, suite.batch))
    say(f"{wanted.suite}: {len(rows)} rows, {len(items)} items, {len(todo)} batches to measure")
    groups = grouped(todo, suite.batch)
    if wanted.jobs > 1 and len(groups) > 1:
        _spread(wanted, groups)
    else:
        for row, batch in itertools.chain(*groups):
            measured(suite, records, row, batch)
    text = suite.report(records, rows, items, wanted.output)
    ours, path = results_of(records, rows, items), wanted.output / f"{wanted.suite}.md"
    write_whole(path.with_suffix(".json"), text_of(ours).encode())
    if theirs is not None:
        text = f"{text}\n{comparison(theirs[0], theirs[1], ours)}"
    write_whole(path, text.encode())
    if wanted.readme is not None:
        tell(wanted.readme, wanted.suite, records, rows, items)
    return path


def stated(wanted: Wanted, records: Records) -> tuple[str, Results] | None:
    """What the run is compared with, and its name; refused before anything is measured."""
    if wanted.against is None:
        return None
    path = found_at(wanted.against, wanted.suite)
    theirs = read_results(path, wanted.suite)
    check_comparable(path, theirs, records.protocol.digest, records.model)
    name = f"benchmarks/results/{path.name}" if wanted.against == "committed" else str(path)
    return name, theirs


def tell(readme: Path, suite: str, records: Records, rows: list[Row], items: list[Item]) -> None:
    """Put a suite's short table into a page."""
    from benchmarks.suites import editing_report, vectorization

    maker = {"editing": editing_report, "vectorization": vectorization}[suite]
    page, short = readme.read_text(encoding="utf-8"), maker.short_table(records, rows, items)
    write_whole(readme, between_markers(page, TOLD[suite], short).encode())


def _check(wanted: Wanted) -> None:
    if wanted.suite not in SUITES:
        raise ValueError(f"there is no suite {wanted.suite!r}: choose one of {', '.join(SUITES)}")
    for name, value in (("limit", wanted.limit), ("jobs", wanted.jobs)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}, but must be at least 1")
    brought = {
        "data": wanted.data,
        "clip": wanted.clip,
        "dino": wanted.dino,
        "lpips": wanted.lpips,
    }
    for name, value in brought.items():
        if value and wanted.suite != "editing":
            raise ValueError(f"{name} is for the suite editing: leave it out")
    if wanted.readme is not None:
        if wanted.suite not in TOLD:
            raise ValueError(f"readme is for the suites {' and '.join(TOLD)}: leave it out")
        between_markers(wanted.readme.read_text(encoding="utf-8"), TOLD[wanted.suite], "")
    if wanted.against is not None:  # before a model is loaded
        read_results(found_at(wanted.against, wanted.suite), wanted.suite)
    check_writable(wanted.output / "probe")


MAKERS = {
    "inpainting": ("inpainting", "Inpainting"),
    "restoration": ("restoration", "Restoration"),
    "vectorization": ("vectorization", "Vectorization"),
    "radiance": ("radiance", "Radiance"),
    "collapse": ("collapse", "Collapse"),
    "cost": ("cost", "Cost"),
}
"""Suites of nothing but a model: file and class."""


def suite_of(wanted: Wanted) -> Suite:
    """The suite, its model loaded."""
    maker = MAKERS.get(wanted.suite)
    if maker is not None:
        module, name = maker
        exact = wanted.suite in ("vectorization", "radiance")
        prior = wanted.where.load() if exact else load(wanted.where)
        return getattr(import_module(f"benchmarks.suites.{module}"), name)(prior)
    from benchmarks.suites.editing import Editing

    extras: dict[str, measures.Extra] = {}
    if wanted.clip is not None:
        extras["CLIP"] = measures.clip_score(wanted.clip)
    if wanted.dino is not None:
        extras["DINO"] = measures.dino_structure(wanted.dino)
    if wanted.lpips:
        extras["LPIPS"] = measures.lpips_background()
    folder = None if wanted.data is None else Folder(wanted.data, wanted.limit)
    return Editing(load(wanted.where), folder, extras)


def load(where: Where) -> Any:
    """The model; the bundled one with its network in bfloat16, as every figure here is taken."""
    prior: Any = where.load()
    if where.model == "iconic" and where.dtype == "auto":
        prior.network.to(torch.bfloat16, memory_format=torch.channels_last)
    return prior


def identity(prior: Any) -> dict[str, Any]:
    """What tells models apart: name, revision, precision, and a digest of some of every weight."""
    hashed = hashlib.sha256()
    network = getattr(prior, "network", None)
    for weight in () if network is None else network.parameters():
        hashed.update(weight.detach().flatten()[:256].float().cpu().numpy().tobytes())
    return {
        "name": str(getattr(prior, "name", type(prior).__name__)),
        "revision": getattr(prior, "revision", None),
        "dtype": str(getattr(network, "dtype", "")),
        "weights": hashed.hexdigest()[:16],
    }


def records_of(wanted: Wanted, suite: Suite) -> Records:
    """The records of this suite, protocol and model."""
    model = identity(getattr(suite, "prior", None))
    brought = [n for n in ("clip", "dino", "lpips") if getattr(wanted, n)]
    if brought:
        model = {**model, "brought": brought}
    return Records(wanted.output, suite.protocol, model, machine_of(getattr(suite, "prior", None)))


def pending(
    records: Records, rows: Sequence[Row], items: Sequence[Item], size: int
) -> Iterator[tuple[Row, list[Item]]]:
    """What no record holds, in batches."""
    for row in rows:
        left = iter([item for item in items if records.read(row, item) is None])
        while batch := list(itertools.islice(left, size)):
            yield row, batch


def grouped(
    todo: Sequence[tuple[Row, list[Item]]], size: int
) -> list[list[tuple[Row, list[Item]]]]:
    """What one process does in a row: all rows of an item, where items are measured alone."""
    if size > 1:
        return [[job] for job in todo]
    groups: dict[str, list[tuple[Row, list[Item]]]] = {}
    for job in todo:
        groups.setdefault(job[1][0].id, []).append(job)
    return [*groups.values()]


def measured(suite: Suite, records: Records, row: Row, batch: list[Item]) -> None:
    """Measure a batch and write it down at once."""
    if all(records.read(row, item) is not None for item in batch):
        return  # another process was here meanwhile
    for item, result in zip(batch, suite.measure(row, batch), strict=True):
        records.write(row, item, result)
    say(f"{row.key}: {', '.join(item.id for item in batch)}")


_HERE: dict[str, Any] = {}
"""The suite of this process, when it is one of several."""


def _spread(wanted: Wanted, groups: list[list[tuple[Row, list[Item]]]]) -> None:
    """Over several processes, each with a model of its own."""
    how = {"mp_context": get_context("spawn"), "initializer": _begin, "initargs": (wanted,)}
    with ProcessPoolExecutor(wanted.jobs, **how) as pool:
        for _ in pool.map(_some, groups):
            pass


def _begin(wanted: Wanted) -> None:
    torch.set_num_threads(1)
    _HERE["suite"] = suite_of(wanted)
    _HERE["records"] = records_of(wanted, _HERE["suite"])


def _some(jobs: list[tuple[Row, list[Item]]]) -> None:
    for job in jobs:
        measured(_HERE["suite"], _HERE["records"], *job)


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
