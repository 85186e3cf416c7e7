"""The vectorization suite: blurred icons drawn with paths, by the data, by the model, or traced.

What the methods are is `benchmarks.vectorize`'s; here are its frozen items, records and intervals.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from benchmarks.clock import clock_of
from benchmarks.judge import HERE as JUDGE
from benchmarks.judge import Judge
from benchmarks.restore import psnr, ssim
from benchmarks.suites.protocol import HERE, Item, Protocol, frozen
from benchmarks.suites.records import Records, Result, Row
from benchmarks.suites.report import Column, Page, page_of, table
from benchmarks.vectorize import METHODS, WHITE
from benchmarks.vectorize import Item as Icon
from dreamsampler.files import sha256
from dreamsampler.generators.vector import crosses_itself, rasterize, save_svg

OURS = "DreamSampler"
SHARED = ("same start, beta 0", "SDS", "DreamSampler, loss 5")
"""Rows that begin with the default's first paths; their seconds and evaluations are beyond it."""
PEERS = {
    "data only": "data only (plain fit)",
    "SDS": "SDS (as VectorFusion)",
    "restored, traced": "restored, then traced",
}
"""What tables call a method of `benchmarks.vectorize`, where that is not its own name."""
COLUMNS = (
    Column("PSNR", "PSNR dB", ".2f"),
    Column("SSIM", "SSIM", ".3f"),
    Column("top-1", "top-1 %", ".0f", 100),
    Column("paths", "paths", ".0f", 1, None),
    Column("segments", "segments", ".0f", 1, None),
    Column("crossing", "cross themselves %", ".0f", 100, None),
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".0f", 1, None),
)
SHORT = ("PSNR", "top-1", "paths", "seconds")
"""Columns of the README's table."""


@final
class Vectorization:
    """Who draws, and who is asked about it.

    Args:
        prior: the model.
    """

    name, batch = "vectorization", 1

    def __init__(self, prior: Any) -> None:
        self.prior, self.judge, self.protocol = prior, Judge.load(), frozen("vectorization")
        self.clock = clock_of(prior)
        self._folder = TemporaryDirectory()
        self.out = Path(self._folder.name)
        self._icons: dict[str, tuple[Icon, float, int]] = {}

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """All, or those of the named methods; without curves only ours and the peers."""
        rows = [_row(name) for name in METHODS if curves or name == OURS or name in PEERS]
        unknown = [name for name in methods or [] if name not in {row.method for row in rows}]
        if unknown:
            known = ", ".join(row.method for row in rows)
            raise ValueError(f"there is no method {unknown[0]!r}: choose among {known}")
        return [row for row in rows if methods is None or row.method in methods]

    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """One icon at a time."""
        self.protocol.check(items)
        return [self._one(row.settings["method"], item) for item in items]

    def _one(self, method: str, item: Item) -> Result:
        own = method == OURS or method in SHARED
        icon, spent, asked = self._started(item) if own else (self._icon(item), 0.0, 0)
        before, began = self.prior.evaluations, self.clock()
        scene = icon.by(method)
        seconds, used = self.clock() - began, self.prior.evaluations - before
        if method == OURS:
            seconds, used = seconds + spent, used + asked
        picture = rasterize(scene, WHITE).clamp(0, 1)
        logits, wanted = self.judge.rank(picture[None])[0], self.judge.concepts.index(item.target)
        found = {
            "PSNR": psnr(picture, icon.sharp),
            "SSIM": ssim(picture, icon.sharp),
            "top-1": float((logits > logits[wanted]).sum() == 0),
            "paths": float(scene.paths),
            "segments": float(len(scene.segments)),
            "crossing": float(crosses_itself(scene).float().mean()),
        }
        svg = self.out / "drawn.svg"
        save_svg(svg, scene, title=icon.prompt, background=(1, 1, 1))
        return Result(found, used, seconds, picture, {"svg": svg.read_bytes()})

    def _icon(self, item: Item) -> Icon:
        more = item.more
        return Icon(self, more["icon"], more["sigma"], more["noise"], more["draw"])

    def _started(self, item: Item) -> tuple[Icon, float, int]:
        """The icon with our default run done, and what that cost."""
        if item.id not in self._icons:
            icon, before, began = self._icon(item), self.prior.evaluations, self.clock()
            icon.ours()
            cost = self.clock() - began, self.prior.evaluations - before
            self._icons = {item.id: (icon, *cost)}  # all rows of an item come in a row
        return self._icons[item.id]

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """A table, a plot of PSNR with intervals, and a sheet."""
        digest, model = records.protocol.digest[:12], records.model
        page = Page(
            f"{len(items)} icons, blur 3, noise 0.02, 95 % bootstrap intervals, model "
            f"{model['name']} ({model['weights']}), protocol {digest}.",
            COLUMNS,
            first="sharp",
            words=[item.source_prompt[:24] for item in items[:8]],
            side=128,
            ours=OURS,
            each="icon by icon",
            plot="PSNR, dB",
        )
        return page_of(page, records, rows, items, out)


def short_table(records: Records, rows: list[Row], items: list[Item]) -> str:
    """The README's table: the peers and ours, four columns."""
    kept = [row for row in rows if row.kind != "variant"]
    found = [(row.method, [records.read(row, item) or {} for item in items]) for row in kept]
    return table(found, [column for column in COLUMNS if column.measure in SHORT])


def _row(name: str) -> Row:
    kind = "ours" if name == OURS else "published" if name in PEERS else "variant"
    key = "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
    return Row(key, PEERS.get(name, name), kind, {"method": name})


def freeze() -> Protocol:
    """Of the 24 icons that nothing was tuned on, one blur."""
    icons = json.loads((HERE / "vector_icons.json").read_text(encoding="utf-8"))
    order = sorted(range(len(icons)), key=lambda i: (i * 7 % len(icons), i))
    items = [
        Item(
            id=f"{icon['id']:02d}-{icon['concept'].replace(' ', '-')}-{icon['style']}",
            image=icon["image"],
            sha256=sha256(HERE / icon["image"]),
            seed=1000 + icon["id"],
            source_prompt=f"{icon['concept']}, {icon['style']}",
            target=icon["concept"],
            more={"icon": icon, "sigma": 3.0, "noise": 0.02, "draw": 0},
        )
        for icon in (icons[i] for i in order)
    ]
    judge = sha256(JUDGE / "judge.safetensors")
    names = ("PSNR", "SSIM", "top-1", "paths", "segments", "crossing")
    return Protocol("vectorization", 1, dict.fromkeys(names, 1), judge, tuple(items))
