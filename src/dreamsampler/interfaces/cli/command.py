"""One task, from the command line's options to its files and one line of text."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dreamsampler.interfaces.cli.options import Folder, Output, Record, Sweep
    from dreamsampler.interfaces.model_options import ModelOptions
    from dreamsampler.tasks.base import Task
    from dreamsampler.tasks.execute import Written


def perform(
    task: Task,
    output: Output | Folder,
    record: Record | None = None,
    model: ModelOptions | None = None,
    sweep: Sweep | None = None,
) -> None:
    """Check everything that is cheap to check, then load, run, write and print."""
    from dreamsampler.interfaces.cli.sweep import run_sweep
    from dreamsampler.interfaces.progress import Bar
    from dreamsampler.tasks.execute import check_paths, execute

    began, folder = time.perf_counter(), None if record is None else record.record
    if model is not None and sweep is not None and sweep.sweep:
        run_sweep(task, output, model, sweep.sweep, record=folder)
        return
    check_paths(task, output.output, folder)
    with Bar() as bar:
        prior = None
        if model is not None:
            bar.stage(f"loading {model.named}")
            prior = model.load()
        written = execute(
            task,
            prior,
            output.output,
            record=folder,
            metadata=not output.no_metadata,
            progress=bar.show,
            seconds={} if prior is None else {"load": time.perf_counter() - began},
        )
    if output.json:
        print(document(written))
    else:
        print(summary(task, output.output, written, time.perf_counter() - began))


def document(written: Written) -> str:
    """The recipe and the files, as JSON."""
    files = {"outputs": written.outputs, "record": written.record}
    return json.dumps({"report": {}, **written.recipe, **files}, default=str)


def summary(task: Task, output: Path, written: Written, seconds: float) -> str:
    """The files, and what they took, in one line."""
    recipe = written.recipe
    files = ", ".join(map(str, written.outputs))
    if task.OUTPUT == "folder":
        files = f"{output}/ ({len(written.outputs)} files)"
    evaluations = f"{recipe['evaluations']} network evaluations, " if task.USES_MODEL else ""
    prompt = {"prompt": recipe["prompt"]} if "prompt" in recipe else {}
    return "; ".join(
        [
            f"{files}: {evaluations}{seconds:.1f} s",
            *in_words({**prompt, **recipe.get("report", {})}),
        ]
    )


def in_words(report: dict[str, Any]) -> list[str]:
    """A run's report, each entry in words.

    Example:
        >>> in_words({"residual": 0.0204, "noise": 0.02, "operator": "blur(sigma=3)"})
        ['residual 0.0204', 'noise 0.02', 'operator blur(sigma=3)']
    """
    return [
        f"{name.replace('_', ' ')} {value:.4g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
        for name, value in report.items()
    ]
