"""The one command that needs no model: degrade a picture, to have something to restore."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dreamsampler.faces.command import check_files, told

if TYPE_CHECKING:
    from dreamsampler.faces.command import Output
    from dreamsampler.tasks.degrade import Degrade


def degrade(task: Degrade, output: Output) -> None:
    """Check, measure, write and tell.

    Args:
        task: what is done to which picture.
        output: the file.
    """
    from dreamsampler.tasks.save import read_recipe

    paths = task.outputs(output.output)
    check_files(task, paths)
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
