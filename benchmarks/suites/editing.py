"""The editing suite: icons with a known target, or photographs in PIE-Bench's layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from benchmarks.edges import drawn
from benchmarks.judge import WEIGHTS
from benchmarks.metrics import (
    VERSIONS,
    Extra,
    background,
    clip_score,
    dino_structure,
    judged,
    lpips_background,
    preservation,
    read,
)
from benchmarks.plots import pareto, sheet
from benchmarks.protocol import HERE, Item, Protocol, digest_of, frozen, listed, spread
from benchmarks.records import Records, Result, Row, png
from benchmarks.report import EVALUATIONS, Column, against_front, paired, seconds, table
from benchmarks.run import Options
from benchmarks.stats import Measured, Record, points, tuned, values
from benchmarks.suite import Suite
from benchmarks.suites.pie_bench import Folder
from benchmarks.suites.rows import METHODS, PUT_BACK, editing_rows, impossible, start
from dreamsampler.files import InputError, sha256
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.maths import Step, generators
from dreamsampler.methods.inputs import EditInputs
from dreamsampler.models import TextCondition
from dreamsampler.samplers import finish

BATCH = 6
"""Pictures of the bundled model that go through the network together."""
WAYS = {"": "background dB", ", put back": "background dB, put back"}
"""Ending of a measure -> what is kept: as every program gives it (only ours puts the source's
pixels back where nothing changed), and with every program's result put back by our rule."""


