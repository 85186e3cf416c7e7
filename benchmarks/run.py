"""Run a suite: what is not recorded is measured, then tables and plots are made of all of it."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, final

import torch
import tyro

from benchmarks.protocol import Item
from benchmarks.records import Records, Row, machine_of
from benchmarks.results import check_comparable, comparison, read_results, results_of, text_of
from benchmarks.suite import Suite
from dreamsampler.files import check_writable, write_whole
from dreamsampler.interfaces.model_options import ModelOptions


@final
@dataclass(frozen=True)
class Options:
    """Measure this library beside baselines: a record a picture, tables with intervals, plots.

    A run that was stopped goes on where it ended.
    """

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
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
    own: tuple[Path, ...] = ()
    """regularizers: a Python file with `regularizer` (and `figure`); may be given several times"""
    against: str | None = None
    """compare with the SUITE.json of another run, or with the committed one (the word committed):
    which figures lie within the intervals stated there"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""
    model_options: ModelOptions = field(default_factory=ModelOptions)


OWN = {"data": "editing", "clip": "editing", "dino": "editing", "lpips": "editing",
       "own": "regularizers"}  # fmt: skip
"""Options of one suite."""


def measure_suite(name: str, options: Options) -> Path:
    """Measure, report; returns the table's file.

    Raises:
        ValueError: options that cannot be used, before a model is loaded where possible.
    """
    _check(name, options)
    torch.set_num_threads(1)
    suite = suite_of(name, options)
    rows = suite.rows(list(options.methods) or None, curves=not options.published_only)
    items = list(suite.protocol.items)[: options.limit]
    suite.protocol.check(items)
    records = records_of(suite, options)
    other = None if options.against is None else read_results(options.against, name)
    if other is not None:
        check_comparable(*other, records.protocol.digest, records.model)
    todo = list(pending(records, rows, items, suite.batch))
    say(f"{name}: {len(rows)} rows, {len(items)} items, {len(todo)} batches to measure")
    groups = grouped(todo, suite.batch)
    if options.jobs > 1 and len(groups) > 1:
        how = {"mp_context": get_context("spawn"), "initializer": _begin}
        with ProcessPoolExecutor(options.jobs, **how, initargs=(name, options)) as pool:
            for _ in pool.map(_measure_group, groups):
                pass
    else:
        for row, batch in itertools.chain(*groups):
            measure_batch(suite, records, row, batch)
    text, ours = (
        suite.report(records, rows, items, options.output),
        results_of(records, rows, items),
    )
    path = options.output / f"{name}.md"
    write_whole(path.with_suffix(".json"), text_of(ours).encode())
    if other is not None:
        text = f"{text}\n{comparison(*other, ours)}"
    write_whole(path, text.encode())
    return path


def _check(name: str, options: Options) -> None:
    for option, value in (("limit", options.limit), ("jobs", options.jobs)):
        if value is not None and value < 1:
            raise ValueError(f"{option} is {value}, but must be at least 1")
    for option, suite in OWN.items():
        if getattr(options, option) and name != suite:
            raise ValueError(f"{option} is for the suite {suite}: leave it out")
    if options.against is not None:
        read_results(options.against, name)
    check_writable(options.output / "probe")


def suite_of(name: str, options: Options) -> Suite:
    """The suite, its model loaded.

    The bundled model's network computes in bfloat16 where the suite does not say otherwise.
    """
    kind = import_module(f"benchmarks.suites.{name}").SUITE
    chosen = options.model_options
    prior: Any = chosen.load_one(chosen.named)
    if not kind.float32 and chosen.named == "iconic" and chosen.dtype == "auto":
        prior.network.to(torch.bfloat16, memory_format=torch.channels_last)
    return kind.of(prior, options) if name in OWN.values() else kind(prior)


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


def records_of(suite: Suite, options: Options) -> Records:
    """The records of this suite, protocol and model."""
    model = identity(suite.prior)
    brought = [name for name in ("clip", "dino", "lpips") if getattr(options, name)]
    if brought:
        model = {**model, "brought": brought}
    return Records(options.output, suite.protocol, model, machine_of(suite.prior))


Batch = tuple[Row, list[Item]]


def pending(
    records: Records, rows: Sequence[Row], items: Sequence[Item], size: int
) -> Iterator[Batch]:
    """What no record holds, in batches."""
    for row in rows:
        left = iter([item for item in items if records.read(row, item) is None])
        while batch := list(itertools.islice(left, size)):
            yield row, batch


def grouped(todo: Sequence[Batch], size: int) -> list[list[Batch]]:
    """What one process measures one after another: all rows of an item, where batches are of 1."""
    if size > 1:
        return [[job] for job in todo]
    groups: dict[str, list[Batch]] = {}
    for job in todo:
        groups.setdefault(job[1][0].id, []).append(job)
    return [*groups.values()]


def measure_batch(suite: Suite, records: Records, row: Row, batch: list[Item]) -> None:
    """Measure a batch and write it down at once, if no other process has done so meanwhile."""
    if all(records.read(row, item) is not None for item in batch):
        return
    for item, result in zip(batch, suite.measure(row, batch), strict=True):
        records.write(row, item, result)
    say(f"{row.key}: {', '.join(item.id for item in batch)}")


_PROCESS: dict[str, Any] = {}
"""The suite of this process, when it is one of several."""


def _begin(name: str, options: Options) -> None:
    torch.set_num_threads(1)
    _PROCESS["suite"] = suite_of(name, options)
    _PROCESS["records"] = records_of(_PROCESS["suite"], options)


def _measure_group(jobs: list[Batch]) -> None:
    for job in jobs:
        measure_batch(_PROCESS["suite"], _PROCESS["records"], *job)


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
