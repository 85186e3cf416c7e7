"""The command `replay`: make a result again from its own recipe, and compare the two."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from dreamsampler.files import InputError, sha256, write_whole
from dreamsampler.interfaces.cli.options import Json
from dreamsampler.interfaces.cli.recipe_model import (
    LOADED,
    RecipeModel,
    added_in_words,
    call_in_words,
)
from dreamsampler.interfaces.model_options import ADDED

if TYPE_CHECKING:
    from dreamsampler.interfaces.progress import Bar
    from dreamsampler.tasks.base import Task

CLOSE = 40.0
"""PSNR, dB, from which another device's result is the same up to rounding."""


@final
@dataclass(frozen=True)
class Replay(Json):
    """Make a result again from the recipe in it, and compare the two."""

    result: Path
    """.png, .jpg, .webp, .tif or .svg that dreamsampler wrote"""
    diff: bool = False
    """also write RESULT-diff.png: before, again, and what differs"""
    output: Path | None = None
    """keep the new result under this name"""
    input: Path | None = None
    """where the input picture is now, if it was moved"""


def replay(options: Replay, model: RecipeModel) -> None:
    """Read, run, compare, print."""
    from dreamsampler.images.save import read_recipe
    from dreamsampler.interfaces.cli.compare import compare, draw_difference
    from dreamsampler.interfaces.progress import Bar
    from dreamsampler.tasks.recipe import upgrade

    result, recipe = options.result, upgrade(read_recipe(options.result))
    task, changed = read_task(recipe, options)
    with tempfile.TemporaryDirectory(prefix="dreamsampler-") as scratch, Bar() as bar:
        again, used = _run_again(task, recipe, options, model, Path(scratch), bar)
        found = compare(result, again)
        differs = [*changed, *differences(recipe, used)]
        close = bool(differs) and found.psnr >= CLOSE and not _on_cpu(recipe, used)
        comparison = {
            "result": str(result),
            "same": found.same,
            "close": found.same or close,
            "psnr": None if math.isinf(found.psnr) else round(found.psnr, 2),
            "changed": round(found.changed, 6),
            "most": found.most,
            "differs": differs,
            "model": used,
        }
        if options.output is not None:
            write_whole(options.output, again.read_bytes())
        if options.diff:
            path = result.with_name(f"{result.stem}-diff.png")
            write_whole(path, draw_difference(result, again))
            comparison["diff"] = str(path)
    print(json.dumps(comparison) if options.json else _line(comparison))
    if not comparison["close"]:
        raise SystemExit(1)


def read_task(recipe: dict[str, Any], options: Replay) -> tuple[Task, list[str]]:
    """The task of a recipe with its files found, and what has changed in them."""
    from dreamsampler.tasks.from_values import file_options, task_of, with_files

    name, given = recipe.get("task"), dict(recipe.get("options", {}))
    if not given:
        raise InputError(f"{options.result} carries a recipe without options: it cannot be run")
    if others := recipe.get("model", {}).get("comfyui"):
        raise InputError(f"{options.result} was made with {others}: run that workflow again")
    recorded = recipe.get("input", {})
    main = next(iter(file_options(name)), "")  # type: ignore[arg-type]  # it is looked up
    in_memory = "name" in recorded and recorded["name"] is None
    if options.input is not None:
        given[main] = str(options.input)
    elif in_memory and given.get(main) is not None:
        raise InputError(
            f"{options.result} was made from a picture in memory, which has no file: pass "
            "--input PICTURE"
        )
    given = with_files(name, given, lambda value: _find(value, options.result.parent))  # type: ignore[arg-type]
    task = task_of(name, given)
    task.check()
    task.check_files()
    files: Any = recorded.get("files")
    files = files if isinstance(files, list) else []
    records = [each for each in (recorded, *files) if isinstance(each, dict) and "sha256" in each]
    now = task.inputs()
    # of a picture in memory, which has no name, the hash is that of its samples
    changed = [
        f"{path} has changed"
        for path, then in zip(now, records, strict=False)
        if then.get("name") and then["sha256"] not in (None, sha256(path))
    ]
    if "files" in recorded and len(now) != len(records):
        changed.append(f"input files: {len(records)} then, {len(now)} now")
    return task, changed


