"""The commands that need no model: to have something to restore, or to reconstruct."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsampler.interfaces.cli.command import check_files, named, told

if TYPE_CHECKING:
    from dreamsampler.interfaces.cli.command import Folder, Output
    from dreamsampler.tasks.degrade import Degrade
    from dreamsampler.tasks.make_scene import MakeScene


def degrade(task: Degrade, output: Output) -> None:
    """Check, measure, write and tell.

    Args:
        task: what is done to which picture.
        output: the file.
    """
    from dreamsampler.images.save import read_recipe

    paths = task.outputs(output.output)
    check_files(task, paths)
    if output.no_metadata:  # the report is told all the same
        with tempfile.TemporaryDirectory() as scratch:
            recipe = read_recipe(task.save(Path(scratch, paths[0].name))[0])
        (path,) = task.save(output.output, {})
    else:
        (path,) = task.save(output.output)
        recipe = read_recipe(path)
    if output.json:
        print(json.dumps({**recipe, "outputs": [str(path)], "record": []}))
    else:
        print(
            "; ".join(
                [f"{path}: {task.description}, noise {task.noise:g}", *told(recipe["report"])]
            )
        )


def make_scene(task: MakeScene, output: Folder) -> None:
    """Check, render, write and tell.

    Args:
        task: which toy, from where, and what is done to its views.
        output: the folder.
    """
    check_files(task, task.outputs(output.output))
    paths = task.save(output.output, metadata=not output.no_metadata)
    outputs = [str(path) for path in paths]
    if output.json:
        recipe = {**json.loads(json.dumps(task.recipe, default=str)), "report": {}}
        print(json.dumps({**recipe, "outputs": outputs, "record": []}))
    else:
        views = f"{task.views} views ({task.description}), {task.held_out} sharp ones held out"
        print(f"{named(output, outputs)}: {task.prompt}; {views}")
