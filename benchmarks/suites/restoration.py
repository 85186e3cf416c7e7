"""The restoration suite: icons blurred or scaled down; every method of the task, and classics."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from benchmarks.baselines import CLASSICAL, TUNED
from benchmarks.judge import WEIGHTS
from benchmarks.metrics import named, psnr, read, ssim
from benchmarks.protocol import HERE, Item, Protocol, listed
from benchmarks.records import Records, Result, Row
from benchmarks.report import EVALUATIONS, Column, Page, page_of, seconds
from benchmarks.suite import Suite
from dreamsampler.files import InputError, sha256
from dreamsampler.images.save import save_picture
from dreamsampler.methods.registry import methods_of
from dreamsampler.operators import is_linear, parse
from dreamsampler.tasks import Restore

METHODS = {
    {"dreamsampler": "paper"}.get(name, name): each
    for name, each in methods_of("restore").items()
    if name not in ("dpir", "diffpir", "ddnm")
}
"""Every method, by its name in the keys and settings of records, but for those of models of pixels,
which `python -m benchmarks photographs` measures."""
BY_NAME = ("treg", "flowdps", "dps", "psld")
"""Those that tables call by this name; the others have their title."""
CASES = (("blur(sigma=3)", 0.02), ("downsample(4)", 0.02))


@final
class Restoration(Suite):
    """Methods of the task know the prompt and the operator, the classics the operator only."""

    name = "restoration"
    columns = (
        Column("PSNR", "PSNR dB", ".2f"),
        Column("SSIM", "SSIM", ".3f"),
        Column("top-1", "top-1 %", ".0f", 100),
        EVALUATIONS,
        seconds(".1f"),
    )

    def all_rows(self, *, curves: bool) -> list[Row]:
        """Classics, then methods."""
        rows = [Row(name.replace(" ", "-"), name, "classical") for name in CLASSICAL]
        return rows + [
            Row(
                f"preset-{key}",
                key if key in BY_NAME else each.title,
                "published",
                {"preset": key},
            )
            for key, each in METHODS.items()
        ]

    @torch.no_grad()
    def one(self, row: Row, item: Item) -> Result:
        """Degrade a picture of half the size (128 px: icons that are blurred are small)."""
        sharp = avg_pool2d(read(HERE / item.image), 2)
        op = parse(item.more["operator"]).build((sharp.shape[1], sharp.shape[2]))
        noise = item.more["noise"]
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{item.id}.png"
            save_picture(path, degraded(op, sharp, noise, item.seed))
            with self.metered() as spent:
                if "preset" in row.settings:
                    method, prompt = METHODS[row.settings["preset"]].name, item.source_prompt
                    task = Restore(path, item.more["operator"], noise, prompt, method=method)
                    picture = task.start(self.prior).run().pictures()[0]
                else:
                    if not is_linear(op):
                        raise InputError("the classical methods need a linear operator")
                    method = CLASSICAL[row.method]
                    picture = method(op, read(path)[None], noise)[0].clamp(0, 1)
        measured = {"PSNR": psnr(picture, sharp), "SSIM": ssim(picture, sharp)}
        measured["top-1"] = named(self.judge, picture, item.target)["top-1"]
        return Result(measured, spent.evaluations, spent.seconds, picture)

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """One table a case, and a sheet."""
        tables: list[tuple[str, list[Item]]] = []
        for operator, noise in CASES:
            own = [i for i in items if (i.more["operator"], i.more["noise"]) == (operator, noise)]
            if own:
                tables.append((f"{operator}, noise {noise:g}, {len(own)} pictures:", own))
        page = Page(
            f"95 % bootstrap intervals, protocol {self.protocol.digest[:12]}.",
            self.columns,
            first="sharp",
            words=[f"{i.source_prompt[:22]}\n{i.more['operator']}" for i in items[:8]],
            tables=tables,
        )
        return page_of(page, records, rows, items, out)


SUITE = Restoration


def degraded(op: Any, sharp: Tensor, noise: float, seed: int) -> Tensor:
    """A x + noise, (c, h, w) in [0, 1]."""
    clean = op.A(sharp[None])[0]
    rng = torch.Generator().manual_seed(seed)
    return (clean + noise * torch.randn(clean.shape, generator=rng)).clamp(0, 1)


def freeze() -> Protocol:
    """Of the 48 pictures that nothing was tuned on, both cases in turn."""
    kept = [pair for i, pair in enumerate(listed("edit_pairs.json")) if i not in TUNED]
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
    return Protocol("restoration", 1, measures, sha256(WEIGHTS), tuple(items))
