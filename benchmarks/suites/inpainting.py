"""The inpainting suite: faces with a hole, cut from their own outline; everyone's edge is healed.

Peers are put together as the task does it: only the hole is taken, along a healed edge.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from PIL import Image
from torch import Tensor

from benchmarks.clock import clock_of
from benchmarks.inpaint import excess, hole_of
from benchmarks.judge import HERE as JUDGE
from benchmarks.judge import Judge
from benchmarks.suites.painters import GLUING, Hole, painted
from benchmarks.suites.protocol import HERE, Item, Protocol, digest_of, frozen
from benchmarks.suites.records import Records, Result, Row
from benchmarks.suites.report import Column, Page, page_of
from dreamsampler.files import sha256
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import composite, open_picture
from dreamsampler.images.seam import healed, seam_width
from dreamsampler.maths import generators
from dreamsampler.tasks.inpaint.task import Inpaint

ROWS = (
    Row("blended", "blended latent diffusion", "published", {"steps": 50, "scale": 7.5}),
    Row("blended-tuned", "blended latent diffusion, tuned", "tuned", {"steps": 20, "scale": 5.0}),
    Row("repaint", "RePaint, jumps of one", "published", {"steps": 25, "scale": 7.5, "visits": 10}),
    Row("repaint-tuned", "RePaint, tuned", "tuned", {"steps": 20, "scale": 5.0, "visits": 2}),
    Row("dps", "DPS", "published", {"by": "dps", "steps": 200, "scale": 1.0}),
    Row("psld", "PSLD", "published", {"by": "dps", "steps": 200, "scale": 1.0, "gluing": GLUING}),
    Row("treg", "TReg", "published", {"by": "treg", "steps": 50, "scale": 7.5}),
    Row("flowdps", "FlowDPS", "published", {"by": "flowdps", "steps": 28, "scale": 2.0}),
    Row("paper", "DreamSampler, paper", "ours", {"preset": "paper"}),
    Row("default", "DreamSampler", "ours", {"preset": "default"}),
)
COLUMNS = (
    Column("top-1", "top-1 %", ".0f", 100),
    Column("top-5", "top-5 %", ".0f", 100),
    Column("outside", "outside bit for bit %", ".0f", 100),
    Column("seam", "seam of 255, 0 is none", ".2f", 1, None),
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".1f", 1, None),
)


@final
class Inpainting:
    """Who paints, and who is asked about it."""

    name, batch = "inpainting", 1

    def __init__(self, prior: Any) -> None:
        self.prior, self.judge, self.protocol = prior, Judge.load(), frozen("inpainting")
        self.clock = clock_of(prior)

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """All, or those of the named methods."""
        unknown = [name for name in methods or [] if name not in {row.method for row in ROWS}]
        if unknown:
            known = ", ".join(row.method for row in ROWS)
            raise ValueError(f"there is no method {unknown[0]!r}: choose among {known}")
        return [row for row in ROWS if methods is None or row.method in methods]

    @torch.no_grad()
    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """One picture at a time."""
        self.protocol.check(items)
        return [self._one(row, item) for item in items]

    def _one(self, row: Row, item: Item) -> Result:
        x = open_picture(HERE / item.image).rgb
        hole = hole_of(x, item.more["hole"])
        before, start = self.prior.evaluations, self.clock()
        painted = (
            self._task(row, item, hole)
            if "preset" in row.settings
            else self._peer(row, item, x, hole)
        )
        seconds, used = self.clock() - start, self.prior.evaluations - before
        logits, wanted = self.judge.rank(painted[None])[0], self.judge.concepts.index(item.target)
        place = int((logits > logits[wanted]).sum())
        outside = hole[0] == 0
        same = torch.equal(_bytes(painted)[:, outside], _bytes(x)[:, outside])
        found = {
            "top-1": float(place == 0),
            "top-5": float(place < 5),
            "outside": float(same),
            "seam": 255 * excess(painted, hole),
        }
        return Result(found, used, seconds, painted)

    def _task(self, row: Row, item: Item, hole: Tensor) -> Tensor:
        with TemporaryDirectory() as folder:
            mask = Path(folder) / "hole.png"
            Image.fromarray((hole[0] * 255).byte().numpy()).save(mask)
            options = {"preset": row.settings["preset"], "seed": item.seed}
            task = Inpaint(HERE / item.image, (item.target_prompt,), (mask,), **options)
            return task.start(self.prior).run().pictures()[0]

    def _peer(self, row: Row, item: Item, x: Tensor, hole: Tensor) -> Tensor:
        size = x.shape[1], x.shape[2]
        fit, rng = Fit.to(size, self.prior.native_size, 8), generators([item.seed])
        whole = painted(Hole(self.prior, x, hole, fit, item.target_prompt, rng), row.settings)
        met = healed(x, whole, hole, seam_width(size))
        return torch.where(hole == 0, x, composite(x, met, hole))

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table and a sheet."""
        digest = records.protocol.digest[:12]
        page = Page(
            f"{len(items)} pictures, 95 % bootstrap intervals, protocol {digest}.",
            COLUMNS,
            first="source",
            words=[item.target_prompt for item in items[:10]],
            side=128,
        )
        return page_of(page, records, rows, items, out)


def _bytes(picture: Tensor) -> Tensor:
    return (picture * 255).round().byte()


def freeze() -> Protocol:
    """The protocol as today's files make it."""
    pairs = json.loads((HERE / "inpaint_pairs.json").read_text(encoding="utf-8"))
    items = [
        Item(
            id=f"{pair['id']:02d}",
            image=pair["image"],
            sha256=sha256(HERE / pair["image"]),
            seed=pair["id"],
            source_prompt=pair["source"],
            target_prompt=pair["target"],
            target=pair["target"],
            mask_sha256=digest_of(hole_of(open_picture(HERE / pair["image"]).rgb, pair["hole"])),
            more={"hole": pair["hole"], "style": pair["style"]},
        )
        for pair in pairs
    ]
    order = sorted(range(len(items)), key=lambda i: (i * 7 % len(items), i))
    measures = {"top-1": 1, "top-5": 1, "outside": 1, "seam": 1}
    judge = sha256(JUDGE / "judge.safetensors")
    return Protocol("inpainting", 1, measures, judge, tuple(items[i] for i in order))