@final
class Editing(Suite):
    """Every method of `rows`, measured as its program gives it and put back.

    Args:
        prior: the model.
        folder: photographs of the user's own; the frozen icons if left out.
        extras: metrics that need a network of the user's own, by their names.
    """

    name = "editing"
    columns = (
        Column("top-1", "top-1 %", ".0f", 100),
        Column("top-5", "top-5 %", ".0f", 100),
        Column("CLIP", "CLIP score", ".1f"),
        Column("background dB", "background dB", ".1f"),
        Column("background dB, decoded", "only decoded", ".1f"),
        Column("background dB, put back", "put back", ".1f"),
        Column("background SSIM", "background SSIM", ".3f"),
        Column("structure", "structure distance", ".3f", 1, False),
        Column("crispness", "crispness", ".2f"),
        Column("flatness", "flatness", ".2f"),
        Column("drawing distance", "distance to drawings", ".3f", 1, False),
        Column("edge width", "edge width, px", ".2f", 1, False),
        Column("DINO", "DINO distance x1000", ".1f", 1, False),
        Column("LPIPS", "LPIPS x1000", ".1f", 1, False),
        EVALUATIONS,
        seconds(".1f"),
    )

    def __init__(
        self, prior: Any, folder: Folder | None = None, extras: dict[str, Extra] | None = None
    ) -> None:
        super().__init__(prior, frozen("editing") if folder is None else folder.protocol())
        self.folder, self.extras = folder, extras or {}
        if folder is None and sha256(WEIGHTS) != self.protocol.judge:
            raise InputError("the judge's weights are not those of the protocol: git checkout them")
        self.batch = BATCH if folder is None and _stacks(prior.condition("")) else 1

    @classmethod
    def of(cls, prior: Any, options: Options) -> Editing:
        """With the folder and the metrics of the command line."""
        extras: dict[str, Extra] = {}
        if options.clip is not None:
            extras["CLIP"] = clip_score(options.clip)
        if options.dino is not None:
            extras["DINO"] = dino_structure(options.dino)
        if options.lpips:
            extras["LPIPS"] = lpips_background()
        folder = None if options.data is None else Folder(options.data, options.limit)
        return cls(prior, folder, extras)

    def all_rows(self, *, curves: bool) -> list[Row]:
        """See `editing_rows`."""
        return editing_rows(curves=curves)

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """All rows that this model can have, or those of the named methods."""
        left_out = impossible(self.prior) if methods is None else {}
        for name, reason in left_out.items():
            print(f"without {name}: {reason}", file=sys.stderr)
        rows = super().rows(methods, curves=curves)
        return [row for row in rows if row.method not in left_out]

    @torch.no_grad()
    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """Edit a batch of pictures of one size, and measure each."""
        self.protocol.check(items)
        x = torch.stack([self._picture(item) for item in items])
        fit = Fit.to((x.shape[-2], x.shape[-1]), self.prior.native_size, self.prior.multiple)
        with self.metered() as spent:
            z_src = torch.cat([self.prior.encode(fit.down(each[None])) for each in x])
            inputs = EditInputs(
                self.prior,
                z_src,
                self.condition([item.target_prompt for item in items]),
                self.condition([item.source_prompt for item in items]),
                self.prior.condition(""),
                generators([item.seed for item in items]),
                tuple((item.source_prompt, item.target_prompt) for item in items),
            )
            last = finish(start(METHODS[row.method], inputs, row.settings)[0])
            decoded = self._assembled(last, None, x, fit)
            kept = self._assembled(last, z_src, x, fit)
        used, spent_each = spent.evaluations // len(items), spent.seconds / len(items)
        return [
            self._result(row, each, used, spent_each)
            for each in zip(decoded, kept, x, items, strict=True)
        ]

    def _result(
        self, row: Row, made: tuple[Tensor, Tensor, Tensor, Item], used: int, spent: float
    ) -> Result:
        """What the method's own program gives, and what our way of putting back makes of it."""
        decoded, kept, x, item = made
        own, other = (kept, decoded) if row.method in PUT_BACK else (decoded, kept)
        plain, back = self._figures(decoded, x, item), self._figures(kept, x, item)
        measured = dict(back if own is kept else plain)
        measured |= {f"{name}, decoded": value for name, value in plain.items()}
        measured |= {f"{name}, put back": value for name, value in back.items()}
        return Result(measured, used, spent, own, {"other.png": png(other)})

    def _picture(self, item: Item) -> Tensor:
        return read(HERE / item.image) if self.folder is None else self.folder.read(item)

    def condition(self, prompts: list[str]) -> Any:
        """One condition whose rows are the prompts of a batch."""
        rows = [self.prior.condition(prompt) for prompt in prompts]
        if len(rows) == 1:
            return rows[0]
        return TextCondition(" | ".join(prompts), torch.cat([each.embeddings for each in rows]))

    def _assembled(self, last: Step, z_src: Tensor | None, x: Tensor, fit: Fit) -> list[Tensor]:
        """Decoded and nothing else; with `z_src` the source is put back where nothing changed."""
        made: list[Tensor] = []
        for i, (z0, source) in enumerate(zip(last.z0.split(1), x, strict=True)):
            origin = None if z_src is None else self.prior.decode(z_src[i : i + 1])
            made.append(assemble(source, self.prior.decode(z0), origin, fit))
        return made

    def _figures(self, picture: Tensor, x: Tensor, item: Item) -> dict[str, float]:
        ground = background(x) if self.folder is None else self.folder.ground(item)
        if digest_of(ground) != item.mask_sha256:
            raise InputError(f"the background of item {item.id} is not the one that was frozen")
        measured = preservation(picture, x, ground) | drawn(picture, x)
        if self.folder is None:
            measured |= judged(self.judge, picture, x, item.target)
        for name, extra in self.extras.items():
            measured[name] = extra(picture, x, ground, item.target_prompt)
        return measured

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """Markdown; pareto.png and sheet.png lie beside it."""
        measured: Measured = {row.key: records.all(row, items) for row in rows}
        stated = [(row.method, measured[row.key]) for row in rows if row.kind != "sweep"]
        lines = [
            f"{len(items)} pictures, 95 % bootstrap intervals, model {records.model['name']} "
            f"({records.model['weights']}), protocol {records.protocol.digest[:12]}.",
            "",
            "Each with its own published settings:",
            "",
            table(stated, self.columns),
        ]
        for kept in WAYS.values():
            lines += self._pairs(measured, stated, kept)
        likes = [
            name for name in ("top-1", "CLIP", "likeness") if name in stated[0][1][0]["measures"]
        ]
        if not likes:
            lines += ["", "Likeness to the target is not measured: pass --clip with a CLIP folder."]
        elif any(row.kind == "sweep" for row in rows):
            for ending, kept in WAYS.items():
                lines += self._compared(rows, measured, [f"{name}{ending}" for name in likes], kept)
            panels = [
                (f"{likes[-1]}{ending}", kept, points(rows, measured, f"{likes[-1]}{ending}", kept))
                for ending, kept in WAYS.items()
            ]
            pareto(panels, out / "pareto.png")
            lines += ["![likeness over preservation](pareto.png)", ""]
        self._sheet(records, rows, items[:10], out / "sheet.png")
        return "\n".join(lines) + "\n"

    def _pairs(
        self, measured: Measured, named: list[tuple[str, list[Record]]], kept: str
    ) -> list[str]:
        """Ours against every other row, picture by picture."""
        ours, others = measured.get("dreamsampler"), {k: r for k, r in named if k != "DreamSampler"}
        if not ours or not others:
            return []
        text = paired(ours, others, kept)
        return ["", f"DreamSampler's {kept} against theirs, picture by picture: {text}."]

    def _compared(
        self, rows: list[Row], measured: Measured, likes: list[str], kept: str
    ) -> list[str]:
        """Tuned rows and our distance to the front, in one way of putting pictures together."""
        curves: dict[str, list[list[Record]]] = {}
        for row in rows:
            curves.setdefault(row.method, []).append(measured[row.key])
        goal = values(measured.get("dreamsampler") or measured[rows[0].key], likes[0])
        chosen = [(m, tuned(curve, goal, likes[0], kept)) for m, curve in curves.items()]
        columns = [column for column in self.columns if not column.measure.endswith(", decoded")]
        title = f"Each tuned on the other half of the pictures, to our likeness, by {kept}:"
        lines = ["", title, "", table(chosen, columns), *self._pairs(measured, chosen, kept), ""]
        for name in likes:
            gaps = against_front(
                rows, measured, lambda row: row.method == "DreamSampler", name, kept
            )
            lines += [f"By {name} ({kept}, {name}):", "", *(f"- {line}" for line in gaps), ""]
        return lines

    def _sheet(self, records: Records, rows: list[Row], items: list[Item], path: Path) -> None:
        columns = [("source", [records.protocol.folder / item.image for item in items])]
        for row in rows:
            if row.kind != "sweep":
                columns.append((row.method, [records.picture(row, item) for item in items]))
        words = [
            f"{item.source_prompt[:22]}\n-> {item.target or item.target_prompt[:22]}"
            for item in items
        ]
        sheet(columns, words, path)


SUITE = Editing


def _stacks(condition: Any) -> bool:
    """Whether prompts are nothing but embeddings, so that those of a batch can be stacked."""
    rest = ("pooled", "guidance_scale", "extra_channels")
    simple = isinstance(condition, TextCondition)
    return simple and all(getattr(condition, name) is None for name in rest)


def freeze() -> Protocol:
    """The protocol as today's files make it (`python -m benchmarks freeze`)."""
    items = [
        Item(
            id=f"{pair['id']:02d}",
            image=pair["image"],
            sha256=sha256(HERE / pair["image"]),
            seed=pair["id"],
            source_prompt=pair["source_prompt"],
            target_prompt=pair["target_prompt"],
            target=pair["target"],
            mask_sha256=digest_of(background(read(HERE / pair["image"]))),
        )
        for pair in listed("edit_pairs.json")
    ]
    return Protocol("editing", 2, VERSIONS, sha256(WEIGHTS), spread(items))
