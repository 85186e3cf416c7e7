"""The recipe inside a result: all it takes to make it again, and what it took."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dreamsampler.tasks.inputs import describe_input
from dreamsampler.version import __version__

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "numpy", "pillow")
REGULARIZERS = {
    "mirrored": "symmetry",
    "seamless": "tileable",
    "flattened": "total_variation",
    "resembling": "reference_style",
}
"""Names of regularizers in recipes of version 0.1.0, and their names now."""
RENAMED = {
    "restore": {"samples": "num_images"},
    "vectorize": {"steps": "fit_steps", "inner_steps": "update_steps"},
    "reconstruct": {"scene": "image", "steps": "fit_steps", "inner_steps": "update_steps"},
}
"""Task -> options in recipes of version 0.1.0, and their names now."""


def upgrade(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe of an older version in the words of this one; others are returned as they are.

    Example:
        >>> old = {"task": "edit", "options": {"preset": "paper", "regularize": "mirrored"}}
        >>> upgrade(old)["options"]
        {'regularize': 'symmetry', 'method': 'dreamsampler'}
    """
    options = recipe.get("options")
    if not isinstance(options, dict):
        return dict(recipe)
    renamed = {**RENAMED.get(str(recipe.get("task")), {}), "preset": "method"}
    known = {old: new for old, new in renamed.items() if old in options and new not in options}
    found = {name: value for name, value in options.items() if name not in known}
    found |= {new: options[old] for old, new in known.items()}
    if "preset" in known and found["method"] == "paper":
        found["method"] = "dreamsampler"
    settings = recipe.get("settings")
    plain = recipe.get("task") in ("edit", "inpaint") and found.get("method") == "default"
    plain = plain and not found.get("remove")
    if plain and isinstance(settings, dict) and "redraw" not in settings:
        found["method"] = "anchored"  # which was the default
    words = found.get("regularize")
    if isinstance(words, str):
        old = "|".join(REGULARIZERS)
        rename = rf"(?<![\w.'\"/\\])({old})(?=\s*(?:\(|\||$))"
        found["regularize"] = re.sub(rename, lambda m: REGULARIZERS[m[1]], words)
    upgraded, given = {**recipe, "options": found}, recipe.get("input")
    if recipe.get("task") == "reconstruct" and isinstance(given, dict):
        files = given.get("files")
        first = files[0] if isinstance(files, list) and files else None
        if isinstance(first, dict) and first.get("sha256") == given.get("sha256"):
            upgraded["input"] = {**given, "sha256": None}  # the first view: no hash of the cameras
    return upgraded


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that take part in a result; imports none of them."""
    found = {"dreamsampler": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def describe_model(model: Any) -> dict[str, Any]:
    """What a recipe says of a model: name, revision, dtype, device, and what was added to it."""
    return plain(
        {
            "name": getattr(model, "name", type(model).__name__),
            "revision": getattr(model, "revision", None),
            "dtype": getattr(model, "dtype", None),
            "device": getattr(model, "device", None),
            **getattr(model, "added", {}),
        }
    )


def source_of(first: Any, source: Any) -> dict[str, Any]:
    """What a recipe says of the main input: name, hash, size, mode.

    Args:
        first: it, as the task has it.
        source: the picture that was read.
    """
    described = {"name": source.path and source.path.name, "sha256": source.sha256}
    if isinstance(first, str | Path) and source.path not in (None, Path(first)):
        described = describe_input(first)  # the cameras of a scene, whose source is a view
    return {
        **described,
        "width": source.size[1],
        "height": source.size[0],
        "mode": source.mode,
    }


def now() -> str:
    """Date and time in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def tagged(recipe: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A recipe with what only one picture of several has; an empty one stays empty."""
    return {**recipe, **more} if recipe else {}


def plain(value: Any) -> Any:
    """What JSON can hold: paths and dtypes become text, infinities their names."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Iterable) and not isinstance(value, Path | bytes):
        return [plain(each) for each in value]
    return str(value).removeprefix("torch.")
