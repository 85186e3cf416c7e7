"""The recipe inside a result: all it takes to make it again, and what it took."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dreamsampler import __version__
from dreamsampler.files import sha256

if TYPE_CHECKING:
    from dreamsampler.tasks.base import Run, Task

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that take part in a result; imports none of them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def task_name(task: Any) -> str:
    """What a task is called on the command line, from its class or an instance of it.

    Example:
        >>> task_name(type("MakeScene", (), {}))
        'make-scene'
    """
    name = (task if isinstance(task, type) else type(task)).__name__
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def make_recipe(task: Task, run: Run, prior: Any, seconds: dict[str, float]) -> dict[str, Any]:
    """A recipe, of nothing but what JSON can say.

    Args:
        task: the frozen dataclass that was asked for; all its fields are kept.
        run: the finished run.
        prior: the model, with what it tells of `name`, `revision`, `device` and `dtype`.
        seconds: how long the stages outside the run took.

    Returns:
        Keys dreamsampler, task, options, settings (preset and options in one), model, input,
        seeds, evaluations, report, seconds, versions, date. "input" names the picture, its size
        and hash, and under "files" the hashes of what else was read (masks, kernels).
    """
    settings = getattr(task, "settings", None)
    fields = dataclasses.fields(cast(Any, task))
    options = {field.name: getattr(task, field.name) for field in fields}
    recipe = {
        "dreamsampler": __version__,
        "task": task_name(task),
        "options": options,
        "settings": dataclasses.asdict(settings) if settings is not None else {},
        "model": {
            "name": getattr(prior, "name", type(prior).__name__),
            "revision": getattr(prior, "revision", None),
            "dtype": _plain(getattr(prior, "dtype", None)),
            "device": _plain(getattr(prior, "device", None)),
            **getattr(prior, "added", {}),
        },
        "input": {
            "name": run.source.path.name if run.source.path is not None else None,
            "sha256": run.source.sha256,
            "width": run.source.size[1],
            "height": run.source.size[0],
            "mode": run.source.mode,
            "files": [_file(each, run) for each in task.inputs()[1:]],
        },
        "seeds": list(run.seeds),
        "evaluations": run.evaluations,
        "report": run.report,
        "seconds": {name: round(value, 4) for name, value in {**seconds, **run.seconds}.items()},
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return _plain(recipe)


def _file(path: Path, run: Run) -> dict[str, str]:
    held = getattr(run, "held", {}).get(str(path))  # pictures in memory
    return {"name": path.name, "sha256": sha256(path) if held is None else held.sha256}


def tagged(recipe: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A recipe with what only one picture of several has; an empty one stays empty."""
    return {**recipe, **more} if recipe else {}


def _plain(value: Any) -> Any:
    """What JSON can say: paths and dtypes become text, infinities their names."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Iterable) and not isinstance(value, Path | bytes):
        return [_plain(each) for each in value]
    return str(value).removeprefix("torch.")
