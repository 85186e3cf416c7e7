"""A few edits of the pictures that come with the package, before and after side by side."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

PICTURES = Path(__file__).parent
"""Where the pictures are, in a checkout as in an installed wheel."""
SHEET = "before-after.png"


class Row(NamedTuple):
    """One edit of the demonstration; the words are those that the bundled model knows."""

    picture: str
    source_prompt: str
    prompt: str
    seed: int = 0


EDITS = (
    Row("cat.png", "cat face", "dog face", seed=3),
    Row("grin.png", "grinning face", "smiling face with sunglasses"),
    Row("bear.png", "bear", "panda"),
    Row("apple.png", "red apple", "green apple"),
)


@final
@dataclass(frozen=True)
class Demo:
    """Edit the pictures that come with the package; before and after are shown side by side."""

    output: Path = Path("demo")
    """folder for the sheet and the edited pictures"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""


def show_demo(demo: Demo) -> None:
    """Edit, draw the sheet, and say where it is."""
    from dreamsampler.files import write_whole
    from dreamsampler.interfaces.cli.command import Where, check_files, produce
    from dreamsampler.interfaces.cli.demo.sheet import draw
    from dreamsampler.interfaces.progress import Bar
    from dreamsampler.tasks import Edit

    began = time.perf_counter()
    tasks = [
        Edit(PICTURES / row.picture, row.prompt, row.source_prompt, seed=row.seed) for row in EDITS
    ]
    paths = [demo.output / f"{Path(row.picture).stem}-to-{_file(row.prompt)}.png" for row in EDITS]
    sheet, rows = demo.output / SHEET, []
    for task, path in zip(tasks, paths, strict=True):
        check_files(task, [path, sheet])
    with Bar() as bar:
        bar.stage("loading the bundled model")
        prior = Where().load()
        for row, task, path in zip(EDITS, tasks, paths, strict=True):
            recipe, _ = produce(task, prior, path, bar)
            label = f"{row.source_prompt} > {row.prompt}"
            rows.append(
                (PICTURES / row.picture, path, label, f"{recipe['evaluations']} evaluations")
            )
    write_whole(sheet, draw(rows))
    print(f"{sheet}: {len(rows)} edits, before and after, {time.perf_counter() - began:.1f} s")


def _file(words: str) -> str:
    return words.replace(" ", "-")
