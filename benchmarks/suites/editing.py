"""The editing suite: icons with a known target, or photographs in PIE-Bench's layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from benchmarks.clock import clock_of
from benchmarks.edit import background, read
from benchmarks.judge import HERE as JUDGE
from benchmarks.judge import Judge
from benchmarks.suites.editing_report import page
from benchmarks.suites.folder import Folder
from benchmarks.suites.measures import VERSIONS, Extra, judged, preservation
from benchmarks.suites.protocol import Item, Protocol, digest_of, frozen
from benchmarks.suites.records import Records, Result, Row, png
from benchmarks.suites.rows import METHODS, PUT_BACK, Asked, editing_rows, impossible
from dreamsampler.files import InputError, sha256
from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit
from dreamsampler.maths import Step, generators
from dreamsampler.models import TextCondition
from dreamsampler.samplers import finish

BATCH = 6
"""Pictures of the bundled model that go through the network together."""


@final
class Editing:
    """Who edits what, and who is asked about it.

    Args:
        prior: the model.
        folder: photographs of the user's own; the frozen icons if left out.
        extras: measures that the user brought, by their names.
    """

    name = "editing"

    def __init__(
        self, prior: Any, folder: Folder | None = None, extras: dict[str, Extra] | None = None
    ) -> None:
        self.prior, self.folder, self.extras = prior, folder, extras or {}
        self.clock = clock_of(prior)
        self.protocol: Protocol = frozen("editing") if folder is None else folder.protocol()
        self.judge = Judge.load() if folder is None else None
        if self.judge is not None and sha256(JUDGE / "judge.safetensors") != self.protocol.judge:
            raise InputError("the judge's weights are not those of the protocol: git checkout them")
        self.batch = BATCH if folder is None and _stacks(prior.condition("")) else 1

    def rows(self, methods: list[str] | None, *, curves: bool) -> list[Row]:
        """See `editing_rows`; without what this model cannot have, unless it was asked for."""
        left_out = impossible(self.prior) if methods is None else {}
        for name, reason in left_out.items():
            print(f"without {name}: {reason}", file=sys.stderr)
        names = [name for name in METHODS if name not in left_out] if left_out else methods
        return editing_rows(names, curves=curves)

    @torch.no_grad()
    def measure(self, row: Row, items: list[Item]) -> list[Result]:
        """Edit a batch of pictures of one size, and look at each."""
        self.protocol.check(items)
        x = torch.stack([self._picture(item) for item in items])
        fit = Fit.to((x.shape[-2], x.shape[-1]), self.prior.native_size, self.prior.multiple)
        before, start = self.prior.evaluations, self.clock()
        z_src = torch.cat([self.prior.encode(fit.down(each[None])) for each in x])
        asked = Asked(
            self.prior,
            z_src,
            self._condition([item.target_prompt for item in items]),
            self._condition([item.source_prompt for item in items]),
            self.prior.condition(""),
            generators([item.seed for item in items]),
            tuple((item.source_prompt, item.target_prompt) for item in items),
        )
        last = finish(METHODS[row.method](asked, row.settings))
        decoded = self._assembled(last, None, x, fit)
        used = (self.prior.evaluations - before) // len(items)
        kept = self._assembled(last, z_src, x, fit)
        seconds = (self.clock() - start) / len(items)
        return [
            self._result(row, each, used, seconds)
            for each in zip(decoded, kept, x, items, strict=True)
        ]

    def _result(
        self, row: Row, made: tuple[Tensor, Tensor, Tensor, Item], used: int, seconds: float
    ) -> Result:
        """What the method's own program gives, and what our way of putting back makes of it."""
        decoded, kept, x, item = made
        own, other = (kept, decoded) if row.method in PUT_BACK else (decoded, kept)
        plain, back = self._figures(decoded, x, item), self._figures(kept, x, item)
        found = dict(back if own is kept else plain)
        found |= {f"{name}, decoded": value for name, value in plain.items()}
        found |= {f"{name}, put back": value for name, value in back.items()}
        return Result(found, used, seconds, own, {"other.png": png(other)})

    def report(self, records: Records, rows: list[Row], items: list[Item], out: Path) -> str:
        """See `editing_report.page`."""
        return page(records, rows, items, out)

    def _picture(self, item: Item) -> Tensor:
        if self.folder is not None:
            return self.folder.read(item)
        return read(self.protocol.folder / item.image)

    def _condition(self, prompts: list[str]) -> Any:
        """One condition whose rows are the prompts of a batch."""
        found = [self.prior.condition(prompt) for prompt in prompts]
        if len(found) == 1:
            return found[0]
        return TextCondition(" | ".join(prompts), torch.cat([each.embeddings for each in found]))

    def _assembled(self, last: Step, z_src: Tensor | None, x: Tensor, fit: Fit) -> list[Tensor]:
        """Decoded and nothing else; with `z_src` the source is put back where nothing changed."""
        made: list[Tensor] = []
        for i, (z0, source) in enumerate(zip(last.z0.split(1), x, strict=True)):
            origin = None if z_src is None else self.prior.decode(z_src[i : i + 1])
            made.append(assemble(source, self.prior.decode(z0), origin, fit))
        return made

    def _figures(self, picture: Tensor, x: Tensor, item: Item) -> dict[str, float]:
        ground = background(x[None])[0] if self.folder is None else self.folder.ground(item)
        if digest_of(ground) != item.mask_sha256:
            raise InputError(f"the background of item {item.id} is not the one that was frozen")
        found = preservation(picture, x, ground)
        if self.judge is not None:
            found |= judged(self.judge, picture, x, item.target)
        for name, extra in self.extras.items():
            found[name] = extra(picture, x, ground, item.target_prompt)
        return found


def _stacks(condition: Any) -> bool:
    """Whether prompts are nothing but embeddings, so that those of a batch can be stacked."""
    rest = ("pooled", "mask", "guidance_scale", "extra_channels")
    simple = isinstance(condition, TextCondition)
    return simple and all(getattr(condition, name) is None for name in rest)


def freeze() -> Protocol:
    """The protocol as today's files make it (`python -m benchmarks.suites.freeze`)."""
    import json

    from benchmarks.suites.protocol import HERE

    items = [
        Item(
            id=f"{pair['id']:02d}",
            image=pair["image"],
            sha256=sha256(HERE / pair["image"]),
            seed=pair["id"],
            source_prompt=pair["source_prompt"],
            target_prompt=pair["target_prompt"],
            target=pair["target"],
            mask_sha256=digest_of(background(read(HERE / pair["image"])[None])[0]),
        )
        for pair in json.loads((HERE / "edit_pairs.json").read_text(encoding="utf-8"))
    ]
    # spread over the kinds of pairs, so that a prefix (--limit) is a fair sample
    order = sorted(range(len(items)), key=lambda i: (i * 7 % len(items), i))
    spread = tuple(items[i] for i in order)
    return Protocol("editing", 2, VERSIONS, sha256(JUDGE / "judge.safetensors"), spread)
