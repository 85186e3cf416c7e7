"""The command `replay`: make a result again from its own recipe, and say whether it is the same."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler import __version__
from dreamsampler.files import InputError, sha256, write_whole
from dreamsampler.interfaces.cli.located import ADDED, LOADED, There, located, said_of

if TYPE_CHECKING:
    from dreamsampler.interfaces.progress import Bar

CLOSE = 40.0
"""PSNR, dB, from which another device's result is the same up to rounding."""


@final
@dataclass(frozen=True)
class Replay:
    """Make a result again from the recipe in it, and say whether it comes out the same."""

    result: Path
    """.png, .jpg, .webp, .tif or .svg that dreamsampler wrote"""
    diff: bool = False
    """also write RESULT-diff.png: before, again, and what differs"""
    output: Path | None = None
    """keep the new result under this name"""
    input: Path | None = None
    """where the input picture is now, if it was moved"""
    json: bool = False
    """print the comparison as one JSON document"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""


def replay(asked: Replay, there: There) -> None:
    """Read, run, compare, tell.

    Raises:
        SystemExit: 1 if it does not come out the same.
        ValueError: no recipe, or one that cannot be run here.
    """
    from dreamsampler.images.save import read_recipe
    from dreamsampler.interfaces.cli.compare import compared, drawn_difference
    from dreamsampler.interfaces.progress import Bar

    recipe = read_recipe(asked.result)
    task, changed = _task(recipe, asked)
    with tempfile.TemporaryDirectory(prefix="dreamsampler-") as scratch, Bar() as bar:
        again, model = _again(task, recipe, asked, there, Path(scratch), bar)
        found = compared(asked.result, again)
        differs = [*changed, *_differences(recipe, model)]
        exact = found.same and asked.result.suffix.lower() not in (".jpg", ".jpeg")
        close = bool(differs) and found.psnr >= CLOSE and not _on_cpu(recipe, model)
        told = {
            "result": str(asked.result),
            "same": found.same,
            "close": found.same or close,
            "psnr": None if math.isinf(found.psnr) else round(found.psnr, 2),
            "changed": round(found.changed, 6),
            "most": found.most,
            "differs": differs,
            "model": model,
        }
        if asked.output is not None:
            write_whole(asked.output, again.read_bytes())
        if asked.diff:
            path = asked.result.with_name(f"{asked.result.stem}-diff.png")
            write_whole(path, drawn_difference(asked.result, again))
            told["diff"] = str(path)
    print(json.dumps(told) if asked.json else _line(told, exact=exact))
    if not told["close"]:
        raise SystemExit(1)


def _task(recipe: dict[str, Any], asked: Replay) -> tuple[Any, list[str]]:
    """The task of a recipe with its files found, and what has changed in them."""
    from dreamsampler.tasks.options import path_options, task_of

    name, options = recipe.get("task"), recipe.get("options")
    if not isinstance(options, dict):
        raise InputError(f"{asked.result} carries a recipe without options: it cannot be run")
    options = dict(options)
    for i, option in enumerate(path_options(name)):  # type: ignore[arg-type]  # it is looked up
        moved = asked.input if i == 0 else None
        options[option] = _found(options.get(option), asked.result.parent, moved)
    task = task_of(name, options)
    task.check()
    task.check_files()
    return task, _changed(task, recipe)


def _found(value: Any, beside: Path, moved: Path | None) -> Any:
    """A file where the recipe says, or under its own name beside the result."""
    if isinstance(value, list):
        return [_found(each, beside, None) for each in value]
    if moved is not None:
        return str(moved)
    if not isinstance(value, str) or "\0" in value or Path(value).exists():
        return value
    other = beside / Path(value).name
    return str(other) if other.exists() else value


def _changed(task: Any, recipe: dict[str, Any]) -> list[str]:
    """Input files whose content is not what it was."""
    said = recipe.get("input")
    if not isinstance(said, dict):
        return []
    files: Any = said.get("files")
    files = files if isinstance(files, list) else []
    before = [said.get("sha256"), *(f.get("sha256") for f in files if isinstance(f, dict))]
    pairs = zip(task.inputs(), before, strict=False)
    return [f"{path} has changed" for path, old in pairs if old and sha256(path) != old]


def _again(
    task: Any, recipe: dict[str, Any], asked: Replay, there: There, scratch: Path, bar: Bar
) -> tuple[Path, dict[str, Any]]:
    """The same result made anew, and the model that made it."""
    from dreamsampler.interfaces.cli.command import produce
    from dreamsampler.tasks.recipe import task_name

    name = asked.result.name
    if task_name(task) == "degrade":
        bar.stage("degrading")
        return task.save(scratch / name)[0], {}
    bar.stage("loading the model")
    prior = located(recipe.get("model"), there, asked.result.parent).load()
    several = recipe.get("index") is not None and len(task.outputs(scratch / name)) > 1
    if task_name(task) == "reconstruct":
        produce(task, prior, scratch / "scene", bar)
        return scratch / "scene" / name, _described(prior)
    produce(task, prior, scratch / name, bar)
    paths = task.outputs(scratch / name)
    place = {"mean": len(paths) - 2, "spread": len(paths) - 1}.get(str(recipe.get("shows")), 0)
    index = recipe["index"] if several else place
    if not isinstance(index, int) or not 0 <= index < len(paths):
        raise InputError(f"{asked.result} is picture {index} of {len(paths)}: its recipe is wrong")
    return paths[index], _described(prior)


def _described(prior: Any) -> dict[str, Any]:
    return {
        **prior.added,
        "name": prior.name,
        "revision": prior.revision,
        "dtype": str(prior.dtype).removeprefix("torch."),
        "device": str(prior.device),
    }


def _differences(recipe: dict[str, Any], model: dict[str, Any]) -> list[str]:
    """What the recipe says and is otherwise here, in words."""
    from dreamsampler.tasks.recipe import versions

    told = []
    before = recipe.get("model") if isinstance(recipe.get("model"), dict) else {}
    for name in ("name", "revision", "dtype", "device") if model else ():
        old = before.get(name)  # type: ignore[union-attr]
        if old is not None and str(old) != str(model[name]):
            told.append(f"model {name}: {old} then, {model[name]} now")
    for name in (*ADDED, *LOADED) if model else ():
        old, new = (said_of(each.get(name)) for each in (before, model))  # type: ignore[union-attr]
        if old != new:
            told.append(f"{name.replace('_', ' ')}: {old} then, {new} now")
    then = recipe.get("versions") if isinstance(recipe.get("versions"), dict) else {}
    step = {"dreamsampler": __version__, **versions()}
    old = {"dreamsampler": recipe.get("dreamsampler"), **then}  # type: ignore[dict-item]
    told += [
        f"{name}: {old[name]} then, {version} now"
        for name, version in step.items()
        if old.get(name) is not None and old[name] != version
    ]
    return told


def _on_cpu(recipe: dict[str, Any], model: dict[str, Any]) -> bool:
    """Whether both runs were on a CPU, where the same is the same."""
    said = recipe.get("model")
    before = said.get("device") if isinstance(said, dict) else "cpu"
    return str(before) == "cpu" and model.get("device", "cpu") == "cpu"


def _line(told: dict[str, Any], *, exact: bool) -> str:
    if told["same"]:
        words = "the same, bit for bit" if exact else "the same"
        rest = told["differs"]
        if rest:
            words += f"; though {'; '.join(rest)}"
        return f"{told['result']}: {words}"
    sizes = f"PSNR {told['psnr']:.1f} dB, {100 * told['changed']:.2g} % of the samples differ"
    most = f" by at most {told['most']:g} of 255" if told["most"] is not None else ""
    verdict = "the same up to rounding" if told["close"] else "not the same"
    why = "; ".join(told["differs"]) or (
        "nothing that the recipe records: another processor or number of threads rounds otherwise"
    )
    return f"{told['result']}: {verdict}: {sizes}{most}; what differs: {why}"
