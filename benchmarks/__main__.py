"""`python -m benchmarks SUITE [options]`: measure, and print tables."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

SUITES = {
    "editing": "15 editing methods on icons with a known target, or on a folder of your own",
    "inpainting": "faces with a hole: likeness, seam, what happens outside",
    "restoration": "blurred and small icons: every method of the task, and classics",
    "vectorization": "paths from blurred icons: data alone, with the model, SDS, traced",
    "radiance": "scenes from degraded views: data alone, with the model, SDS, views alone",
    "collapse": "many seeds of one start, by score distillation and by the reverse process",
    "regularizers": "what each regularizer does to an edit, and what it costs",
    "cost": "time and evaluations by steps, size, pictures, paths, views; start-up",
}
"""Suites of rows and items: records, tables with intervals, plots (`benchmarks.run.Options`)."""
PROGRAMS = {
    "freeze": "write the protocols anew, after the files they are made of have changed",
    "golden": "the published method against the published program's own outputs",
    "posterior": "every restoration method against an exact posterior",
    "one_loop": "DDIM and score distillation on a prior whose modes are known",
    "gpu": "the loop against diffusers' pipelines, bare network calls, the published program",
    "driving": "what driving a pipeline's own call costs over that call",
    "memory": "peak memory of an edit at the size of SD 1.5, random weights",
    "parameters": "one edit under each option, from little to much: a contact sheet",
    "kills": "batches killed at random moments, and run again",
    "faults": "batches with damaged inputs, on a full, a read-only, a limited disk",
    "fuzz": "random recipes, manifests, pictures and SVG files: one line or a result",
    "svg": "SVG files beside resvg: drawn alike, or named in a warning",
    "studio": "the studio under load",
    "throughput": "rows a second: one at a time, eight together; on Ray",
}
"""Measurements with options of their own: `main` of benchmarks/suites/NAME.py."""


def parsed(arguments: list[str]) -> Callable[[], None]:
    """What was typed, ready to run.

    Raises:
        SystemExit: help, an unknown suite, an option that cannot be read.
    """
    import tyro

    name, *rest = arguments or ["--help"]
    if name not in SUITES | PROGRAMS:
        print("usage: python -m benchmarks SUITE [options]; python -m benchmarks SUITE --help\n")
        for title, each in (("measured row by row:", SUITES), ("other measurements:", PROGRAMS)):
            print(title, *(f"  {key:14} {text}" for key, text in each.items()), sep="\n")
        raise SystemExit(0 if name in ("--help", "-h") else f"there is no suite {name!r}")
    prog, conf = f"python -m benchmarks {name}", tyro.conf
    flat = (conf.OmitArgPrefixes, conf.UseAppendAction, conf.FlagCreatePairsOff)
    if name in PROGRAMS:
        main = import_module(f"benchmarks.suites.{name}").main
        taken: Any = functools.wraps(main)(lambda **options: options)
        options = tyro.cli(taken, prog=prog, args=rest, description=_module(name), config=flat)
        return lambda: main(**options)
    from benchmarks.run import Options, measure_suite

    typed = tyro.cli(Options, prog=prog, args=rest, description=_module(name), config=flat)
    return lambda: _print(measure_suite(name, typed))


def _module(name: str) -> str | None:
    return import_module(f"benchmarks.suites.{name}").__doc__


def _print(path: Any) -> None:
    print(path.read_text(encoding="utf-8"))
    print(f"page: {path}")


def main(arguments: list[str] | None = None) -> int:
    """Run one suite; the exit code."""
    from dreamsampler.interfaces.errors import guarded

    typed = sys.argv[1:] if arguments is None else arguments
    try:
        run = parsed(typed)
    except SystemExit as left:
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
            return 2
        return left.code or 0
    return guarded(run, debug="--debug" in typed)


if __name__ == "__main__":
    sys.exit(main())
