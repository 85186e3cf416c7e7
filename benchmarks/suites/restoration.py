"""The restoration suite: icons blurred or scaled down; every preset of the task, and classics."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from torch import Tensor

from benchmarks.classical import CLASSICAL, TUNED
from benchmarks.clock import clock_of
from benchmarks.edit import read
from benchmarks.judge import HERE as JUDGE
from benchmarks.judge import Judge
from benchmarks.restore import psnr, ssim
from benchmarks.suites.protocol import HERE, Item, Protocol, frozen
from benchmarks.suites.records import Records, Result, Row
from benchmarks.suites.report import Column, Page, page_of
from dreamsampler.files import InputError, sha256
from dreamsampler.images.picture import open_picture
from dreamsampler.images.save import save_picture
from dreamsampler.operators import is_linear, parse
from dreamsampler.tasks.restore.task import RESTORE_PRESETS, Restore

NAMES = {"default": "DreamSampler", "paper": "DreamSampler, paper"}
CASES = (("blur(sigma=3)", 0.02), ("downsample(4)", 0.02))
COLUMNS = (
    Column("PSNR", "PSNR dB", ".2f"),
    Column("SSIM", "SSIM", ".3f"),
    Column("top-1", "top-1 %", ".0f", 100),
    Column("evaluations", "evaluations", ".0f", 1, None),
    Column("seconds", "s a core", ".1f", 1, None),
)


@final
class Restoration:
    """Every preset of the task is told what the picture shows; the classics what was done to it."""

    name, batch = "restoration", 1

    def __init__(self, prior: Any) -> None:
        self.prior, self.judge, self.protocol = prior, Judge.load(), frozen("restoration")
        self.clock = clock_of(prior)

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """Classics, then presets."""
        rows = [Row(name.replace(" ", "-"), name, "classical") for name in CLASSICAL]
        rows += [
            Row(f"preset-{name}", NAMES.get(name, name), "published", {"preset": name})
            for name in RESTORE_PRESETS
        ]
        unknown = [name for name in methods or [] if name not in {row.method for row in rows}]
        if unknown:
            known = ", ".join(row.method for row in rows)
            raise ValueError(f"there is no method {unknown[0]!r}: choose among {known}")
        return [row for row in rows if methods is None or row.method in methods]

    @torch.no_grad()
    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """One picture at a time."""
        self.protocol.check(items)
        with TemporaryDirectory() as folder:
            return [self._one(row, item, Path(folder)) for item in items]

    def _one(self, row: Row, item: Item, folder: Path) -> Result:
        sharp, path = read(HERE / item.image), folder / f"{item.id}.png"
        size = sharp.shape[1], sharp.shape[2]
        op, noise = parse(item.more["operator"]).build(size), item.more["noise"]
        clean = op.A(sharp[None])[0]
        rng = torch.Generator().manual_seed(item.seed)
        save_picture(path, (clean + noise * torch.randn(clean.shape, generator=rng)).clamp(0, 1))
        before, start = self.prior.evaluations, self.clock()
        if "preset" in row.settings:
            options = {"prompt": item.source_prompt, "preset": row.settings["preset"]}
            task = Restore(path, item.more["operator"], noise, **options)
            made = task.start(self.prior).run().pictures()[0]
        else:
            made = self._classical(row, op, path, noise)
        seconds, used = self.clock() - start, self.prior.evaluations - before
        logits, wanted = self.judge.rank(made[None])[0], self.judge.concepts.index(item.target)
        found = {
            "PSNR": psnr(made, sharp),
            "SSIM": ssim(made, sharp),
            "top-1": float((logits > logits[wanted]).sum() == 0),
        }
        return Result(found, used, seconds, made)

    def _classical(self, row: Row, op: Any, path: Path, noise: float) -> Tensor:
        if not is_linear(op):
            raise InputError("the classical methods need a linear operator")
        return CLASSICAL[row.method](op, open_picture(path).rgb[None], noise)[0].clamp(0, 1)

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """One table a case, and a sheet."""
        tables: list[tuple[str, list[Item]]] = []
        for operator, noise in CASES:
            own = [i for i in items if (i.more["operator"], i.more["noise"]) == (operator, noise)]
            if own:
                tables.append((f"{operator}, noise {noise:g}, {len(own)} pictures:", own))
        page = Page(
            f"95 % bootstrap intervals, protocol {records.protocol.digest[:12]}.",
            COLUMNS,
            first="sharp",
            words=[f"{i.source_prompt[:22]}\n{i.more['operator']}" for i in items[:8]],
            tables=tables,
        )
        return page_of(page, records, rows, items, out)


def freeze() -> Protocol:
    """Of the 48 pictures that nothing was tuned on, both cases in turn."""
    pairs = json.loads((HERE / "edit_pairs.json").read_text(encoding="utf-8"))
    kept = [pair for i, pair in enumerate(pairs) if i not in TUNED]
    order = sorted(range(len(kept)), key=lambda i: (i * 7 % len(kept), i))
    items = [
        Item(
            id=f"{kept[i]['id']:02d}-{operator.split('(')[0]}",
            image=kept[i]["image"],
            sha256=sha256(HERE / kept[i]["image"]),
            seed=1000 + kept[i]["id"],
            source_prompt=kept[i]["source_prompt"],
            target=kept[i]["source"],
            more={"operator": operator, "noise": noise},
        )
        for i in order
        for operator, noise in CASES
    ]
    measures = {"PSNR": 1, "SSIM": 1, "top-1": 1}
    return Protocol("restoration", 1, measures, sha256(JUDGE / "judge.safetensors"), tuple(items))
