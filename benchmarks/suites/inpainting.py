"""The inpainting suite: faces with a hole, cut from their own outline; everyone's edge is healed.

Every method's picture is composited by the task: only the hole is taken, along a healed edge.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from benchmarks.edges import drawn
from benchmarks.judge import WEIGHTS
from benchmarks.metrics import named, read, seam, tone
from benchmarks.protocol import HERE, Item, Protocol, digest_of, listed, spread
from benchmarks.records import Records, Result, Row
from benchmarks.report import EVALUATIONS, Column, Page, page_of, seconds
from benchmarks.suite import Suite
from benchmarks.suites.rows import ordered, settings_of, start
from dreamsampler.files import sha256
from dreamsampler.maths import generators
from dreamsampler.tasks import Inpaint

KEYS = {"blended_diffusion": "blended", "dreamsampler": "paper"}
"""Method -> key of its row, where that is another one."""
RECORDED: dict[str, dict[str, Any]] = {
    "dps": {"by": "dps", "steps": 200, "scale": 1.0},
    "psld": {"by": "dps", "steps": 200, "scale": 1.0, "gluing": 0.1},
    "treg": {"by": "treg", "steps": 50, "scale": 7.5},
    "flowdps": {"by": "flowdps", "steps": 28, "scale": 2.0},
    "paper": {"preset": "paper"},
    "anchored": {"preset": "default"},
}
"""Published settings of rows where records name other ones than the registry."""
TUNED = {
    "blended": Row(
        "blended-tuned", "blended latent diffusion, tuned", "tuned", {"steps": 20, "scale": 5.0}
    ),
    "repaint": Row(
        "repaint-tuned", "RePaint, tuned", "tuned", {"steps": 20, "scale": 5.0, "visits": 2}
    ),
}
METHODS = {KEYS.get(each.name, each.name): each for each in ordered("inpaint")}
"""Every method, by the key of its row."""
BOXES = {
    "eyes": (0.10, 0.62, -0.10, 1.10),
    "ellipse": (0.08, 0.64, -0.04, 1.04),
    "top": (-0.20, 0.44, -0.20, 1.20),
    "lower": (0.42, 1.04, -0.04, 1.04),
}
"""Hole -> top, bottom, left, right, as shares of the box around the face."""


def hole_of(picture: Tensor, kind: str) -> Tensor:
    """The hole in a picture of a face on a plain background, (1, h, w) of zeros and ones."""
    color = picture[:, :6].flatten(1).median(1).values[:, None, None]
    face = (picture - color).abs().amax(0) > 0.04
    rows, columns = face.any(1).nonzero(), face.any(0).nonzero()
    top, left = int(rows[0]), int(columns[0])
    high, wide = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    first, last, start, stop = BOXES[kind]
    y0, y1 = top + first * high, top + last * high
    x0, x1 = left + start * wide, left + stop * wide
    y, x = torch.meshgrid(*(torch.arange(n) + 0.5 for n in picture.shape[1:]), indexing="ij")
    if kind == "ellipse":
        across, down = (2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0)
        return (across**2 + down**2 <= 1).float()[None]
    return ((y > y0) & (y < y1) & (x > x0) & (x < x1)).float()[None]


@final
class Inpainting(Suite):
    """Likeness, what happens outside of the hole, and its edge."""

    name = "inpainting"
    columns = (
        Column("top-1", "top-1 %", ".0f", 100),
        Column("top-5", "top-5 %", ".0f", 100),
        Column("outside", "outside bit for bit %", ".0f", 100),
        Column("seam", "seam of 255, 0 is none", ".2f", 1, None),
        Column("tone", "tone of 255, 0 is none", ".2f", 1, None),
        Column("crispness", "crispness", ".2f"),
        Column("flatness", "flatness", ".2f"),
        Column("drawing distance", "distance to drawings", ".3f", 1, False),
        Column("edge width", "edge width, px", ".2f", 1, False),
        EVALUATIONS,
        seconds(".1f"),
    )

    def all_rows(self, *, curves: bool) -> list[Row]:
        """Published settings, and tuned ones below them."""
        rows: list[Row] = []
        for key, each in METHODS.items():
            kind = "ours" if key in ("paper", "anchored", "default") else "published"
            rows.append(Row(key, each.title, kind, RECORDED.get(key, settings_of(each))))
            rows += [TUNED[key]] if key in TUNED else []
        return rows

    @torch.no_grad()
    def one(self, row: Row, item: Item) -> Result:
        """Paint into the hole of a picture."""
        x = read(HERE / item.image)
        hole = hole_of(x, item.more["hole"])
        task = Inpaint(HERE / item.image, item.target_prompt, hole, seed=item.seed)
        with self.metered() as spent:
            run = task.start(self.prior)
            inputs = replace(run.inputs, rng=generators([item.seed]))
            method = METHODS[row.key.removesuffix("-tuned")]
            run.toned = method.toned
            run.begin(*start(method, inputs, row.settings))
            picture = run.run().pictures()[0]
        outside = hole[0] == 0
        same = torch.equal(_bytes(picture)[:, outside], _bytes(x)[:, outside])
        measured = named(self.judge, picture, item.target)
        measured |= drawn(picture, x, hole[0] > 0)
        measured |= {
            "outside": float(same),
            "seam": 255 * seam(picture, hole),
            "tone": 255 * tone(picture, hole),
        }
        return Result(measured, spent.evaluations, spent.seconds, picture)

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table and a sheet."""
        page = Page(
            f"{len(items)} pictures, 95 % bootstrap intervals, protocol "
            f"{self.protocol.digest[:12]}.",
            self.columns,
            first="source",
            words=[item.target_prompt for item in items[:10]],
            side=128,
        )
        return page_of(page, records, rows, items, out)


SUITE = Inpainting


def _bytes(picture: Tensor) -> Tensor:
    return (picture * 255).round().byte()


def freeze() -> Protocol:
    """The protocol as today's files make it."""
    items = [
        Item(
            id=f"{pair['id']:02d}",
            image=pair["image"],
            sha256=sha256(HERE / pair["image"]),
            seed=pair["id"],
            source_prompt=pair["source"],
            target_prompt=pair["target"],
            target=pair["target"],
            mask_sha256=digest_of(hole_of(read(HERE / pair["image"]), pair["hole"])),
            more={"hole": pair["hole"], "style": pair["style"]},
        )
        for pair in listed("inpaint_pairs.json")
    ]
    measures = {"top-1": 1, "top-5": 1, "outside": 1, "seam": 1}
    return Protocol("inpainting", 1, measures, sha256(WEIGHTS), spread(items))
