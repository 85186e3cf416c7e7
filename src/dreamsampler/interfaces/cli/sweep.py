"""`--sweep`: a task over a grid of options, on a sheet whose axes say which."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsampler.files import InputError

if TYPE_CHECKING:
    from dreamsampler.interfaces.cli.options import Folder, Output
    from dreamsampler.interfaces.model_options import ModelOptions
    from dreamsampler.tasks.base import Task

MOST = 256
"""Runs of a sweep."""


def run_sweep(
    task: Task, output: Output | Folder, model: ModelOptions, entries: Sequence[str], *, record: Any
) -> None:
    """Run a task over a grid of options, and print where the sheet is."""
    from dreamsampler.files import check_writable, write_whole
    from dreamsampler.interfaces.progress import Bar
    from dreamsampler.tasks.execute import check_paths, execute
    from dreamsampler.tasks.inputs import files_among

    if record is not None:
        raise InputError("a sweep keeps no record of each run: leave record out")
    began, axes = time.perf_counter(), axes_of(type(task), entries)
    names, points = [name for name, _ in axes], list(itertools.product(*(v for _, v in axes)))
    tasks = [replace(task, **dict(zip(names, point, strict=True))) for point in points]  # type: ignore[type-var]
    paths = [_path(output.output, names, point) for point in points]
    if len(set(paths)) < len(paths):
        raise InputError("two values of the sweep make one file name: make them differ")
    sheet = output.output.with_suffix(".png")
    for each, path in zip(tasks, paths, strict=True):
        check_paths(each, path)
    check_writable(sheet)
    if any(sheet.exists() and sheet.samefile(each) for each in files_among(task.inputs())):
        raise InputError(f"{sheet} would replace its own input: choose another output name")
    with Bar() as bar:
        bar.stage(f"loading {model.named}")
        prior, metadata = model.load(), not output.no_metadata
        written = [
            execute(each, prior, path, metadata=metadata, progress=bar.show)
            for each, path in zip(tasks, paths, strict=True)
        ]
        bar.stage("drawing the sheet")
        first = [each.outputs[0] for each in written]
        write_whole(sheet, _sheet(first, axes))
    evaluations = sum(each.recipe["evaluations"] for each in written)
    if output.json:
        made = {"sheet": sheet, "axes": dict(axes), "outputs": first, "evaluations": evaluations}
        print(json.dumps(made, default=str))
    else:
        seconds = time.perf_counter() - began
        print(f"{sheet}: {len(points)} runs, {evaluations} network evaluations, {seconds:.1f} s")


def axes_of(kind: type[Task], entries: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """Option and values of every axis.

    Example:
        >>> from dreamsampler.tasks import Edit
        >>> axes_of(Edit, ["guidance_scale=3,5", "seed=0..2"])
        [('guidance_scale', [3.0, 5.0]), ('seed', [0, 1, 2])]
    """
    from dreamsampler.tasks.from_values import read_option

    axes: dict[str, list[Any]] = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or not text.strip():
            raise InputError(f"sweep is {entry!r}, but must be NAME=VALUES, such as seed=0..3")
        if name in axes:
            raise InputError(f"{name} is swept twice: name all its values at once")
        if name in ("image", "num_images"):
            raise InputError(f"{name} cannot be swept: take dreamsampler batch for that")
        axes[name] = [read_option(kind, name, value) for value in _values(text)]
    runs = 1
    for values in axes.values():
        runs *= len(values)
    if runs > MOST:
        raise InputError(f"the sweep has {runs} runs, but {MOST} are the most: name fewer values")
    return list(axes.items())


def _values(text: str) -> list[Any]:
    """3,5,7 or 0..3 or a JSON list."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(f"{text[:40]} is no JSON list") from None
        if not found:
            raise InputError("a sweep has no values: name some")
        return found
    if span := re.fullmatch(r"\s*(-?\d{1,18})\.\.(-?\d{1,18})\s*", text):
        first, last = int(span[1]), int(span[2])
        if not 0 <= last - first < MOST:
            raise InputError(f"{text} is no range of 1 to {MOST} values: the smaller one first")
        return list(range(first, last + 1))
    return [each.strip() for each in text.split(",")]


def _path(output: Path, names: Sequence[str], point: Sequence[Any]) -> Path:
    words = [re.sub(r"[^\w.+]+", "_", _shown(value))[:40].strip("_") for value in point]
    parts = [f"{name}={word}" for name, word in zip(names, words, strict=True)]
    return output.with_stem("-".join([output.stem, *parts]))


def _sheet(paths: list[Path], axes: list[tuple[str, list[Any]]]) -> bytes:
    from dreamsampler.interfaces.sheet import Cell, draw_grid, shown

    across = len(axes[-1][1])
    columns = [f"{axes[-1][0]} {_shown(value)}" for value in axes[-1][1]]
    downs = list(itertools.product(*(values for _, values in axes[:-1])))
    rows = [
        ", ".join(f"{name} {_shown(v)}" for (name, _), v in zip(axes[:-1], point, strict=True))
        for point in downs
    ]
    cells = [Cell(shown(path)) for path in paths]
    return draw_grid(cells, across, columns=columns, rows=rows if len(axes) > 1 else ())


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)
