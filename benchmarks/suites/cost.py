"""The cost suite: how evaluations, time and memory of an edit grow with what is asked.

Each point is counted and timed here, with the model at hand. Memory is what `dreamsampler plan`
counts; paths and views have benchmarks of their own (`vector`, `reconstruct`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, final

import torch

from benchmarks.clock import clock_of
from benchmarks.suites.protocol import HERE, Item, Protocol
from benchmarks.suites.records import Records, Result, Row
from benchmarks.suites.report import Column, table
from dreamsampler.files import sha256
from dreamsampler.tasks import Edit

AXES: dict[str, list[dict[str, Any]]] = {
    "num_inference_steps": [{"num_inference_steps": n} for n in (8, 16, 32)],
    "size": [{"size": n} for n in (96, 128, 192)],
    "num_images": [{"num_images": n} for n in (1, 2, 4)],
}
COLUMNS = (
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".2f", 1, None),
    Column("each", "ms an evaluation", ".1f", 1, None),
    Column("loop", "share outside the networks %", ".1f", 100, False),
)
PICTURE = "edit_pairs/00_cat-face.png"


@final
class Cost:
    """The default edit of one picture, one option at a time."""

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

    @torch.no_grad()
    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """Run it as a user would."""
        self.protocol.check(items)
        return [self._one(row, item) for item in items]

    def _one(self, row: Row, item: Item) -> Result:
        image, inside = HERE / item.image, [0.0]
        ask = self.prior.predict

        def timed(*given: Any) -> Any:
            start = self.clock()
            answer = ask(*given)
            inside[0] += self.clock() - start
            return answer

        task = Edit(image, item.target_prompt, item.source_prompt, seed=item.seed, **row.settings)
        before, start = self.prior.evaluations, self.clock()
        self.prior.predict = timed
        try:
            run = task.start(self.prior).run()
        finally:
            del self.prior.predict
        run.pictures()
        seconds, used = self.clock() - start, self.prior.evaluations - before
        found = {"each": 1000 * inside[0] / used, "loop": max(0.0, 1 - inside[0] / seconds)}
        return Result(found, used, seconds)

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """One table."""
        found = [(row.method, [records.read(row, item) or {} for item in items]) for row in rows]
        return f"The default edit, one core, {len(items)} runs a row.\n\n{table(found, COLUMNS)}\n"
