"""The cost suite: how evaluations, time and memory grow with the options of a task; start-up.

Each point is counted and timed here, with the model at hand: an edit's levels, pixels and pictures,
a drawing's paths, a scene's views, the rasterizer alone (forward and backward), and the wall time
until a command answers. An edit's memory is the peak that `dreamsampler plan` counts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch

from benchmarks.protocol import HERE, Item, Protocol
from benchmarks.records import Records, Result, Row
from benchmarks.report import EVALUATIONS, Column, seconds, table
from benchmarks.suite import Suite, timed
from dreamsampler.files import sha256
from dreamsampler.generators.vector import Scene, rasterize
from dreamsampler.tasks import Edit, Reconstruct, Vectorize
from dreamsampler.tasks.make_scene import MakeScene
from dreamsampler.tasks.plan import make_plan

AXES: dict[str, list[Any]] = {
    "num_inference_steps": [8, 16, 32],
    "size": [96, 128, 192],
    "num_images": [1, 2, 4],
    "paths": [16, 32, 64],
    "views": [4, 8, 16],
    "rasterized": ["64 paths, 128 px", "64 paths, 256 px", "256 paths, 512 px"],
    "start": ["-c pass", "-c 'import dreamsampler'", "-m dreamsampler --help",
              "-m dreamsampler edit --help"],
}  # fmt: skip
OTHERS = {
    "paths": "A drawing of one picture of 128 px",
    "views": "A scene of 64 px",
    "rasterized": "Paths rasterized once, with their gradients",
    "start": "Wall time of a command",
}
"""Axes of other things than an edit, and what they are."""
PICTURE = "edit_pairs/00_cat-face.png"


@final
class Cost(Suite):
    """The defaults of a task, one option at a time."""

    name = "cost"
    columns = (
        EVALUATIONS,
        seconds(".2f"),
        Column("each", "ms an evaluation", ".1f", 1, None),
        Column("loop", "share outside the networks %", ".1f", 100, False),
        Column("memory", "peak MiB, planned", ".0f", 1024, None),
    )

    def __init__(self, prior: Any) -> None:
        item = Item("cat", PICTURE, sha256(HERE / PICTURE), 0, "cat face", "dog face")
        items = tuple(replace(item, id=f"cat-{i}", seed=i) for i in range(3))
        super().__init__(prior, Protocol("cost", 1, {"seconds": 1}, "", items))

    def all_rows(self, *, curves: bool) -> list[Row]:
        """One row a value of an option."""
        return [
            Row(f"{axis}-{i if isinstance(value, str) else value}", f"{axis} {value}", axis,
                {axis: value})
            for axis, values in AXES.items()
            for i, value in enumerate(values)
        ]  # fmt: skip

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """All rows, or those of the named axes."""
        unknown = [name for name in methods or [] if name not in AXES]
        if unknown:
            raise ValueError(f"there is no axis {unknown[0]!r}: choose among {', '.join(AXES)}")
        return [row for row in self.all_rows(curves=curves) if row.kind in (methods or AXES)]

    def one(self, row: Row, item: Item) -> Result:
        """Run it as a user would."""
        if row.kind == "start":
            with timed(time.perf_counter) as spent:
                command = f"{sys.executable} {row.settings['start']}"
                subprocess.run(command, shell=True, check=True, capture_output=True)
            return Result({}, 0, spent.seconds)
        if row.kind == "rasterized":
            return Result({}, 0, rasterized(row.settings["rasterized"], item.seed))
        with task_of(row, item) as task:
            measured = {} if row.kind in OTHERS else {"memory": self._planned(task)}
            inside, predict = [0.0], self.prior.predict

            def counted(*inputs: Any) -> Any:
                begun = self.clock()
                estimates = predict(*inputs)
                inside[0] += self.clock() - begun
                return estimates

            self.prior.predict = counted
            try:
                with self.metered() as spent:
                    task.start(self.prior).run().pictures()
            finally:
                del self.prior.predict
        measured["each"] = 1000 * inside[0] / spent.evaluations
        measured["loop"] = max(0.0, 1 - inside[0] / spent.seconds)
        return Result(measured, spent.evaluations, spent.seconds)

    def _planned(self, task: Any) -> float:
        """What `dreamsampler plan` expects at most, in GiB, with the networks' precision."""
        dtype = str(self.prior.network.dtype).removeprefix("torch.")
        return make_plan(task, self.prior.name, dtype=dtype).peak / 2**30

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table a kind of task."""
        edit = [row for row in rows if row.kind not in OTHERS]
        tables = {"The default edit of one picture": edit}
        tables |= {title: [r for r in rows if r.kind == axis] for axis, title in OTHERS.items()}
        lines: list[str] = []
        for title, own in tables.items():
            if own:
                measured = [(row.method, records.all(row, items)) for row in own]
                lines += [f"{title}, one core, {len(items)} runs a row:", ""]
                lines += [table(measured, self.columns), ""]
        return "\n".join(lines)


SUITE = Cost


def rasterized(what: str, seed: int) -> float:
    """Seconds of one forward and one backward pass, the best of five."""
    paths, size = (int(part.split()[0]) for part in what.split(", "))
    rng = torch.Generator().manual_seed(seed)
    scene, white = Scene.random(paths, size, size, rng), torch.ones(3, size, size)
    weight, times = torch.randn(3, size, size, generator=rng), []
    for _ in range(5):
        points, color = (x.clone().requires_grad_() for x in (scene.points, scene.color))
        with timed() as spent:
            picture = rasterize(scene.moved(points, color), white)
            torch.autograd.grad(picture, (points, color), weight)
        times.append(spent.seconds)
    return min(times)


@contextmanager
def task_of(row: Row, item: Item) -> Iterator[Any]:
    """The task of a row."""
    image, options = HERE / item.image, {"seed": item.seed, **row.settings}
    if row.kind == "paths":
        yield Vectorize(image, prompt=item.source_prompt, **options)
    elif row.kind == "views":
        with TemporaryDirectory() as folder:
            scene = MakeScene("blocks", held_out=0, size=64, **row.settings)
            scene.start().save(folder)
            prompt = f"{scene.prompt} on a white background"
            yield Reconstruct(Path(folder), prompt=prompt, seed=item.seed, turntable=0)
    else:
        yield Edit(image, item.target_prompt, item.source_prompt, **options)