def _find(value: Any, beside: Path) -> Any:
    """A file where the recipe has it, or under its own name beside the result."""
    if not isinstance(value, str) or "\0" in value or Path(value).exists():
        return value
    other = beside / Path(value).name
    return str(other) if other.exists() else value


def _run_again(
    task: Task, recipe: dict[str, Any], options: Replay, model: RecipeModel, folder: Path, bar: Bar
) -> tuple[Path, dict[str, Any]]:
    """The same result made anew, and the model that made it, as recipes have it."""
    from dreamsampler.tasks.recipe import describe_model

    prior, used = None, {}
    if task.USES_MODEL:
        bar.stage("loading the model")
        prior = model.options(recipe.get("model", {}), options.result.parent).load()
        used = describe_model(prior)
    made, name = task(prior, progress=bar.show), options.result.name
    if task.OUTPUT == "folder":
        made.save(folder / "scene")
        return folder / "scene" / name, used
    paths = made.save(folder / name)
    index = {"mean": len(paths) - 2, "spread": len(paths) - 1}.get(str(recipe.get("shows")), 0)
    if recipe.get("index") is not None and len(paths) > 1:
        index = recipe["index"]
    if not isinstance(index, int) or not 0 <= index < len(paths):
        raise InputError(
            f"{options.result} is picture {index} of {len(paths)}: its recipe is wrong"
        )
    return paths[index], used


def differences(recipe: dict[str, Any], model: dict[str, Any]) -> list[str]:
    """What differs between a recipe and this machine, in words."""
    from dreamsampler.tasks.recipe import versions

    recorded = recipe.get("model", {})
    pairs: list[tuple[str, Any, Any]] = []
    if model:
        names = ("name", "revision", "dtype", "device")
        pairs = [
            (f"model {n}", str(recorded[n]), str(model[n]))
            for n in names
            if recorded.get(n) is not None
        ]
        pairs += [
            (n.replace("_", " "), added_in_words(recorded.get(n)), added_in_words(model.get(n)))
            for n in (*ADDED, *LOADED, "quantization_config")
        ]
        then, now = recorded.get("call"), model.get("call")
        pairs.append(("call", call_in_words(then), call_in_words(now)))
    before = {**recipe.get("versions", {}), "dreamsampler": recipe.get("dreamsampler")}
    pairs += [(n, before[n], new) for n, new in versions().items() if before.get(n) is not None]
    return [f"{name}: {old} then, {new} now" for name, old, new in pairs if old != new]


def _on_cpu(recipe: dict[str, Any], model: dict[str, Any]) -> bool:
    """Whether both runs were on a CPU, where equal results are equal bit for bit."""
    before = recipe.get("model", {}).get("device", "cpu")
    return str(before) == "cpu" and model.get("device", "cpu") == "cpu"


def _line(comparison: dict[str, Any]) -> str:
    result, differs = comparison["result"], "; ".join(comparison["differs"])
    if comparison["same"]:
        lossy = result.lower().endswith((".jpg", ".jpeg"))
        words = "the same" if lossy else "the same, bit for bit"
        return f"{result}: {words}" + (f"; though {differs}" if differs else "")
    share, most = 100 * comparison["changed"], comparison["most"]
    psnr = "infinite" if comparison["psnr"] is None else f"{comparison['psnr']:.1f} dB"
    sizes = f"PSNR {psnr}, {share:.2g} % of the samples differ"
    sizes += f" by at most {most:g} of 255" if most is not None else ""
    outcome = "the same up to rounding" if comparison["close"] else "not the same"
    reasons = differs or (
        "nothing that the recipe records: another processor or number of threads rounds otherwise"
    )
    return f"{result}: {outcome}: {sizes}; what differs: {reasons}"
