"""The cost suite: how evaluations, time and memory grow with what is asked.

Each point is counted and timed here, with the model at hand: an edit's levels, pixels and pictures,
a drawing's paths, a scene's views. An edit's memory is the peak that `dreamsampler plan` counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from benchmarks.clock import clock_of
from benchmarks.suites.protocol import HERE, Item, Protocol
from benchmarks.suites.records import Records, Result, Row
from benchmarks.suites.report import Column, table
from dreamsampler.files import sha256
from dreamsampler.tasks.edit.task import Edit
from dreamsampler.tasks.make_scene import MakeScene
from dreamsampler.tasks.plan import make_plan
from dreamsampler.tasks.reconstruct.task import Reconstruct
from dreamsampler.tasks.vectorize.task import Vectorize

AXES: dict[str, list[dict[str, Any]]] = {
    "num_inference_steps": [{"num_inference_steps": n} for n in (8, 16, 32)],
    "size": [{"size": n} for n in (96, 128, 192)],
    "num_images": [{"num_images": n} for n in (1, 2, 4)],
    "paths": [{"paths": n} for n in (16, 32, 64)],
    "views": [{"views": n} for n in (4, 8, 16)],
}
OTHERS = {"paths": "A drawing of one picture of 128 px", "views": "A scene of 64 px"}
"""Axes of other tasks than Edit, and what is made."""
COLUMNS = (
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".2f", 1, None),
    Column("each", "ms an evaluation", ".1f", 1, None),
    Column("loop", "share outside the networks %", ".1f", 100, False),
    Column("memory", "peak MiB, planned", ".0f", 1024, None),
)
PICTURE = "edit_pairs/00_cat-face.png"


@final
class Cost:
    """The defaults of a task, one option at a time."""

    name, batch = "cost", 1

    def __init__(self, prior: Any) -> None:
        self.prior = prior
        self.clock = clock_of(prior)
        item = Item("cat", PICTURE, sha256(HERE / PICTURE), 0, "cat face", "dog face")
        items = tuple(replace(item, id=f"cat-{i}", seed=i) for i in range(3))
        self.protocol = Protocol("cost", 1, {"seconds": 1}, "", items)

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """One row a value of an option."""
        unknown = [name for name in methods or [] if name not in AXES]
        if unknown:
            raise ValueError(f"there is no axis {unknown[0]!r}: choose among {', '.join(AXES)}")
        return [
            Row(
                f"{axis}-{next(iter(point.values()))}",
                f"{axis} {next(iter(point.values()))}",
                axis,
                point,
            )
            for axis in methods or AXES
            for point in AXES[axis]
        ]

    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """Run it as a user would."""
        self.protocol.check(items)
        return [self._one(row, item) for item in items]

    def _one(self, row: Row, item: Item) -> Result:
        with asked(row, item) as task:
            found = {} if row.kind in OTHERS else {"memory": self._planned(task)}
            inside, before, start = [0.0], self.prior.evaluations, self.clock()
            ask = self.prior.predict

            def timed(*given: Any) -> Any:
                begun = self.clock()
                answer = ask(*given)
                inside[0] += self.clock() - begun
                return answer

            self.prior.predict = timed
            try:
                run = task.start(self.prior).run()
            finally:
                del self.prior.predict
            run.pictures()
        seconds, used = self.clock() - start, self.prior.evaluations - before
        found |= {"each": 1000 * inside[0] / used, "loop": max(0.0, 1 - inside[0] / seconds)}
        return Result(found, used, seconds)

    def _planned(self, task: Any) -> float:
        """What `dreamsampler plan` expects at most, in GiB, with the networks' precision."""
        dtype = str(self.prior.network.dtype).removeprefix("torch.")
        return make_plan(task, self.prior.name, dtype=dtype).peak / 2**30

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table a task."""
        tasks = {
            "The default edit of one picture": [row for row in rows if row.kind not in OTHERS],
            **{told: [row for row in rows if row.kind == axis] for axis, told in OTHERS.items()},
        }
        said: list[str] = []
        for told, own in tasks.items():
            found = [(row.method, [records.read(row, i) or {} for i in items]) for row in own]
            if found:
                said += [f"{told}, one core, {len(items)} runs a row:", "", table(found, COLUMNS)]
                said += [""]
        return "\n".join(said)


@contextmanager
def asked(row: Row, item: Item) -> Iterator[Any]:
    """The task of a row."""
    image, chosen = HERE / item.image, {"seed": item.seed, **row.settings}
    if row.kind == "paths":
        yield Vectorize(image, prompt=item.source_prompt, **chosen)
    elif row.kind == "views":
        with TemporaryDirectory() as folder:
            scene = MakeScene("blocks", held_out=0, size=64, **row.settings)
            scene.save(Path(folder))
            prompt = f"{scene.prompt} on a white background"
            yield Reconstruct(Path(folder), prompt=prompt, seed=item.seed, turntable=0)
    else:
        yield Edit(image, item.target_prompt, item.source_prompt, **chosen)
