"""A demonstration that needs nothing but the package: its pictures and its model are inside."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

from dreamsampler.interfaces.cli.options import Debug

PICTURES = Path(__file__).parent
"""Where the pictures are, in a checkout as in an installed wheel."""
SHEET = "before-after.png"


@final
class Row(NamedTuple):
    """One edit of the demonstration, in words that the bundled model knows."""

    picture: str
    source_prompt: str
    prompt: str
    seed: int = 0


EDITS = (
    Row("cat.png", "cat face", "dog face", seed=3),
    Row("grin.png", "grinning face", "smiling face with sunglasses"),
    Row("bear.png", "bear", "koala"),
    Row("apple.png", "red apple", "green apple"),
)


@final
@dataclass(frozen=True)
class Demo(Debug):
    """Edit the pictures that come with the package; before and after are shown side by side."""

    output: Path = Path("demo")
    """folder for the sheet and the edited pictures"""


def show_demo(options: Demo) -> None:
    """Edit, draw the sheet, and print where it is."""
    from dreamsampler.files import write_whole
    from dreamsampler.interfaces.model_options import ModelOptions
    from dreamsampler.interfaces.progress import Bar
    from dreamsampler.interfaces.sheet import Cell, draw_grid, shown
    from dreamsampler.tasks import Edit
    from dreamsampler.tasks.execute import check_paths, execute

    began, cells, sheet = time.perf_counter(), [], options.output / SHEET
    tasks = {
        options.output / f"{Path(row.picture).stem}-to-{row.prompt.replace(' ', '-')}.png": Edit(
            PICTURES / row.picture, row.prompt, row.source_prompt, seed=row.seed
        )
        for row in EDITS
    }
    for path, task in tasks.items():
        check_paths(task, path)
    with Bar() as bar:
        bar.stage("loading the bundled model")
        prior = ModelOptions().load_one("iconic")
        for row, (path, task) in zip(EDITS, tasks.items(), strict=True):
            execute(task, prior, path, progress=bar.show)
            cells.append(Cell(shown(PICTURES / row.picture), row.source_prompt))
            cells.append(Cell(shown(path), row.prompt))
    write_whole(sheet, draw_grid(cells, 4, columns=("before", "after") * 2))
    print(f"{sheet}: {len(tasks)} edits, before and after, {time.perf_counter() - began:.1f} s")
